# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --director in the network of director.sh: counts, other ways to forward, another director, a manager, and what it costs.

# total NAME [LABEL] - prints the sum of the series of IPVS with this name and label
total()
{
	awk -v name="$1{" -v label="${2-}" 'index($0, name) == 1 && /,source="ipvs"/ && index($0, label) { n += $NF } END { print n + 0 }' \
		ipvs/ipvs.prom
}

# Every case of director.sh in counts: they are those of the rows that the same programs send, and these are as they must be.
every_case_counted()
{
	patience=300	# it compiles
	director_network 4
	masq_services
	route_services
	mkdir ipvs
	tool_start --director --histogram --states -j --metrics ipvs/ipvs.prom 1 --record counted.rec
	all_cases
	wait_for has_counted 4	# two refused, two without an answer
	tool_stop
	expect "losses" 0 "$(sed -n 's/.*: \([0-9]*\) lost$/\1/p' err)"
	expect "open at the end" 0 "$(total ipvs_tcp_open_connections)"
	cp rows tables
	"$tool" --replay counted.rec >rows 2>/dev/null
	expect "rows, masquerading" "$(masq_rows)" "$(forwarded "$masq_vip" {80..90})"
	expect "rows, direct routing" "$(route_rows)" "$(forwarded "$route_vip" {80..90})"
	"$tool" --replay counted.rec -j >rows.json 2>/dev/null
	expect "times of life" "$(awk '/"oldstate":"ESTABLISHED"/ { n++ } END { print n + 0 }' rows.json)" \
		"$(total ipvs_tcp_life_seconds_count)"
	[ "$(command -v python3)" ] || { note "no python3 to compare the counts"; return; }
	expect "counts, and those of the rows" "$(python3 "$top/tests/metrics.py" row-counts rows.json)" \
		"$(python3 "$top/tests/metrics.py" counts ipvs/ipvs.prom)"
	expect "connect times, and those of the rows" "$(python3 "$top/tests/metrics.py" row-times rows.json)" \
		"$(python3 "$top/tests/metrics.py" times ipvs/ipvs.prom)"
	[ -z "$(command -v promtool)" ] || promtool check metrics <ipvs/ipvs.prom
}

# has_counted N - true if so many connects were refused or had no answer
has_counted()
{
	[ "$(($(total ipvs_tcp_connects_total '"refused"') + $(total ipvs_tcp_connects_total '"timeout"')))" = "$1" ]
}

# Histograms of IPVS's states: as many times as in the rows, and the same times.
states_counted()
{
	[ "$(command -v python3)" ] || skip "no python3 here"
	patience=300	# it compiles
	director_network 4
	masq_services
	tool_start --director --histogram --states -j --record counted.rec
	client -n 7 "$masq_vip:80"
	client -n 3 -w "$masq_vip:81"
	client_fails -n 2 -g 5000 "$masq_vip:84"
	tool_stop
	"$tool" --replay counted.rec -j >rows.json 2>/dev/null
	awk '/"event":"histogram"/' rows >histograms
	python3 "$top/tests/metrics.py" state-times rows.json histograms >found || fail "$(cat found)"
	expect "histograms" "$(for state in NONE SYN_RECV ESTABLISHED CLOSE_WAIT; do echo "7 $masq_vip:80 $real:8080 ipvs $state"; done)" \
		"$(grep -F ":80 " found)"
}

