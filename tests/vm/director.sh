# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --director: client and real servers are elsewhere, and IPVS only forwards. In direct routing the answers do not pass it.
#
#   +-- p$$: client -----------+      +-- the test's: director --------------+      +-- r$$: real servers -----+
#   |          10.77.2.2 [eth0]--veth-[p$$] 10.77.2.1                        |      | servers 10.77.3.2:808x   |
#   |                          |      |   IPVS 10.77.0.1 masq,  10.77.0.2 DR |      |         10.77.0.2 (on lo)|
#   |                          |      |                      10.77.3.1 [r$$]-veth--[eth0] 10.77.3.2          |
#   |          10.77.5.2 [eth1]|      |   203.0.113.0/24 is swallowed        |      |[eth1] 10.77.5.1          |
#   +---------------------|----+      +--------------------------------------+      +--|-----------------------+
#                         `-------------- veth: the answers of direct routing ---------'
#
#   IPv6: fd00:77:... in place of 10.77....

# director_network 4|6 - makes the network. Neighbours are found only from link-local addresses; the kernel's own would be
# tentative at first.
director_network()
{
	local where
	ip netns add p$$
	ip netns add r$$
	ip -batch - <<-END
	link set lo up
	link add p$$ type veth peer name eth0 netns p$$
	link add r$$ type veth peer name eth0 netns r$$
	link add s$$ type dummy
	link set p$$ addrgenmode none
	link set r$$ addrgenmode none
	link set s$$ addrgenmode none
	link set p$$ up
	link set r$$ up
	link set s$$ up arp off
	address add 10.77.0.1/32 dev lo
	address add 10.77.0.2/32 dev lo
	address add 10.77.2.1/24 dev p$$
	address add 10.77.3.1/24 dev r$$
	address add fd00:77::1/128 dev lo nodad
	address add fd00:77::2/128 dev lo nodad
	address add fd00:77:2::1/64 dev p$$ nodad
	address add fd00:77:3::1/64 dev r$$ nodad
	address add fe80::1/64 dev p$$ nodad
	address add fe80::1/64 dev r$$ nodad
	route add 203.0.113.0/24 dev s$$
	route add 2001:db8:113::/64 dev s$$
	END
	ip -n p$$ link add eth1 type veth peer name eth1 netns r$$
	for where in p$$ r$$; do
		ip -n "$where" -batch - <<-END
		link set lo up
		link set eth0 addrgenmode none
		link set eth1 addrgenmode none
		link set eth0 up
		link set eth1 up
		END
	done
	ip -n p$$ -batch - <<-END
	address add 10.77.2.2/24 dev eth0
	address add 10.77.5.2/24 dev eth1
	address add fd00:77:2::2/64 dev eth0 nodad
	address add fe80::2/64 dev eth0 nodad
	address add fe80::2/64 dev eth1 nodad
	address add fd00:77:5::2/64 dev eth1 nodad
	route add 10.77.0.1/32 via 10.77.2.1
	route add 10.77.0.2/32 via 10.77.2.1 src 10.77.5.2
	route add fd00:77::1/128 via fd00:77:2::1
	route add fd00:77::2/128 via fd00:77:2::1 src fd00:77:5::2
	END
	ip -n r$$ -batch - <<-END
	address add 10.77.0.2/32 dev lo
	address add 10.77.3.2/24 dev eth0
	address add 10.77.5.1/24 dev eth1
	address add fd00:77::2/128 dev lo nodad
	address add fd00:77:3::2/64 dev eth0 nodad
	address add fe80::2/64 dev eth0 nodad
	address add fe80::1/64 dev eth1 nodad
	address add fd00:77:5::1/64 dev eth1 nodad
	route add default via 10.77.3.1
	route add default via fd00:77:3::1
	END
	ip -batch - <<-END
	route add 10.77.5.0/24 via 10.77.2.2
	route add fd00:77:5::/64 via fd00:77:2::2
	END
	loose
	ip netns exec p$$ "$self" --call loose
	ip netns exec r$$ "$self" --call loose
	client_in=(nsenter "--net=/run/netns/p$$")
	syn_backoff
	if [ "$1" = 4 ]; then
		masq_vip=10.77.0.1 route_vip=10.77.0.2 real=10.77.3.2 nowhere=203.0.113.2
	else
		masq_vip='[fd00:77::1]' route_vip='[fd00:77::2]' real='[fd00:77:3::2]' nowhere='[2001:db8:113::2]'
	fi
	ipvsadm --set 6 0 0	# an established connection is idle after 6 s
}

