# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Compares rows with other sources about the same connections: clients, servers, ipvsadm, a capture, the namespaces.

# namespaces_shown FORMAT - makes the same connection in two namespaces; the rows must have the inodes of /proc/PID/ns/net
namespaces_shown()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	ip netns add t$$
	nsenter "--net=/run/netns/t$$" "$self" --call twin
	tool_start "$1"
	client -p 41000 "$vip:80"
	nsenter "--net=/run/netns/t$$" "$peers/client" -p 41000 "$vip:80" >>clients
	tool_stop
	expect "real servers and namespaces" "5 $real_1 $(inode_of_namespace)
5 $real_2 $(nsenter "--net=/run/netns/t$$" "$self" --call inode_of_namespace)" \
		"$("namespaces_$1" | sort | uniq -c | sed 's/^ *//')"
}

namespaces_-j()
{
	sed -n -E 's/.*"netns":([0-9]+),.*"real":\{"addr":"([^"]*)","port":([0-9]+).*/\2:\3 \1/p' rows
}

# The header has one word for each field.
namespaces_-x()
{
	awk 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next } { print $column["REAL"], $column["NETNS"] }' rows
}

# ---- more sockets than can be tracked

# First 20 long connections. Then 6 rounds of 400 short connections at once, from the same ports in each round, while the
# tool tracks at most 128 and the real server changes. Then 200 connections one after another: there is room for them again.
pressure()
{
	local round real
	[[ $(uname -r) == [1-6].* ]] ||
		skip "from 7.0 on the kernel may skip both programs for state changes, if a thread loses its CPU in one of them"
	network "$1"
	service "$vip:80" "$real_1" "$real_2"
	ipvsadm -A -t "$vip:81" -s rr
	server "$real_1" "$real_2"
	cp server_pids server_pids.long
	tool_start -j --max-conns 128
	"$peers/client" -c -w -p 10000 -n 20 "$vip:80" >clients.long &
	pids+=($!)
	wait_for has_served 20
	mv servers servers.long
	"$peers/server" --log servers --close-first "${real_1%:*}:8081" "${real_2%:*}:8081" >>server_pids
	: >servers
	for round in 1 2 3 4 5 6; do
		short "${real_1%:*}:8081" "${real_2%:*}:8081" "$round" -c -o 1500 -p 20000 -n 400
	done
	short "${real_1%:*}:8081" "${real_2%:*}:8081" 7 -p 20000 -n 200
	kill -KILL "$(cat server_pids.long)"
	wait_for has_ended 10000 10019 20
	tool_stop
	"$here/end_to_end.py" pressure >verdict 2>&1 || fail "$(cat verdict)"
	note "$(cat verdict)"
}

# short REAL REAL ROUND CLIENT_OPTION... - makes connections to one of the two; files clients.ROUND, servers.ROUND
short()
{
	local real=$1 other=$2 round=$3
	[ $((round % 2)) = 1 ] || { real=$2 other=$1; }
	shift 3
	[ "$round" = 1 ] || ipvsadm -d -t "$vip:81" -r "$other"
	ipvsadm -a -t "$vip:81" -r "$real" -m
	sleep 0.3
	date +%s.%N >"began.$round"
	: >servers
	"$peers/client" -w "$@" "$vip:81" >"clients.$round"
	cp servers "servers.$round"
	wait_for all_closed
	sleep 0.3
}

# has_ended FIRST LAST N - true if N sockets with local ports from FIRST to LAST are closed; rows are JSON
has_ended()
{
	[ "$(sed -n 's/.*"lport":\([0-9]*\),.*"newstate":"CLOSE".*/\1/p' rows |
		awk -v first="$1" -v last="$2" '$1 >= first && $1 <= last' | wc -l)" = "$3" ]
}

# ---- a capture

# capture_start FILTER - captures this namespace's packets; capture_stop writes them to the file "packets"
capture_start()
{
	[ "$(command -v tcpdump)" ] || skip "no tcpdump here"
	tcpdump -Z root -i any -n --immediate-mode -B 8192 -s 128 -w packets.pcap "$1" 2>capture.log &
	capture_pid=$!
	pids+=("$capture_pid")
	wait_for grep -q "listening on" capture.log
}

