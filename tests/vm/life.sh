# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# Other things that IPVS does with a connection than choosing a real server, and connections that are older than the tool.

# The owner is unknown, so PID and COMM are those of the process on the CPU: this function removes them.
without_owner()
{
	cut -d ' ' -f 3- | sort
}

# 23 connections exist before the tool starts, and 7 are made afterwards.
earlier()
{
	network "$1"
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1" "$real_2"
	client_begin -c -w -n 23 "$vip:80"
	wait_for has_served 23
	tool_start
	cp clients clients.earlier
	: >clients
	client -n 7 "$vip:80"
	expected_rows "$vip:80" "$answered" >expected
	kill -KILL "$(cat server_pids)"
	wait_for has_changes 23 LAST_ACK CLOSE
	tool_stop
	cp clients.earlier clients
	expected_rows "$vip:80" "ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE" >>expected
	expect "rows, sorted, without owner" "$(without_owner <expected)" "$(rows | without_owner)"
}

has_served()
{
	[ -e servers ] && [ "$(wc -l <servers)" = "$1" ]
}

# The client is not in IPVS's namespace.
pod_earlier()
{
	pod_network "$1"
	service "$vip:80" "$real_1"
	server "$real_1"
	client_begin -c -w -n 7 "$vip:80"
	wait_for has_served 7
	tool_start
	kill -KILL "$(cat server_pids)"
	wait_for has_changes 7 LAST_ACK CLOSE
	tool_stop
	expect "rows, sorted, without owner" \
		"$(expected_rows "$vip:80" "ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE" | without_owner)" \
		"$(rows | without_owner)"
}

# A connect that is not answered yet.
earlier_syn()
{
	local pid
	network "$1"
	service "$vip:80" "$silent"
	client_begin -p 41000 -g 60000 "$vip:80"
	pid=$!
	wait_for has_entries 1
	tool_start
	wait_for has_rows 1
	kill -KILL "$pid"
	wait_for has_changes 1 SYN_SENT CLOSE
	tool_stop
	expect "states, real server, reason" "SYN_SENT SYN_SENT $silent retransmit
SYN_SENT CLOSE $silent aborted" "$(rows | cut -d ' ' -f 5- | uniq)"
}

# has_entries N - true if IPVS has N entries of TCP connections
has_entries()
{
	[ "$(grep -c ^TCP /proc/net/ip_vs_conn)" = "$1" ]
}

# timed_out - true if no entry is left but those in TIME_WAIT, which stay for two minutes
timed_out()
{
	! grep ^TCP /proc/net/ip_vs_conn | grep -qv ' TIME_WAIT '
}

# many_synced N - makes N connections to $vip:80 at once, by the way a backup daemon gets them; IPVS must not lose a message
many_synced()
{
	undo()	# called by clean_up
	{
		nsenter -t 1 -n sysctl -q "net.core.rmem_max=$rmem_max"
	}
	rmem_max=$(nsenter -t 1 -n sysctl -n net.core.rmem_max)
	nsenter -t 1 -n sysctl -q net.core.rmem_max=33554432
	echo 33554432 >/proc/sys/net/ipv4/vs/sync_sock_size
	ip link set d$$ multicast on
	ipvsadm --start-daemon backup --mcast-interface d$$
	"$peers/synced" d$$ "$1" "$vip:80" "$real_1"
	wait_for has_inactive "$1"
	ipvsadm --stop-daemon backup
}

# has_inactive N - true if the real servers have N connections that are active or not
has_inactive()
{
	[ "$(awk '/->.*:/ { n += $(NF - 1) + $NF } END { print n }' /proc/net/ip_vs)" = "$1" ]
}