# loose - forwards, and takes packets from wherever they come
loose()
{
	local file
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	for file in /proc/sys/net/ipv4/conf/*/rp_filter; do
		echo 0 >"$file"
	done
}

# The cases: a name, the virtual port, and for masquerading the port of the real server.
#	client closes 80, server closes 81, client resets 82, server resets 83, refused 84, silent 85, idle 86, removed 87,
#	the port comes again 88, no real server 89, persistent with weight 0 90
masq_services()
{
	ipvsadm -R <<-END
	-A -t $masq_vip:80 -s rr
	-a -t $masq_vip:80 -r $real:8080 -m
	-A -t $masq_vip:81 -s rr
	-a -t $masq_vip:81 -r $real:8081 -m
	-A -t $masq_vip:82 -s rr
	-a -t $masq_vip:82 -r $real:8080 -m
	-A -t $masq_vip:83 -s rr
	-a -t $masq_vip:83 -r $real:8083 -m
	-A -t $masq_vip:84 -s rr
	-a -t $masq_vip:84 -r $real:8084 -m
	-A -t $masq_vip:85 -s rr
	-a -t $masq_vip:85 -r $nowhere:8080 -m
	-A -t $masq_vip:86 -s rr
	-a -t $masq_vip:86 -r $real:8080 -m
	-A -t $masq_vip:87 -s rr
	-a -t $masq_vip:87 -r $real:8080 -m
	-A -t $masq_vip:88 -s rr
	-a -t $masq_vip:88 -r $real:8081 -m
	-A -t $masq_vip:89 -s rr
	-A -t $masq_vip:90 -s rr -p 300
	-a -t $masq_vip:90 -r $real:8080 -m
	END
	server_elsewhere "$real:8080"
	server_elsewhere --close-first "$real:8081"
	server_elsewhere --reset "$real:8083"
}

route_services()
{
	local port
	{
		for port in 80 81 82 83 84 86 87 88; do
			echo "-A -t $route_vip:$port -s rr"
			echo "-a -t $route_vip:$port -r $real:$port -g"
		done
		echo "-A -t $route_vip:85 -s rr"
		echo "-a -t $route_vip:85 -r $nowhere:85 -g"
		echo "-A -t $route_vip:89 -s rr"
	} | ipvsadm -R
	server_elsewhere "$route_vip:80" "$route_vip:82" "$route_vip:86" "$route_vip:87"
	server_elsewhere --close-first "$route_vip:81" "$route_vip:88"
	server_elsewhere --reset "$route_vip:83"
}

# cases VIP PORT - lets all of them happen; PORT: of the real server that is removed
cases()
{
	client "$1:80"
	client -w "$1:81"
	client -r "$1:82"
	client -w -b 1 "$1:83"
	client_fails -g 5000 "$1:84"
	client_fails -g 5000 "$1:85"
	client_begin -q -o 60000 "$1:86"
	client_begin -q -o 60000 "$1:87"
	wait_for established "$1:87"
	ipvsadm -d -t "$1:87" -r "$real:$2"
	client -w -p 12088 -P 1 -n 2 "$1:88"
	client_fails -g 5000 "$1:89"
}

all_cases()
{
	cases "$masq_vip" 8080
	cases "$route_vip" 87
	client "$masq_vip:90"
	ipvsadm -e -t "$masq_vip:90" -r "$real:8080" -m -w 0
	client "$masq_vip:90"
}

# established SERVICE - true if IPVS has such a connection
established()
{
	ipvsadm -Lnc | awk -v service="$1" '$3 == "ESTABLISHED" && $5 == service { found = 1 } END { exit !found }'
}

# forwarded VIP PORT... - prints what the rows say of connections to these ports. An entry that is thrown out is freed some
# time after its successor was made, so that row comes last. A slow client sends its SYN again, also after an ICMP message that
# found its socket in use; only for the silent real server (85) it is known how often.
forwarded()
{
	local port
	for port in "${@:2}"; do
		awk -v vip="$(tr -d '[]' <<<"$1")" -v port="$port" '
			NR == 1 || $2 != "-" || $6 != vip || $7 != port { next }
			$13 == "retransmit" && $7 != 85 || $13 == "no-destination" && refused++ { next }
			$13 == "rescheduled" { last = $7 " " $8 " " $10 " " $12 " " $13; next }
			{ print $7, $8, $10, $12, $13 }
			END { if (last) print last }' rows
	done
}

# has_reason VIP PORT NEWSTATE REASON - true if there is such a row
has_reason()
{
	[[ $(forwarded "$1" "$2") =~ \ $3\ [^\ ]*\ $4($|$'\n') ]]
}

# masq_rows, route_rows - print what "forwarded" must print
masq_rows()
{
	cat <<-END
	80 NONE SYN_RECV $real:8080 -
	80 SYN_RECV ESTABLISHED $real:8080 -
	80 ESTABLISHED CLOSE_WAIT $real:8080 client-fin
	80 CLOSE_WAIT TIME_WAIT $real:8080 server-fin
	81 NONE SYN_RECV $real:8081 -
	81 SYN_RECV ESTABLISHED $real:8081 -
	81 ESTABLISHED FIN_WAIT $real:8081 server-fin
	81 FIN_WAIT TIME_WAIT $real:8081 client-fin
	82 NONE SYN_RECV $real:8080 -
	82 SYN_RECV ESTABLISHED $real:8080 -
	82 ESTABLISHED CLOSE $real:8080 client-reset
	83 NONE SYN_RECV $real:8083 -
	83 SYN_RECV ESTABLISHED $real:8083 -
	83 ESTABLISHED CLOSE $real:8083 server-reset
	84 NONE SYN_RECV $real:8084 -
	84 SYN_RECV CLOSE $real:8084 refused
	85 NONE SYN_RECV $nowhere:8080 -
	85 SYN_RECV SYN_RECV $nowhere:8080 retransmit
	85 SYN_RECV SYN_RECV $nowhere:8080 retransmit
	85 SYN_RECV NONE $nowhere:8080 no-answer
	86 NONE SYN_RECV $real:8080 -
	86 SYN_RECV ESTABLISHED $real:8080 -
	86 ESTABLISHED NONE $real:8080 idle
	87 NONE SYN_RECV $real:8080 -
	87 SYN_RECV ESTABLISHED $real:8080 -
	87 ESTABLISHED NONE $real:8080 removed
	88 NONE SYN_RECV $real:8081 -
	88 SYN_RECV ESTABLISHED $real:8081 -
	88 ESTABLISHED FIN_WAIT $real:8081 server-fin
	88 FIN_WAIT TIME_WAIT $real:8081 client-fin
	88 NONE SYN_RECV $real:8081 -
	88 SYN_RECV ESTABLISHED $real:8081 -
	88 ESTABLISHED FIN_WAIT $real:8081 server-fin
	88 FIN_WAIT TIME_WAIT $real:8081 client-fin
	88 TIME_WAIT NONE $real:8081 rescheduled
	89 NONE NONE - no-destination
	90 NONE SYN_RECV $real:8080 -
	90 SYN_RECV ESTABLISHED $real:8080 -
	90 ESTABLISHED CLOSE_WAIT $real:8080 client-fin
	90 CLOSE_WAIT TIME_WAIT $real:8080 server-fin
	90 NONE SYN_RECV $real:8080 removed
	90 SYN_RECV ESTABLISHED $real:8080 removed
	90 ESTABLISHED CLOSE_WAIT $real:8080 client-fin
	90 CLOSE_WAIT TIME_WAIT $real:8080 server-fin
	END
}

route_rows()
{
	cat <<-END
	80 NONE SYN_RECV $real:80 -
	80 SYN_RECV ESTABLISHED $real:80 -
	80 ESTABLISHED FIN_WAIT $real:80 client-fin
	81 NONE SYN_RECV $real:81 -
	81 SYN_RECV ESTABLISHED $real:81 -
	81 ESTABLISHED FIN_WAIT $real:81 client-fin
	82 NONE SYN_RECV $real:82 -
	82 SYN_RECV ESTABLISHED $real:82 -
	82 ESTABLISHED CLOSE $real:82 client-reset
	83 NONE SYN_RECV $real:83 -
	83 SYN_RECV ESTABLISHED $real:83 -
	83 ESTABLISHED NONE $real:83 idle
	84 NONE SYN_RECV $real:84 -
	84 SYN_RECV NONE $real:84 refused
	85 NONE SYN_RECV $nowhere:85 -
	85 SYN_RECV SYN_RECV $nowhere:85 retransmit
	85 SYN_RECV SYN_RECV $nowhere:85 retransmit
	85 SYN_RECV NONE $nowhere:85 no-answer
	86 NONE SYN_RECV $real:86 -
	86 SYN_RECV ESTABLISHED $real:86 -
	86 ESTABLISHED NONE $real:86 idle
	87 NONE SYN_RECV $real:87 -
	87 SYN_RECV ESTABLISHED $real:87 -
	87 ESTABLISHED NONE $real:87 removed
	88 NONE SYN_RECV $real:88 -
	88 SYN_RECV ESTABLISHED $real:88 -
	88 ESTABLISHED FIN_WAIT $real:88 client-fin
	88 FIN_WAIT SYN_RECV $real:88 -
	88 SYN_RECV ESTABLISHED $real:88 -
	88 ESTABLISHED FIN_WAIT $real:88 client-fin
	89 NONE NONE - no-destination
	END
}

# Every case, in masquerading and in direct routing, with all its rows and no other.
every_case()
{
	patience=120
	director_network "$1"
	masq_services
	route_services
	tool_start --director --record director.rec
	all_cases
	wait_for has_reason "$masq_vip" 84 CLOSE refused
	wait_for has_reason "$route_vip" 84 NONE refused
	wait_for has_reason "$masq_vip" 85 NONE no-answer
	wait_for has_reason "$route_vip" 85 NONE no-answer
	tool_stop
	expect "rows, masquerading" "$(masq_rows)" "$(forwarded "$masq_vip" {80..90})"
	expect "rows, direct routing" "$(route_rows)" "$(forwarded "$route_vip" {80..90})"
	seen_right
	expect "rows of the replay" "$(<rows)" "$("$tool" --replay director.rec 2>/dev/null)"
	expect "JSON lines of IPVS" "$(($(wc -l <rows) - 1))" "$("$tool" --replay director.rec -j 2>/dev/null | grep -c '"source":"ipvs"')"
}

# seen_right - no process, the client's own address and port, times that fit, nothing lost
seen_right()
{
	expect "C-PID and C-COMM" "- -" "$(awk 'NR > 1 { print $2, $3 }' rows | sort -u)"
	expect "events lost" 0 "$(lost)"
	expect "ports of clients" "$(awk '$4 == "ok" { sub(/.*:/, "", $2); print $2 }' clients | sort -u)" \
		"$(awk '$10 == "ESTABLISHED" { print $5 }' rows | sort -u)"
	between "MS of an idle connection" 5900 "$(awk '$13 == "idle" { print $11 }' rows | sort -n | head -n 1)" 9000
	between "MS without an answer" 60000 "$(awk '$13 == "no-answer" { print $11 }' rows | sort -n | head -n 1)" 80000
}

# five_kinds VIP N - starts N connections of each of five kinds at once
five_kinds()
{
	local part services=(80 81 82 83 84) options=(-q -w -r "-w -b 1" "-g 9000")
	for part in 0 1 2 3 4; do
		# shellcheck disable=SC2086 # several options
		"${client_in[@]}" "$peers/client" -n "$2" ${options[part]} "$1:${services[part]}" >"clients.${services[part]}" &
		pids+=($!)
		clients+=($!)
	done
}

# five_kinds_right VIP - checks each connection in the files clients.*: its rows in their order, and no others. A reset after both FINs is
# left to the capture.
five_kinds_right()
{
	awk -v vip="$(tr -d '[]' <<<"$1")" '
		BEGIN {
			begin = "NONE>SYN_RECV:- SYN_RECV>ESTABLISHED:- "
			life[80] = begin "ESTABLISHED>CLOSE_WAIT:client-fin CLOSE_WAIT>TIME_WAIT:server-fin "
			life[81] = begin "ESTABLISHED>FIN_WAIT:server-fin FIN_WAIT>TIME_WAIT:client-fin "
			life[82] = begin "ESTABLISHED>CLOSE:client-reset "
			life[83] = begin "ESTABLISHED>CLOSE:server-reset "
			life[84] = "NONE>SYN_RECV:- SYN_RECV>CLOSE:refused "
		}
		FILENAME ~ /^clients/ {
			port = $2; sub(/.*:/, "", port)
			service = FILENAME; sub(/.*[.]/, "", service)
			made[service " " port]++
			n++
			next
		}
		FNR == 1 || $6 != vip || $13 == "rescheduled" || ($8 == "TIME_WAIT" && $10 == "CLOSE") { next }
		{ key = $7 " " $5; was[key] = was[key] $8 ">" $10 ":" $13 " " }
		END {
			for (key in made) {
				split(key, part, " ")
				expected = ""
				for (i = 0; i < made[key]; i++)
					expected = expected life[part[1]]
				if (was[key] != expected && bad++ < 10)
					print key ": " was[key] ", not " expected
			}
			for (key in was)
				if (!(key in made) && bad++ < 10)
					print key " is nobody: " was[key]
			print n " connections, " bad + 0 " wrong"
			exit bad > 0
		}' clients.* rows
}

# 1,000 connections of five kinds at once: each is accounted for once, with the real server that has logged it, and as the
# packets on their way say.
thousand()
{
	local clients=() pid verdict
	director_network 4
	masq_services
	capture_start "host $masq_vip and tcp[tcpflags] & (tcp-syn | tcp-fin | tcp-rst) != 0"
	tool_start --director
	five_kinds "$masq_vip" 200
	for pid in "${clients[@]}"; do
		wait "$pid" || :
	done
	sleep 2	# the last answers
	tool_stop
	capture_stop
	verdict=$(five_kinds_right "$masq_vip") || :
	expect "all connections" "1000 connections, 0 wrong" "$verdict"
	expect "events lost" 0 "$(lost)"
	# The servers log the client's own port: each connection that they took is one that was seen established.
	expect "connections of the servers" "$(awk '{ sub(/.*:/, "", $2); print $2, $4 }' servers | sort)" \
		"$(awk '$10 == "ESTABLISHED" { print $5, $12 }' rows | sort)"
	expect "connections of the capture" 1000 "$(captured "$masq_vip" | wc -l)"
	expect "connections of the capture, and who ended each" "$(captured "$masq_vip")" "$(traced "$masq_vip")"
}

# Begin and end only: no program runs for packets.
ends_only()
{
	director_network "$1"
	masq_services
	tool_start --director=ends -x
	client -r "$masq_vip:82"
	client_fails -g 5000 "$masq_vip:84"
	client_fails -g 5000 "$masq_vip:89"
	client_begin -q -o 30000 "$masq_vip:86"
	wait_for has_reason "$masq_vip" 86 NONE idle
	wait_for has_reason "$masq_vip" 82 NONE -
	wait_for has_reason "$masq_vip" 84 NONE -
	tool_stop
	expect rows "$(cat <<-END
	82 NONE NONE $real:8080 new
	82 CLOSE NONE $real:8080 -
	84 NONE NONE $real:8084 new
	84 CLOSE NONE $real:8084 -
	86 NONE NONE $real:8080 new
	86 ESTABLISHED NONE $real:8080 idle
	89 NONE NONE - no-destination
	END
	)" "$(forwarded "$masq_vip" {80..90})"
	expect "events lost" 0 "$(lost)"
	between "life of the one that was reset" 9900 "$(awk '$8 == "CLOSE" && $7 == 82 { print $11 }' rows)" 13000
	expect "packets of the client" "$(printf '%s\n' "3 82" "1 84" "2 86")" \
		"$(awk '$10 == "NONE" && $8 != "NONE" { print $19, $7 }' rows | sort -k 2n)"
}

# With -a the rows of a local client's socket too; by name, where two kprobes on one function need two names.
both()
{
	patience=300	# it compiles
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start --director -a --hooks kprobe
	client "$vip:80"
	wait_for has_reason "$vip" 80 TIME_WAIT server-fin
	wait_for all_closed
	tool_stop
	expect "rows of the socket" "$(expected_rows "$vip:80" "$answered")" "$(rows_to "$vip:80" | grep -v '^- - ')"
	expect "rows of IPVS" "$(cat <<-END
	80 NONE SYN_RECV $real_1 -
	80 SYN_RECV ESTABLISHED $real_1 -
	80 ESTABLISHED CLOSE_WAIT $real_1 client-fin
	80 CLOSE_WAIT TIME_WAIT $real_1 server-fin
	END
	)" "$(forwarded "$vip" 80)"
}

run_director()
{
	run "director: every case, IPv$1" every_case "$1"
	more "director: every case, IPv$((10 - $1))" every_case $((10 - $1))
	limit=600 more "director: every case, counted" every_case_counted
	limit=600 more "director: times in each state, counted" states_counted
	twice "$1" "director: tunnel, firewall mark, persistent, UDP, in another namespace" other_ways
	limit=600 more "director: sockets too, each counted once" counted_once
	limit=600 more "director: sockets too, clients from elsewhere" counted_from_elsewhere
	more "director: entries of another director" backup
	limit=600 more "director: keepalived and curl" managed
	limit=900 more "director: speed beside no tool" cost
	more "director: 1,000 connections of five kinds" thousand
	more "director: begin and end only" ends_only 4
	limit=600 more "director: sockets too" both
}
