# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The client is not in IPVS's network namespace, as with kube-proxy: IPVS gets the packet in softirq.
#
#   +-- p$$: the pod ----+      +-- the test's: the host ----------+      +-- r$$: a node ---------+
#   |  client            |      |  IPVS 10.99.0.1:80 (dev d$$)     |      |                        |
#   |                    |      |    |-- 10.99.1.1:8080 server     |      |                        |
#   |                    | veth |    |-- 10.99.3.2:8080 ---------- | veth | server 10.99.3.2:8080  |
#   |  10.99.2.2/24 [eth0]------[p$$]|-- 10.99.3.2:8081 ---------[r$$]----[eth0] nobody      :8081 |
#   |  default via 10.99.2.1    |    `-- 203.0.113.2:8080 swallowed|      | default via 10.99.3.1  |
#   +--------------------+      +----------------------------------+      +------------------------+
#
#   IPv6: fd00:99:... in place of 10.99....
#
# If tests run together, each has a pod with its own address, with a number above 100 instead of 99: only the addresses show
# which IPVS's entry belongs to a pod's connection.

pod_network()
{
	local own=99
	[ ! "${group-}" ] || own=$((100 + ${PWD##*/} % 150))
	network "$1"
	ip netns add p$$
	ip netns add r$$
	ip -batch - <<-END
	link add p$$ type veth peer name eth0 netns p$$
	link add r$$ type veth peer name eth0 netns r$$
	link set p$$ addrgenmode none
	link set r$$ addrgenmode none
	link set p$$ up
	link set r$$ up
	address add 10.$own.2.1/24 dev p$$
	address add 10.99.3.1/24 dev r$$
	address add fe80::1/64 dev p$$ nodad
	address add fe80::1/64 dev r$$ nodad
	address add fd00:$own:2::1/64 dev p$$ nodad
	address add fd00:99:3::1/64 dev r$$ nodad
	END
	leaf p$$ $own 2
	leaf r$$ 99 3
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	pod_places "$1"
	client_in=(nsenter "--net=/run/netns/p$$")
}

# pod_places 4|6 - same as places
pod_places()
{
	places "$1"
	if [ "$1" = 4 ]; then
		real_2=10.99.3.2:8080 refusing_2=10.99.3.2:8081
	else
		real_2='[fd00:99:3::2]:8080' refusing_2='[fd00:99:3::2]:8081'
	fi
}

# leaf NAMESPACE M N - sets its addresses. The kernel's own link-local addresses would be tentative at first, and
# neighbours would not be found.
leaf()
{
	ip -n "$1" -batch - <<-END
	link set lo up
	link set eth0 addrgenmode none
	link set eth0 up
	address add 10.$2.$3.2/24 dev eth0
	address add fe80::2/64 dev eth0 nodad
	address add fd00:$2:$3::2/64 dev eth0 nodad
	route add default via 10.$2.$3.1
	route add default via fd00:$2:$3::1
	END
}

undo()
{
	local name
	for name in p$$ r$$ t$$; do
		[ ! -e "/run/netns/$name" ] || ip netns delete "$name"
	done
}

server_elsewhere()
{
	nsenter "--net=/run/netns/r$$" "$peers/server" --log servers "$@" >>server_pids
}

pod_accepted()
{
	pod_network "$1"
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1"
	server_elsewhere "$real_2"
	tool_start
	client -n 23 "$vip:80"
	tool_stop
	expect "lines in the servers' log" 23 "$(wc -l <servers)"
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	expect "real servers" "$real_1 $real_2" "$(rows | cut -d ' ' -f 7 | sort -u | paste -s -d ' ')"
}

# First the host itself refuses, then the other node.
pod_refused()
{
	local real port=41000
	pod_network "$1"
	tool_start
	for real in "$refusing" "$refusing_2"; do
		ipvsadm --clear
		service "$vip:80" "$real"
		: >clients
		client_fails -p $((port += 100)) -n 7 "$vip:80"
		cat clients >>all
		wait_for has_changes 7 SYN_SENT CLOSE
		expect "results of connect" ECONNREFUSED "$(cut -d ' ' -f 4 clients | sort -u)"
		expect "rows with $real" "7 CLOSE SYN_SENT $real -
7 SYN_SENT CLOSE $real refused" "$(rows | cut -d ' ' -f 5- | grep -F " $real " | sort | uniq -c | sed 's/^ *//')"
	done
	tool_stop
	expect "rows" 28 "$(rows | wc -l)"
	expect "C-PID and C-COMM" "$(awk '{ print $6, "client" }' clients | sort -u)" \
		"$(rows | tail -n 14 | cut -d ' ' -f 1,2 | sort -u)"
	mv all clients
	within_connect CLOSE refused
	between "MS until refused, the median" 0 "$(milliseconds SYN_SENT CLOSE refused | median)" 100
}

pod_silent()
{
	pod_network "$1"
	syn_backoff	# the next retransmit is due after 3 s, when the client has ended
	service "$vip:80" "$silent"
	tool_start
	client_fails -p 41000 -g 2000 "$vip:80"
	tool_stop
	expect rows "$(expected_rows "$vip:80" "CLOSE SYN_SENT SYN_SENT/retransmit CLOSE/aborted" "$silent")" "$(rows)"
}

# pod_steered - makes IPVS get a pod's packets in interrupts of CPU 1; sets function
pod_steered()
{
	[ -e /sys/bus/event_source/devices/kprobe ] || skip "this kernel has no kprobes by perf event: they are from 4.17 on"
	function=$(grep -om 1 '__[a-z0-9]*_sys_getppid$' /proc/kallsyms) || skip "this kernel has no function for getppid"
	pod_network 4
	steer "p$$"
}

# steer DEVICE - pins the client to CPU 0 and moves the packets that DEVICE receives to CPU 1
steer()
{
	[ "$(nproc)" -gt 1 ] || skip "one CPU"
	client_in+=(taskset -c 0)
	mkdir sys
	mount -t sysfs none sys
	if ! echo 2 >"sys/class/net/$1/queues/rx-0/rps_cpus"; then
		umount sys
		skip "packets of this kernel cannot be given to another CPU"
	fi
	umount sys
}

# hog_begin FUNCTION|TRACEPOINT - from now on CPU 1 mostly runs the program of another process's kprobe or tracepoint; there
# the kernel skips the tool's programs
hog_begin()
{
	taskset -c 1 "$peers/hog" "$1" >hog &
	hog=$!
	pids+=("$hog")
	wait_for grep -q ready hog
}

# Also works on kernels that do not report skipped kprobes, as IPVS counts the connections that it takes.
pod_skipped()
{
	local function hog shown
	pod_steered
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1"
	server_elsewhere "$real_2"
	tool_start
	hog_begin "$function"
	client -n 60 "$vip:80"
	kill "$hog"
	tool_stop
	expect "lines in the servers' log" 60 "$(wc -l <servers)"
	shown=$(rows | grep -c ' CLOSE SYN_SENT ' || :)
	expect lost $((60 - shown)) "$(lost)"
	[ "$shown" -lt 60 ] || skip "the kernel skipped none"
	note "$shown of 60 shown, $(lost) lost"
	# Each connection that is shown has all its rows.
	rows | cut -d ' ' -f 3 | sort -u >ends
	grep -wFf ends clients >some || :
	mv some clients
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# skips_are_told - skips the test on kernels from 4.17 to 6.6, which do not report the kprobes that they skip
skips_are_told()
{
	tool_start -v
	tool_stop
	! grep -q 'does not tell which kprobes it skips' err || skip "this kernel does not tell which kprobes it skips"
}

# IPVS does not count what it refuses. But the kernel counts missed runs of a kprobe, for each kprobe on the function.
pod_refused_skipped()
{
	local function first
	pod_steered
	skips_are_told
	refused_skipped "$function" another_starts
	tool_pid=$first
	mv rows.1 rows
	mv err.1 err
	tool_stop
	refused_told
}

another_starts()
{
	first=$tool_pid
	mv rows rows.1
	mv err err.1
	tool_start
}

# Loading ip_vs again makes a new kprobe.
pod_refused_anew()
{
	local function
	pod_steered
	skips_are_told
	refused_skipped "$function" ipvs_anew
}

ipvs_anew()
{
	without_ipvs
	modprobe -a ip_vs ip_vs_rr
	wait_for grep -q 'ip_vs is loaded' err
}

# While a program runs on another process's tracepoint, the kprobe is hit and only its program is skipped: each CPU
# counts its hits, also a CPU that was offline at the start.
pod_refused_at_tracepoint()
{
	local function getppid
	getppid=$(cat /sys/kernel/tracing/events/syscalls/sys_enter_getppid/id) || skip "this kernel has no tracepoint for getppid"
	pod_steered
	skips_are_told
	cpu_1_off
	refused_skipped "$getppid" cpu_comes
}

cpu_comes()
{
	echo 1 >"$cpu_1"
	wait_for cpu_came_online 1
}

# refused_skipped FUNCTION|TRACEPOINT [DO] - runs DO between the start and the traffic
refused_skipped()
{
	local hog
	echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
	tool_start
	[ $# -lt 2 ] || "$2"
	service "$vip:80"
	hog_begin "$1"
	client_fails -n 60 "$vip:80"
	kill "$hog"
	tool_stop
	expect "results of connect" ECONNREFUSED "$(cut -d ' ' -f 4 clients | sort -u)"
	refused_told
}

refused_told()
{
	local shown again
	shown=$(rows | grep -c ' CLOSE SYN_SENT ' || :)
	expect "ends of those that are shown" "$shown" "$(rows | grep -c ' SYN_SENT CLOSE - no-destination$' || :)"
	# Each SYN that is sent again is refused again.
	# shellcheck disable=SC2016 # awk expands it
	again=$("${client_in[@]}" awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp)
	between lost $((60 - shown)) "$(lost)" $((60 - shown + again))
	[ "$shown" -lt 60 ] || skip "the kernel skipped none"
	note "$shown of 60 shown, $(lost) lost, $again SYNs sent again"
}

# Two namespaces with the same addresses make the same connection at the same time:
# each has the real server of its own IPVS.
twins()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	ip netns add t$$
	nsenter "--net=/run/netns/t$$" "$self" --call twin
	tool_start
	client_begin -p 41000 -o 3000 "$vip:80"
	wait_for has_rows 2
	nsenter "--net=/run/netns/t$$" "$peers/client" -p 41000 "$vip:80" >clients.twin
	wait_for has_rows 10
	tool_stop
	expect "rows, sorted" "$(twin_rows | sort)" "$(rows | sort)"
}

twin()
{
	network 4
	service "$vip:80" "$real_2"
	server "$real_2"
}

twin_rows()
{
	expected_rows "$vip:80" "$answered" "$real_1"
	mv clients.twin clients
	expected_rows "$vip:80" "$answered" "$real_2"
}

# IPVS gives a connection another real server while, in another namespace, a connect with the same numbers waits: it drops all
# of that one's SYNs. The new entry must not be taken for that connect's.
moved_beside_twin()
{
	local netns first second
	netns=$(inode_of_namespace)
	network 4
	ipvsadm --set 1 1 1
	echo 1 >/proc/sys/net/ipv4/vs/sloppy_tcp
	service "$vip:80" "$real_1" "$real_2"
	server --hold "$real_1" "$real_2"
	ip netns add t$$
	nsenter "--net=/run/netns/t$$" "$self" --call dropping_twin
	tool_start -x
	client_begin -p 41000 -o 7000 -b 5 -lw "$vip:80"	# its entry is gone after two seconds
	wait_for has_rows 2
	while sleep 0.01; do
		nsenter "--net=/run/netns/t$$" "$peers/client" -p 41000 -g 900 "$vip:80" >>clients.twin || :
	done &
	pids+=($!)
	wait_for reset_in "$netns"
	tool_stop
	kill $!
	first=$(awk '{ print $4 }' servers)
	second=$([ "$first" = "$real_1" ] && echo "$real_2" || echo "$real_1")
	expect "states, real server, reason" "CLOSE SYN_SENT $first -
SYN_SENT ESTABLISHED $first -
ESTABLISHED ESTABLISHED $first idle-expired
ESTABLISHED ESTABLISHED $second moved
ESTABLISHED CLOSE $second reset" "$(awk -v netns="$netns" '$15 == netns { print $8, $10, $12, $13 }' rows)"
}

# reset_in NETNS - true if a connection there has been reset
reset_in()
{
	awk -v netns="$1" '$15 == netns && $13 == "reset" { found = 1 } END { exit !found }' rows
}

dropping_twin()
{
	network 4
	service "$vip:80" "$real_2"
	echo 1 >/proc/sys/net/ipv4/vs/am_droprate
	echo 3 >/proc/sys/net/ipv4/vs/drop_packet
}

run_pod()
{
	local ip
	for ip in $families; do
		together "IPv$ip, client in another namespace: accepted" pod_accepted "$ip"
		together "IPv$ip, client in another namespace: refused" pod_refused "$ip"
		together "IPv$ip, client in another namespace: unanswered" pod_silent "$ip"
	done
	# With other hooks state changes are skipped too, and each counts as lost.
	[ "${hooks-}" ] || run "skipped in the course of another kprobe: counted" pod_skipped
	[ "${hooks-}" ] || run "no destination, skipped in the course of another kprobe: counted, by each of two" pod_refused_skipped
	[ "${hooks-}" ] || run "no destination, skipped in the course of a tracepoint's program: counted" \
		pod_refused_at_tracepoint
	[ "${hooks-}" ] || run "no destination, skipped, ip_vs loaded anew: counted" pod_refused_anew
	together "the same connection in two namespaces" twins
	[ "${hooks-}" ] || run "moved, while a connect in another namespace has the same numbers" moved_beside_twin
}