# What cannot be read in time, or has no room, is reported to the connection. Those that IPVS makes later are shown as ever.
earlier_many()
{
	local read unread
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	many_synced 100000
	tool_start -v
	client -n 7 "$vip:80"
	tool_stop
	read=$(sed -n 's/.*: \([0-9]*\) connections that IPVS had already.*/\1/p' err)
	unread=$(sed -n 's/.*: \([0-9]*\) connections from before the start are not shown.* too many.*/\1/p' err)
	note "$read are read"
	between "connections read" 12000 "$read" 65536	# the first 200 pages in any case
	expect "all together" 100000 $((read + unread))
	grep -q ": $unread connections from before the start not read" err || fail "not counted at the end"
	expect "rows" "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# All are read if there is time; nothing is said then.
earlier_few()
{
	network 4
	service "$vip:80" "$real_1"
	many_synced 3000
	tool_start -v
	tool_stop
	grep -q ': 3000 connections that IPVS had already' err || fail "not all are read"
	! grep 'from before the start' err || fail "it complains"
}

# no_destination FAMILY [REAL] - the service has no real servers, or REAL with weight 0
no_destination()
{
	network "$1"
	service "$vip:80" ${2+"$2"}
	[ $# = 1 ] || ipvsadm -e -t "$vip:80" -r "$2" -m -w 0
	tool_start
	client_fails -p 41000 -n 7 "$vip:80"
	tool_stop
	expect "results of connect" ECONNREFUSED "$(cut -d ' ' -f 4 clients | sort -u)"
	sed -i -E "s/^local .*:/local $vip:/" clients
	expect "rows but retransmits" "$(expected_rows "$vip:80" "CLOSE SYN_SENT CLOSE/no-destination" -)" \
		"$(rows | grep -v retransmit)"
}

weight_0()
{
	places "$1"
	no_destination "$1" "$real_1"
}

# kinds - counts the rows of each kind, except retransmits: TCP ignores an ICMP message that arrives while connect() still
# has the socket locked, and sends the SYN again
kinds()
{
	rows | cut -d ' ' -f 5- | grep -v retransmit | sort | uniq -c | sed 's/^ *//'
}

pod_no_destination()
{
	pod_network "$1"
	service "$vip:80"
	tool_start
	client_fails -n 7 "$vip:80"
	wait_for has_changes 7 SYN_SENT CLOSE
	tool_stop
	expect "rows" "7 CLOSE SYN_SENT - -
7 SYN_SENT CLOSE - no-destination" "$(kinds)"
}

# The entry times out while nothing is sent: that is told at once. Data that is sent afterwards is reset.
expired()
{
	network "$1"
	local began_ms took_ms
	ipvsadm --set 1 1 1
	service "$vip:80" "$real_1"
	server --hold "$real_1"
	tool_start -j
	began_ms=$(($(date +%s%N) / 1000000))
	client -p 41000 -o 4500 -b 5 -lw "$vip:80"
	took_ms=$(($(date +%s%N) / 1000000 - began_ms))
	tool_stop
	grep -q '"oldstate":"ESTABLISHED","newstate":"CLOSE",.*"reason":"expired"' rows || fail "not expired"
	# The entry lived for one second or, with the kernel's timers, two, and was gone when the data came.
	between "age in ms" 900 "$(json_number age_ms)" 4500
	between "age and ms since it was gone" 4500 "$(json_number age_ms gone_ms)" "$took_ms"
	expect "rows that tell of the timeout" '"lport":41000 "ESTABLISHED","newstate":"ESTABLISHED" idle-expired' \
		"$(sed -nE 's/.*"event":"idle-expired",.*("lport":[0-9]*),.*"oldstate":(.*),"ms".*"reason":"([a-z-]*)".*/\1 \2 \3/p' rows)"
	# No packet passed from the handshake on, that is, since IPVS made the entry.
	between "idle for ms" 990 "$(idle_number ms)" "$(idle_number age_ms | awk '{ print $1 + 10 }')"
	expect "ms since the entry is gone" 0 "$(idle_number gone_ms)"
}

# idle_number KEY - prints the number of this key in the row idle-expired
idle_number()
{
	sed -nE "/\"idle-expired\"/s/.*\"$1\":([0-9.]+).*/\1/p" rows
}

# json_number KEY... - prints the sum of these keys in the last row
json_number()
{
	local key
	for key; do
		grep '"event":"state"' rows | tail -n 1 | sed -E "s/.*\"$key\":([0-9.]+).*/\\1/"
	done | awk '{ sum += $1 } END { print sum }'
}

# Entries time out: of a connection, of one that its server has closed, of one whose real server has left the service, and of
# connections that are over (entries of local real servers end in FIN_WAIT, whose timeout can be set; 7.2 ends them in TIME_WAIT).
idle()
{
	local held where
	network "$1"
	held=${real_1%:*}:8085
	where=$(tr -d '[]' <<<"$vip")
	ipvsadm --set 6 1 1
	service "$vip:80" "$held"
	service "$vip:81" "$real_2"
	service "$vip:82" "$held"
	ipvsadm -A -t "$vip:83" -s rr
	"$here/add-local.py" "$vip:83" "$vip:83"
	server --hold "$held"
	server --close-first "$real_2"
	server "$vip:83"
	tool_start
	client_begin -q -p 41002 -o 12000 "$vip:82"
	wait_for is_established A02A	# 41002
	ipvsadm -d -t "$vip:82" -r "$held"
	client_begin -q -p 41000 -o 12000 "$vip:80"
	client_begin -q -p 41001 -o 12000 "$vip:81"
	client -n 7 "$vip:83"
	wait_for timed_out
	wait_for has_changes 1 LAST_ACK CLOSE
	wait_for has_changes 2 FIN_WAIT1 CLOSE
	tool_stop
	expect "service, states, real server, reason" "$where:80 CLOSE SYN_SENT $held -
$where:80 SYN_SENT ESTABLISHED $held -
$where:80 ESTABLISHED ESTABLISHED $held idle-expired
$where:80 ESTABLISHED FIN_WAIT1 $held -
$where:80 FIN_WAIT1 CLOSE $held expired
$where:81 CLOSE SYN_SENT $real_2 -
$where:81 SYN_SENT ESTABLISHED $real_2 -
$where:81 ESTABLISHED CLOSE_WAIT $real_2 -
$where:81 CLOSE_WAIT CLOSE_WAIT $real_2 idle-expired
$where:81 CLOSE_WAIT LAST_ACK $real_2 -
$where:81 LAST_ACK CLOSE $real_2 expired
$where:82 CLOSE SYN_SENT $held -
$where:82 SYN_SENT ESTABLISHED $held -
$where:82 ESTABLISHED FIN_WAIT1 $held -
$where:82 FIN_WAIT1 CLOSE $held expired" "$(rows | cut -d ' ' -f 4- | grep -v ":83 " | sort -s -k 1,1)"
	expect "rows of connections that are over" 35 "$(rows | grep -c ":83 ")"
}

# is_established PORT - true if IPVS has seen the handshake from this port; hexadecimal
is_established()
{
	grep -qE "^TCP +[0-9A-Fa-f:]+ $1 .* ESTABLISHED " /proc/net/ip_vs_conn
}

# With sloppy_tcp the data goes to another real server, which does not know the connection.
moved()
{
	network "$1"
	ipvsadm --set 1 1 1
	echo 1 >/proc/sys/net/ipv4/vs/sloppy_tcp
	service "$vip:80" "$real_1" "$real_2"
	server --hold "$real_1" "$real_2"
	tool_start
	client -p 41000 -o 4500 -b 5 -lw "$vip:80"
	tool_stop
	first=$(awk '{ print $4 }' servers)
	second=$([ "$first" = "$real_1" ] && echo "$real_2" || echo "$real_1")
	expect "states, real server, reason" "CLOSE SYN_SENT $first -
SYN_SENT ESTABLISHED $first -
ESTABLISHED ESTABLISHED $first idle-expired
ESTABLISHED ESTABLISHED $second moved
ESTABLISHED CLOSE $second reset" "$(rows | cut -d ' ' -f 5-)"
}

# IPVS drops the first SYN, as its defense against floods may do, and accepts a later one. No other test uses this port:
# while this namespace has no entry, one with the same addresses and ports in another namespace would be taken for it.
syn_lost()
{
	local pid
	network "$1"
	service "$vip:80" "$real_1"
	server "$real_1"
	echo 1 >/proc/sys/net/ipv4/vs/am_droprate
	echo 3 >/proc/sys/net/ipv4/vs/drop_packet
	wait_for unanswered
	tool_start
	client_begin -p 47000 "$vip:80"
	pid=$!
	wait_for syn_is_out
	echo 0 >/proc/sys/net/ipv4/vs/drop_packet
	wait "$pid"
	tool_stop
	expect "states, real server, reason" "CLOSE SYN_SENT $real_1 syn-lost
SYN_SENT SYN_SENT $real_1 retransmit
SYN_SENT ESTABLISHED $real_1 -" "$(rows | cut -d ' ' -f 5- | uniq | head -n 3)"
}

unanswered()
{
	! "$peers/client" -g 900 "$vip:80" >/dev/null
}

# True if a SYN is sent. /proc/net/tcp and tcp6: the fourth field is the state, 02 SYN_SENT; the sixth begins with the timer,
# 01 for the retransmit timer, which the kernel sets after it has sent the SYN.
syn_is_out()
{
	awk '$4 == "02" && $6 ~ /^01:/ { n++ } END { exit !n }' /proc/net/tcp /proc/net/tcp6
}

# unreachable FAMILY REAL ROUTER ERRNO - a router without a route to the real server sends an ICMP message
unreachable()
{
	pod_network "$1"
	ip -n r$$ route add unreachable "$(tr -d '[]' <<<"$2")"
	ip route add "$(tr -d '[]' <<<"$2")" via "$3" dev r$$
	nsenter "--net=/run/netns/r$$" sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
	service "$vip:80" "$2:8080"
	[ "$1" = 4 ] || "${client_in[@]}" sh -c "echo 2 >/proc/sys/net/ipv4/tcp_syn_retries"
	tool_start
	client_fails -p 41000 -n 3 "$vip:80"
	tool_stop
	[ "$1" = 4 ] || ! "${client_in[@]}" grep -qx 'Icmp6InDestUnreachs[[:space:]]*0' /proc/net/snmp6 ||
		skip "IPVS of this kernel does not pass ICMPv6 on to another namespace, so the client is not told"
	expect "results of connect" "$4" "$(cut -d ' ' -f 4 clients | sort -u)"
	expect "states, real server, reason" "3 CLOSE SYN_SENT $2:8080 -
3 SYN_SENT CLOSE $2:8080 unreachable" "$(kinds)"
}

# method OPTION_OF_IPVSADM METHOD REAL - checks the forwarding method of a SYN; no answer is needed
method()
{
	network 4
	[ $# = 3 ] || places "$4"
	ipvsadm -A -t "$vip:80" -s rr
	ipvsadm -a -t "$vip:80" -r "$3" "$1"
	tool_start -j
	client_fails -g 300 "$vip:80"
	tool_stop
	expect "method of the rows" "2 \"method\":\"$2\"" \
		"$(grep '"event":"state"' rows | grep -o '"method":"[a-z]*"' | sort | uniq -c | sed 's/^ *//')"
}

# IPVS delivers to this host itself, at the virtual address; ipvsadm cannot set that.
method_local()
{
	network "$1"
	ipvsadm -A -t "$vip:80" -s rr
	"$here/add-local.py" "$vip:80" "$vip:80"
	server "$vip:80"
	tool_start -j
	client -n 3 "$vip:80"
	tool_stop
	expect "method of the rows" "15 {\"addr\":\"$(tr -d '[]' <<<"$vip")\",\"port\":80,\"method\":\"local\"}" \
		"$(sed -n 's/.*"event":"state".*"real":\({[^}]*}\).*/\1/p' rows | sort | uniq -c | sed 's/^ *//')"
	expect "what IPVS calls it" local "$(ipvsadm -Ln | awk '$1 == "->" && $2 ~ /:80$/ { print tolower($3) }')"
}

# A service that is selected by firewall mark, for any address.
mark()
{
	network "$1"
	ipvsadm -A -f 7 ${2+"$2"} -s rr
	ipvsadm -a -f 7 ${2+"$2"} -r "$real_1" -m
	ipvsadm -a -f 7 ${2+"$2"} -r "$real_2" -m
	server "$real_1" "$real_2"
	tool_start
	client -n 8 -m 7 "$vip:8080"
	tool_stop
	expect rows "$(expected_rows "$vip:8080" "$answered")" "$(rows)"
}

# Without a real server IPVS forwards the packet to its original destination.
bypass()
{
	pod_network 4
	client_in=()
	echo 1 >/proc/sys/net/ipv4/vs/cache_bypass
	ipvsadm -A -f 7 -s rr
	server_elsewhere "$real_2"
	tool_start -j
	client -g 5000 -m 7 "$real_2" || :
	tool_stop
	[[ $(<clients) != *gave-up* || $(uname -r) != 4.* ]] || skip "IPVS of this kernel drops what it is to bypass"
	expect "real server and method" "5 \"real\":{\"addr\":\"10.99.3.2\",\"port\":8080,\"method\":\"bypass\"" \
		"$(grep '"event":"state"' rows | grep -o '"real":{[^}]*' | sort | uniq -c | sed 's/^ *//')"
}

# Persistence templates are not connections. All connections go to one real server.
persistent()
{
	network "$1"
	ipvsadm -A -t "$vip:80" -s rr -p 300
	ipvsadm -a -t "$vip:80" -r "$real_1" -m
	ipvsadm -a -t "$vip:80" -r "$real_2" -m
	server "$real_1" "$real_2"
	tool_start
	client -n 7 "$vip:80"
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	expect "real servers" 1 "$(rows | cut -d ' ' -f 7 | sort -u | wc -l)"
}

# The tool ignores UDP through IPVS, with and without one-packet scheduling; it shows the TCP connections.
udp()
{
	network 4
	ipvsadm -A -u "$vip:53" -s rr -o
	ipvsadm -a -u "$vip:53" -r "$real_1" -m
	ipvsadm -A -u "$vip:54" -s rr
	ipvsadm -a -u "$vip:54" -r "$real_1" -m
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	for port in 53 54; do
		echo >"/dev/udp/$vip/$port"
	done
	client -n 3 "$vip:80"
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# The sync daemon copies the connection to another balancer: that must not look like a second real server.
synced()
{
	pod_network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	echo 0 0 >/proc/sys/net/ipv4/vs/sync_threshold
	ip netns exec r$$ ipvsadm --start-daemon backup --mcast-interface eth0
	ipvsadm --start-daemon master --mcast-interface r$$
	tool_start
	client_begin -p 41000 -o 4000 "$vip:80"
	wait_for brought_by_sync
	wait $!
	tool_stop
	ipvsadm --stop-daemon master
	ip netns exec r$$ ipvsadm --stop-daemon backup
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

brought_by_sync()
{
	ip netns exec r$$ grep -q "^TCP .* A028 " /proc/net/ip_vs_conn	# port 41000
}

run_life()
{
	local ip
	for ip in $families; do
		together "IPv$ip, connections from before the start" earlier "$ip"
		together "IPv$ip, connections from before the start, client in another namespace" pod_earlier "$ip"
		run "IPv$ip, a connect from before the start" earlier_syn "$ip"
		together "IPv$ip, no destination: no real server" no_destination "$ip"
		together "IPv$ip, no destination: weight 0" weight_0 "$ip"
		together "IPv$ip, no destination: client in another namespace" pod_no_destination "$ip"
		together "IPv$ip, expired" expired "$ip"
		together "IPv$ip, idle-expired" idle "$ip"
		together "IPv$ip, moved" moved "$ip"
		together "IPv$ip, first SYN lost" syn_lost "$ip"
		together "IPv$ip, persistent service" persistent "$ip"
	done
	if [ ! "${hooks-}" ]; then
		run "3,000 connections of IPVS from before the start" earlier_few
		run "100,000 connections of IPVS from before the start" earlier_many
	fi
	together "IPv4, unreachable" unreachable 4 10.99.4.2 10.99.3.2 EHOSTUNREACH
	together "IPv6, unreachable" unreachable 6 "[fd00:99:4::2]" fd00:99:3::2 ENETUNREACH
	together "method: masquerading" method -m masq 203.0.113.2:8080
	together "method: direct routing" method -g route 203.0.113.2:80
	together "method: tunnel" method -i tunnel 203.0.113.2:80
	together "method: tunnel from IPv6 to IPv4" method -i tunnel 203.0.113.2:80 6
	together "method: tunnel from IPv4 to IPv6" method -i tunnel "[2001:db8:113::2]:80" 4
	together "method: local, IPv4" method_local 4
	together "method: local, IPv6" method_local 6
	together "method: bypass" bypass
	together "IPv4, service by firewall mark" mark 4
	together "IPv6, service by firewall mark" mark 6 -6
	together "UDP beside TCP" udp
	together "entries of a sync daemon" synced
}