capture_stop()
{
	kill -INT "$capture_pid"
	wait "$capture_pid" || :
	expect "packets that the capture dropped" "0 packets dropped by kernel" "$(grep 'dropped by kernel' capture.log)"
	tcpdump -n -tt -S -r packets.pcap >packets 2>/dev/null
}

# MS must equal the time between packets, except for the time between the socket and the capture; also for unanswered SYNs.
durations()
{
	network "$1"
	syn_retries 2
	service "$vip:80" "$real_1"
	service "$vip:81" "$silent"
	server "$real_1"
	capture_start tcp
	tool_start -j
	client -p 9000 -n 3 "$vip:80"	# under emulation everything is slow when it runs for the first time
	client_fails -p 9100 -n 3 -g 20 "$vip:81"
	client_fails -c -p 11000 -n 8 "$vip:81"
	client -p 10000 -n 40 -o 60 "$vip:80"
	tool_stop
	capture_stop
	"$here/end_to_end.py" durations >verdict 2>&1 || fail "$(cat verdict)"
	note "$(cat verdict)"
}

# ---- everything at once

# Makes the network of pod.sh for both families, and what direct routing and tunnels to the other node need: the node
# has the virtual address too, and sends its answers to the pod through the host, from the host's own address.
mixed_network()
{
	pod_network 4
	modprobe -q -a ipip ip6_tunnel || :
	ip -batch - <<-END
	address add 10.99.0.2/32 dev d$$
	address add fd00:99::2/128 dev d$$ nodad
	route add 10.99.4.2/32 via 10.99.3.2 dev r$$
	route add fd00:99:4::2/128 via fd00:99:3::2 dev r$$
	END
	ip -n r$$ -batch - <<-END
	address add 10.99.0.2/32 dev lo
	address add fd00:99::2/128 dev lo nodad
	route add unreachable 10.99.4.2/32
	route add unreachable fd00:99:4::2/128
	END
	echo 1 >/proc/sys/net/ipv4/conf/all/accept_local
	nsenter "--net=/run/netns/r$$" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# tunnels FAMILY - true if the other node can be the end of a tunnel
tunnels()
{
	ip -n r$$ link set "$([ "$1" = 4 ] && echo tunl0 || echo ip6tnl0)" up 2>/dev/null
}

# group COUNT OUTCOME REAL ADDR:PORT CLIENT_OPTION... - starts clients with their own range of ports in the
# background; a line in the file "plan" has their expected outcome
group()
{
	local count=$1 outcome=$2 real=$3 to=$4
	shift 4
	echo "$next_port $count $outcome $real $to" >>plan
	{ "${client_in[@]}" "$peers/client" -c -p "$next_port" -n "$count" "$@" "$to" >"clients.$next_port" || :; } &
	groups+=($!)
	next_port=$((next_port + 100))
}

# mixed_names FAMILY
mixed_names()
{
	places "$1"
	if [ "$1" = 4 ]; then
		other=10.99.3.2 router=10.99.4.2 shared=10.99.0.2
	else
		other='[fd00:99:3::2]' router='[fd00:99:4::2]' shared='[fd00:99::2]'
	fi
}

# mixed_services FAMILY - makes the virtual services and starts their servers
mixed_services()
{
	mixed_names "$1"
	service "$vip:80" "$real_1" "$real_2" "$other:8080"
	service "$vip:81" "$refusing" "$other:8081"
	service "$vip:82" "$silent"
	service "$vip:83" "${real_1%:*}:8083" "$other:8083"
	service "$vip:84"
	service "$vip:85" "$real_1" "$refusing" "$real_2"
	service "$vip:86" "$router:8080"
	service "$vip:87" "${real_1%:*}:8087" "$other:8087"
	ipvsadm -A -t "$shared:88" -s rr
	ipvsadm -a -t "$shared:88" -r "$other:88" -g
	server "$real_1" "$real_2"
	server --reset "${real_1%:*}:8083"
	server --close-first "${real_1%:*}:8087"
	server_elsewhere "$other:8080" "$shared:88"
	server_elsewhere --reset "$other:8083"
	server_elsewhere --close-first "$other:8087"
	if tunnels "$1"; then
		ipvsadm -A -t "$shared:89" -s rr
		ipvsadm -a -t "$shared:89" -r "$other:89" -i
		server_elsewhere "$shared:89"
	fi
}

mixed_clients()
{
	local client_in=()
	group 40 accepted logged "$vip:80"
	group 20 refused either "$vip:81"
	group 10 gave-up "$silent" "$vip:82" -g 600
	group 5 gave-up "$silent" "$vip:82" -g 1700
	group 20 reset logged "$vip:83" -b 1 -w
	group 20 no-destination - "$vip:84"
	group 30 either "$refusing" "$vip:85"
	# The IPVS of 5.10 does not pass on the router's ICMPv6 message, so the client would wait for minutes.
	if [ "$ip" = 4 ] || [ "$(uname -r | cut -d . -f 1)" -ge 6 ]; then
		group 4 unreachable "$router:8080" "$vip:86"
	fi
	group 20 closed logged "$vip:87" -w
	group 20 aborted logged "$vip:80" -r
	group 20 direct - "$real_1"
	client_in=(nsenter "--net=/run/netns/p$$")
	group 30 accepted logged "$vip:80"
	group 10 refused either "$vip:81"
	group 10 gave-up "$silent" "$vip:82" -g 900
	group 10 closed logged "$vip:87" -w
	group 20 accepted "$other:88" "$shared:88"
	! ipvsadm -Ln -t "$shared:89" >/dev/null 2>&1 || group 20 accepted "$other:89" "$shared:89"
	group 10 direct - "$other:8080"
}

# Lists entries again and again, as the entry of a reset connection is gone after ten seconds. The last list is made after
# the file "listing" has been removed.
list_entries()
{
	local last=0 began
	while [ $last = 0 ]; do
		[ -e listing ] || last=1
		began=$(date +%s.%N)
		ipvsadm -Lnc
		echo "LISTED $began $(date +%s.%N)"
		sleep 1
	done >entries
}

mixed()
{
	local ip groups=() next_port=10000 shows lister
	mixed_network
	for ip in 4 6; do
		mixed_services $ip
	done
	[ ! "$(command -v tcpdump)" ] || {
		capture_start "tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn or (ip6[6] == 6 and ip6[53] & 18 == 2)"
	}
	ipvsadm -Ln >methods
	inode_of_namespace >netns.host
	nsenter "--net=/run/netns/p$$" "$self" --call inode_of_namespace >netns.pod
	: >listing
	list_entries &
	lister=$!
	pids+=("$lister")
	tool_start -j
	for ip in 4 6; do
		mixed_names $ip
		mixed_clients
	done
	wait "${groups[@]}"
	shows=$(awk '$3 != "direct" { n += $2 } END { print n }' plan)
	(wait_for has_ended 10000 65535 "$shows") || echo "see what is missing:"
	sleep 1.5	# unexpected rows would appear by then
	tool_stop
	rm listing
	wait $lister
	[ ! "$(command -v tcpdump)" ] || capture_stop
	cat servers* >logged
	lost_at_most=$(kernel_skips && echo 20 || echo 0) "$here/end_to_end.py" mixed >verdict 2>&1 || fail "$(cat verdict)"
	note "$(cat verdict)"
}

run_end_to_end()
{
	local ip
	run "the namespaces of two equal connections, -j" namespaces_shown -j
	run "the namespaces of two equal connections, -x" namespaces_shown -x
	for ip in 4 6; do
		limit=300 twice $ip "IPv$ip, more sockets than can be followed" pressure $ip
		twice $ip "IPv$ip, MS beside a capture" durations $ip
	done
	run "end to end: a mixed run" mixed
}