# line SOURCE ADDR:PORT - prints CONNECTS ESTABLISHED REFUSED NO-DESTINATION RESETS OPEN of the service
line()
{
	local port=${2##*:} addr=${2%:*}
	awk -F , -v source="$1" -v vip="$addr" -v port="$port" '
		$1 == vip && $2 == port && $3 == "total" && $NF == source { print $5, $6, $7, $11, $14, $15 }' rows
}

# With -a a connection whose client's socket is on this host, in whatever namespace, counts as a socket's, and not as IPVS's too. The
# tool is in another namespace; two connections are from before its start, and one of these is reset.
counted_once()
{
	local forwarding tool_in=(nsenter --net=/proc/1/ns/net)
	patience=200
	director_network 4
	ipvsadm --set 600 0 0	# none is idle
	forwarding=("${client_in[@]}") client_in=()
	masq_services
	client_begin -o 600000 -w -l -b 1 "$masq_vip:83"
	client_in=("${forwarding[@]}")
	client_begin -o 600000 "$masq_vip:80"
	wait_for has_served 2
	tool_start --director -a --summary -s -V 10.77.0.1
	client -n 3 "$masq_vip:80"
	client_fails -n 2 -g 5000 "$masq_vip:84"
	client -n 2 -w -b 1 "$masq_vip:83"
	client_in=()
	client -n 4 "$masq_vip:80"
	client_fails -n 5 "$masq_vip:84"
	client -w -b 1 "$masq_vip:83"
	client_fails "$masq_vip:89"
	client_begin -o 600000 "$masq_vip:82"
	wait_for has_served 13
	kill -USR1 "${pids[0]}"	# it sends a byte, and is reset
	wait "${pids[0]}"
	tool_stop
	expect ":80" "7 7 0 0 0 1" "$(line sockets "$masq_vip:80")"
	expect ":82" "1 1 0 0 0 1" "$(line sockets "$masq_vip:82")"
	expect ":83" "3 3 0 0 4 0" "$(line sockets "$masq_vip:83")"
	expect ":84" "7 0 7 0 0 0" "$(line sockets "$masq_vip:84")"
	expect ":89" "1 0 0 1 0 0" "$(line sockets "$masq_vip:89")"
	expect "what IPVS counts of them" "" "$(awk '/,ipvs$/' rows)"
}

# A connection whose client is not known on this host counts as IPVS's, also with -a. Here its address is changed on the way, so for
# the tool it is another one than its client's.
counted_from_elsewhere()
{
	modprobe -a sch_ingress cls_u32 act_nat || skip "this kernel cannot change addresses"
	[ "$(command -v tc)" ] || skip "no tc here"
	patience=200
	director_network 4
	masq_services
	ip route add 10.77.2.9/32 via 10.77.2.2
	ip netns exec p$$ tc qdisc add dev eth0 clsact
	ip netns exec p$$ tc filter add dev eth0 egress protocol ip u32 match ip dst 10.77.0.1/32 action nat egress 10.77.2.2/32 10.77.2.9
	ip netns exec p$$ tc filter add dev eth0 ingress protocol ip u32 match ip dst 10.77.2.9/32 action nat ingress 10.77.2.9/32 10.77.2.2
	tool_start --director -a --summary -s -V 10.77.0.1
	client -n 3 "$masq_vip:80"
	client_fails -n 2 -g 5000 "$masq_vip:84"
	client -n 2 -w -b 1 "$masq_vip:83"
	tool_stop
	expect "IPVS, :80" "3 3 0 0 0 0" "$(line ipvs "$masq_vip:80")"
	expect "IPVS, :83" "2 2 0 0 2 0" "$(line ipvs "$masq_vip:83")"
	expect "IPVS, :84" "2 0 2 0 0 0" "$(line ipvs "$masq_vip:84")"
	expect "real servers of the clients' sockets" "" "$(awk -F , '$NF == "sockets" && $3 != "total" { print $3 }' rows | sort -u)"
}

# Tunnel, service by firewall mark, a tool in another namespace; UDP is left out, and so are the templates of persistent services.
other_ways()
{
	local tool_in=(nsenter --net=/proc/1/ns/net) ports=(93 92)
	modprobe ipip || skip "no ipip here"
	director_network 4
	ip -n r$$ link set tunl0 up
	ip netns exec r$$ "$self" --call loose
	if modprobe -a sch_ingress cls_u32 act_skbedit 2>/dev/null && [ "$(command -v tc)" ]; then
		ports=(91 "${ports[@]}")
		tc qdisc add dev p$$ ingress
		tc filter add dev p$$ parent ffff: protocol ip u32 match ip dport 91 0xffff action skbedit mark 7
		ipvsadm -A -f 7 -s rr
		ipvsadm -a -f 7 -r "$real" -m
	else
		note "no firewall marks here"
	fi
	ipvsadm -R <<-END
	-A -t $route_vip:92 -s rr
	-a -t $route_vip:92 -r $real:92 -i
	-A -t $masq_vip:93 -s rr -p 300
	-a -t $masq_vip:93 -r $real:8080 -m
	-A -u $masq_vip:53 -s rr
	-a -u $masq_vip:53 -r $real:53 -m
	END
	server_elsewhere "$real:8080" "$route_vip:92" "$real:91"
	tool_start --director -x
	"${client_in[@]}" bash -c "echo >/dev/udp/$masq_vip/53"
	wait_for grep -q ^UDP /proc/net/ip_vs_conn
	client "$masq_vip:93"
	[ ${#ports[@]} = 2 ] || client "$masq_vip:91"
	client "$route_vip:92"
	wait_for has_reason "$route_vip" 92 FIN_WAIT client-fin
	wait_for has_reason "$masq_vip" "${ports[0]}" TIME_WAIT server-fin
	tool_stop
	expect "rows" "$(for port in "${ports[@]}"; do
		[ "$port" != 91 ] || masq_life 91 "$real:91"
		[ "$port" != 93 ] || masq_life 93 "$real:8080"
		[ "$port" != 92 ] || cat <<-END
			92 NONE SYN_RECV $real:92 -
			92 SYN_RECV ESTABLISHED $real:92 -
			92 ESTABLISHED FIN_WAIT $real:92 client-fin
		END
	done)" "$(forwarded "$masq_vip" "${ports[@]}"; forwarded "$route_vip" 92)"
	expect "rows of others" "" "$(awk 'NR > 1 && $7 !~ /^9[123]$/' rows)"
	expect "methods" "$(printf '%s\n' "92 tunnel" "93 masq" "${ports[0]} masq" | sort -u)" "$(awk 'NR > 1 { print $7, $14 }' rows | sort -u)"
	expect "namespace" "$(inode_of_namespace)" "$(awk 'NR > 1 { print $15 }' rows | sort -u)"
	expect "events lost" 0 "$(lost)"
}

# masq_life PORT REAL - prints the rows of a connection that its client closes
masq_life()
{
	cat <<-END
	$1 NONE SYN_RECV $2 -
	$1 SYN_RECV ESTABLISHED $2 -
	$1 ESTABLISHED CLOSE_WAIT $2 client-fin
	$1 CLOSE_WAIT TIME_WAIT $2 server-fin
	END
}

# An entry from another director is not a new connection: it is counted as synced, and shown when packets come that change it.
# The backup is the real server's host, which all packets of direct routing reach next.
backup()
{
	director_network 4
	route_services
	ipvsadm --set 600 0 0	# it is not idle
	echo 2 0 >/proc/sys/net/ipv4/vs/sync_threshold	# sent at the second packet, the ACK
	ip netns exec r$$ ipvsadm -A -t 10.77.0.9:9	# without any service IPVS looks at no packet
	ip netns exec r$$ ipvsadm --start-daemon backup --mcast-interface eth0
	ipvsadm --start-daemon master --mcast-interface r$$
	tool_start --director -x
	client_begin -p 41000 -q -o 600000 "$route_vip:80"
	wait_for brought_by_sync	# of port 41000
	ipvsadm --stop-daemon master
	kill -USR1 $!
	wait_for has_reason "$route_vip" 80 FIN_WAIT client-fin
	wait_for backup_has_row
	tool_stop
	ip netns exec r$$ ipvsadm --stop-daemon backup
	expect "rows of the master" "NONE SYN_RECV -
SYN_RECV ESTABLISHED -
ESTABLISHED FIN_WAIT client-fin" "$(rows_in "$(inode_of_namespace)")"
	expect "rows of the backup" "ESTABLISHED FIN_WAIT client-fin" "$(rows_in "$(inode_of_backup)")"
	expect "counted as synced" 1 "$(sed -n 's/.*: \([0-9]*\) entries came from another director$/\1/p' err)"
	expect "events lost" 0 "$(lost)"
}

inode_of_backup()
{
	inode_of_namespace /run/netns/r$$
}

# rows_in NETNS - prints the states and reasons of the rows of this namespace
rows_in()
{
	awk -v netns="$1" '$15 == netns { print $8, $10, $13 }' rows
}

backup_has_row()
{
	[ "$(rows_in "$(inode_of_backup)")" ]
}

# captured VIP - prints for each connection of the capture its client's port, the service's port and who ended it how; "+reset" if
# a reset followed the first FIN
captured()
{
	awk -v vip="$1." '
		{
			for (i = 1; i < NF && $i != "IP"; i++)
				;
			from = $(i + 1); to = $(i + 3); flags = $(i + 5); seq = $(i + 7)
			sub(/:$/, "", to)
			who = index(to, vip) == 1 ? "client" : "server"
			key = who == "client" ? from " " to : to " " from
			gsub(/[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+[.]/, "", key)
			if (who == "client" && flags ~ /S/ && syn[key] != seq) {	# not one that is sent again
				syn[key] = seq
				n[key]++
			}
			if (flags ~ /[FR]/ && !((key, n[key]) in end))
				end[key, n[key]] = who (flags ~ /R/ ? "-reset" : "-fin")
			else if (flags ~ /R/ && end[key, n[key]] ~ /-fin$/)
				end[key, n[key]] = end[key, n[key]] "+reset"
		}
		END {
			for (key in n)
				for (i = 1; i <= n[key]; i++)
					print key, end[key, i]
		}' packets | sort
}

# traced VIP - prints the same from the rows
traced()
{
	awk -v vip="$1" '
		$6 != vip { next }
		{ key = $5 " " $7 }
		$10 == "SYN_RECV" && $8 != "SYN_RECV" { n[key]++ }
		$13 ~ /-fin$|-reset$|^refused$/ && !((key, n[key]) in end) { end[key, n[key]] = $13 == "refused" ? "server-reset" : $13 }
		$13 ~ /-reset$/ && end[key, n[key]] ~ /-fin$/ { end[key, n[key]] = end[key, n[key]] "+reset" }
		END {
			for (key in n)
				for (i = 1; i <= n[key]; i++)
					print key, end[key, i]
		}' rows | sort
}

# keepalived makes the service, and removes a real server that fails its check; curl is the load. Both servers answer by HTTP.
managed()
{
	local i port
	[ "$(command -v keepalived)" ] || skip "no keepalived here"
	[ "$(command -v python3)" ] || skip "no python3 here"
	patience=120
	director_network 4
	for port in 8080 8081; do
		mkdir $port
		echo $port >$port/index.html
		ip netns exec r$$ python3 -m http.server --bind "$real" --directory $port $port >http.$port 2>&1 &
		pids+=($!)
	done
	cat >keepalived.conf <<-END
	virtual_server $masq_vip 80 {
	  delay_loop 1
	  lb_algo rr
	  lb_kind NAT
	  protocol TCP
	$(for port in 8080 8081; do
		printf 'real_server %s %s {\n weight 1\n TCP_CHECK {\n connect_timeout 5\n retry 0\n }\n}\n' "$real" $port
	done)
	}
	END
	keepalived -n -l -C -f "$PWD/keepalived.conf" -p "$PWD/pid" -c "$PWD/pid.checkers" >keepalived.log 2>&1 &
	pids+=($!)
	manager=$!
	wait_for real_servers 2
	wait_for fetched
	tool_start --director
	for i in {1..20}; do
		fetch
	done
	kill -KILL "${pids[1]}"	# the server at :8081
	wait_for real_servers 1
	for i in {1..10}; do
		fetch
	done
	tool_stop
	kill -TERM "$manager"
	wait_for no_manager
	expect "answers of the servers" "20 8080
10 8081" "$(sort answers | uniq -c | awk '{ print $1, $2 }')"
	expect "connections of each real server" "20 $real:8080
10 $real:8081" "$(awk '$10 == "ESTABLISHED" && $13 == "-" { print $12 }' rows | sort | uniq -c | awk '{ print $1, $2 }')"
	expect "ends" 30 "$(awk '$10 == "TIME_WAIT"' rows | wc -l)"
	expect "events lost" 0 "$(lost)"
}

real_servers()
{
	[ "$(ipvsadm -Ln | grep -c -e '->.*Masq')" = "$1" ]
}

fetched()
{
	"${client_in[@]}" curl -s -m 20 -o /dev/null "http://$masq_vip/" && "${client_in[@]}" curl -s -m 20 -o /dev/null "http://$masq_vip/"
}

fetch()
{
	"${client_in[@]}" curl -s -m 60 "http://$masq_vip/" >>answers
}

no_manager()
{
	! kill -0 "$manager" 2>/dev/null
}

# speed - prints short connections a second, and MB a second of one connection
speed()
{
	local short began_us
	short=$("${client_in[@]}" "$peers/load" 300 -t 2 -c "$masq_vip:80" | sed -n 's/.*per_second=\([0-9]*\).*/\1/p')
	began_us=${EPOCHREALTIME/[.,]/}
	client -b 40000000 "$masq_vip:80"
	echo "$short $((40000000 / (${EPOCHREALTIME/[.,]/} - began_us)))"
}

# What --director costs: five rounds, each without a tool, with --director and with --director=ends. An emulated CPU is no
# measure of a real one, so the limit is loose.
cost()
{
	local round kind n=5
	patience=300
	director_network 4
	masq_services
	for ((round = 0; round <= n; round++)); do
		for kind in none states ends; do
			[ $kind = none ] || tool_start "--director=$kind"
			if [ $round = 0 ]; then	# everything is slow when it runs for the first time
				speed >/dev/null
			else
				speed >>"speed.$kind"
			fi
			[ $kind = none ] || tool_stop
		done
	done
	note "medians, short connections a second and MB/s of one: $(for kind in none states ends; do
		echo "$kind $(cut -d ' ' -f 1 "speed.$kind" | median) $(cut -d ' ' -f 2 "speed.$kind" | median)"
	done | paste -sd ,)"
	between "short connections a second" "$(cut -d ' ' -f 1 speed.none | median | awk '{ print $1 / 2 }')" \
		"$(cut -d ' ' -f 1 speed.states | median)" 1000000
}
