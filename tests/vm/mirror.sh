# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Connections for which IPVS has an entry, whatever its origin: it may come from a previous connection between the same
# ports, have no client's port at first, or be made on another CPU or after the socket is gone. Most tests run IPv4 and IPv6
# together.

server_ends="CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE"
gives_up="CLOSE SYN_SENT SYN_SENT/retransmit CLOSE/aborted"

# tool_in NAME [OPTION...] - starts one more tool, in the folder NAME
tool_in()
{
	mkdir -p "$1"
	pushd "$1" >/dev/null || return
	tool_start "${@:2}"
	echo "$tool_pid" >pid
	popd >/dev/null || return
}

# tools_stop NAME...
tools_stop()
{
	local name
	for name; do
		pushd "$name" >/dev/null || return
		tool_pid=$(<pid)
		tool_stop
		popd >/dev/null || return
	done
}

# taken - prints how many entries this namespace's IPVS has made, at once (ipvsadm knows it two seconds later)
taken()
{
	local cpu conns sum=0
	while read -r cpu conns _ && [ "$cpu" != "~" ]; do
		[[ ! $cpu =~ ^[0-9A-F]+$ ]] || sum=$((sum + 16#$conns))
	done </proc/net/ip_vs_stats_percpu
	echo $sum
}

# states_of_entries - prints the states in the order of the clients' addresses and ports
states_of_entries()
{
	awk '/^TCP/ { print $2, $3, $8 }' /proc/net/ip_vs_conn | sort | cut -d ' ' -f 3 | paste -s -d ' '
}

# client_of NAME [OPTION...] ADDR:PORT - runs the client; its lines, also about failed connects, go to the file NAME
client_of()
{
	"${client_in[@]}" "$peers/client" "${@:2}" >>"$1" || [ $? = 1 ]
}

# rows_of NAME SERVICE STATES [REAL] - same as expected_rows, for the connections in the file NAME
rows_of()
{
	cp "$1" clients
	expected_rows "${@:2}"
}

# refused_at NAME - corrects the file NAME: the kernel clears the local address of a socket if its connect failed
refused_at()
{
	sed -i -E "s/^local .*:/local $vip:/" "$1"
}

# ---- a client uses a port again

# With conn_reuse_mode=0 a port that is used again keeps its entry, and so its real server, even one with weight 0.
# Rows, counts and the health of real servers must include each of these connections.
reused()
{
	local ip
	network 4
	echo 0 >/proc/sys/net/ipv4/vs/conn_reuse_mode
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1"
		service "$vip:81" "$refusing"
		server --close-first "$real_1" "$real_2"
	done
	mkdir -p counts/ipvs
	tool_in default
	tool_in all -a
	tool_in down --down -D 81
	tool_in counts --summary --metrics ipvs/ipvs.prom
	for ip in 4 6; do
		places $ip
		client_of answered.$ip -p 41000 -w "$vip:80"
		client_of refused.$ip -p 42000 -P 1 -n 3 "$vip:81"
		refused_at refused.$ip
	done
	wait_for all_closed
	for ip in 4 6; do
		places $ip
		client_of answered.$ip -p 41000 -w "$vip:80"
		ipvsadm -R <<-END
		-e -t $vip:80 -r $real_1 -m -w 0
		-a -t $vip:80 -r $real_2 -m
		END
	done
	wait_for all_closed
	for ip in 4 6; do
		places $ip
		client_of answered.$ip -p 41000 -w "$vip:80"
	done
	wait_for all_closed
	expect "entries that IPVS has made" 4 "$(taken)"
	tools_stop default all down counts
	for ip in 4 6; do
		places $ip
		check_reused
	done
	expect "rows" 42 "$(rows default/rows | wc -l)"
	expect "lost" "0 0 0" "$(cd default && lost) $(cd all && lost) $(cd down && lost)"
}

# check_reused - checks the output of all tools for the connections to one virtual address
check_reused()
{
	rows_of answered."$ip" "$vip:80" "$server_ends" >expected
	expect "real servers, by the servers' log" "3 $real_1" "$(awk '$6 == "CLOSE" { print $7 }' expected | sort | uniq -c | sed 's/^ *//')"
	expect "rows" "$(cat expected)" "$(cd default && rows_to "$vip:80")"
	expect "rows of -a" "$(cat expected)" "$(cd all && rows_to "$vip:80")"
	rows_of refused."$ip" "$vip:81" "CLOSE SYN_SENT CLOSE/refused" "$refusing" >expected
	expect "rows, refused" "$(cat expected)" "$(cd default && rows_to "$vip:81")"
	expect "rows of -a, refused" "$(cat expected)" "$(cd all && rows_to "$vip:81")"
	expect "rows of --down" "$(cat expected)" "$(cd down && rows_to "$vip:81" | grep -v real-server-down)"
	expect "real server that is down" "$refusing" "$(cd down && rows_to "$vip:81" | awk '$8 == "real-server-down" { print $7 }')"
	pushd counts >/dev/null || return
	expect "counts of $real_1" "3 3 0 0 0 0 0 0 0 0 0" "$(counts "$vip:80" "$real_1")"
	expect "counts of $refusing" "3 0 3 0 0 0 0 0 0 0 0" "$(counts "$vip:81" "$refusing")"
	expect "metrics of $real_1" "3 3 0 0 0 0" "$(results "$vip:80" "$real_1")"
	expect "metrics of $refusing" "3 0 3 0 0 0" "$(results "$vip:81" "$refusing")"
	popd >/dev/null || return
}

# Entries from before the start, in every state in which a port can be used again.
reused_from_before()
{
	local ip before clients=()
	network 4
	echo 0 >/proc/sys/net/ipv4/vs/conn_reuse_mode
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1"
		service "$vip:81" "$refusing"
		service "$vip:82" "$silent"
		service "$vip:83" "${real_2%:*}:8083"
		server --close-first "$real_1"
		server --vanish "${real_2%:*}:8083"
		client_of before -p 41000 -w "$vip:80"
		client_of before -p 41002 -g 100 "$vip:82"
		client_of before -p 41003 -v "$vip:83"
	done
	wait_for all_closed
	for ip in 4 6; do
		places $ip
		client_of before -p 41001 "$vip:81"
	done
	expect "entries" "TIME_WAIT CLOSE SYN_RECV ESTABLISHED TIME_WAIT CLOSE SYN_RECV ESTABLISHED" "$(states_of_entries)"
	before=$(taken)
	: >servers
	tool_start
	for ip in 4 6; do
		places $ip
		client_of silent.$ip -p 41002 -g 1800 "$vip:82" &
		clients+=($!)
		client_of answered.$ip -p 41000 -w "$vip:80"
		client_of refused.$ip -p 41001 "$vip:81"
		refused_at refused.$ip
		client_of vanished.$ip -p 41003 -v "$vip:83"
	done
	pids+=("${clients[@]}")
	wait "${clients[@]}"
	wait_for all_closed
	tool_stop
	expect "entries that IPVS has made since the start" "$before" "$(taken)"
	for ip in 4 6; do
		places $ip
		rows_of answered.$ip "$vip:80" "$server_ends" "$real_1"
		rows_of refused.$ip "$vip:81" "CLOSE SYN_SENT CLOSE/refused" "$refusing"
		rows_of silent.$ip "$vip:82" "$gives_up" "$silent"
		rows_of vanished.$ip "$vip:83" "CLOSE SYN_SENT ESTABLISHED CLOSE/aborted" "${real_2%:*}:8083"
	done >expected
	expect "rows, sorted" "$(sort expected)" "$(rows | sort)"
	expect "lost" 0 "$(lost)"
}

# If nobody answers a connect, IPVS keeps its entry for a minute: the same port uses the entry again.
given_up_again()
{
	local ip name clients=()
	network 4
	syn_backoff
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$silent"
		ipvsadm -A -t "$vip:81" -s rr
		ipvsadm -a -t "$vip:81" -r "${silent%:*}:81" -g
	done
	tool_start
	for ip in 4 6; do
		places $ip
		client_of masq.$ip -p 41000 -P 1 -n 3 -g 1800 "$vip:80" &
		clients+=($!)
		client_of route.$ip -p 42000 -P 1 -n 3 -g 1800 "$vip:81" &
		clients+=($!)
	done
	pids+=("${clients[@]}")
	wait "${clients[@]}"
	tool_stop
	expect "entries that IPVS has made" 4 "$(taken)"
	for ip in 4 6; do
		places $ip
		rows_of masq.$ip "$vip:80" "$gives_up" "$silent" >expected
		expect "rows by masquerading" "$(cat expected)" "$(rows_to "$vip:80")"
		rows_of route.$ip "$vip:81" "$gives_up" "${silent%:*}:81" >expected
		expect "rows by direct routing" "$(cat expected)" "$(rows_to "$vip:81")"
	done
	expect "rows" 36 "$(rows | wc -l)"
	expect "lost" 0 "$(lost)"
}

# direct_network OPTION_OF_SERVER... - makes the network of pod.sh with a second node. IPVS routes to the nodes, which also
# have the virtual addresses. They do not answer through IPVS, so IPVS sees only one half of each connection:
#
#   +-- p$$: the pod --+      +-- the test's: the host -----+      +-- r$$: a node --------------------------+
#   |  client  [eth0]---------[p$$] IPVS 10.99.0.1:80       |      |  10.99.3.2 [eth0], 10.99.0.1 [lo]       |
#   |  10.99.2.2       |      |      |-- 10.99.3.2:80 ----[r$$]----[eth0] server 10.99.0.1:80              |
#   |           [r$$]-----.   |      `-- 10.99.4.2:80 ----[t$$]-. |  10.99.2.2 via [back]                   |
#   +------------------+  |   +-----------------------------+   | +-----------------------------------------+
#            [t$$]        `-------------------------------------|--[back]
#                                                               `--- t$$: the same with 10.99.4.2
direct_network()
{
	local node
	pod_network 4
	ip netns add t$$
	ip -batch - <<-END
	link add t$$ type veth peer name eth0 netns t$$
	link set t$$ addrgenmode none
	link set t$$ up
	address add 10.99.4.1/24 dev t$$
	address add fe80::1/64 dev t$$ nodad
	address add fd00:99:4::1/64 dev t$$ nodad
	link add back netns r$$ type veth peer name r$$ netns p$$
	link add back netns t$$ type veth peer name t$$ netns p$$
	END
	leaf t$$ 99 4
	ip -n p$$ -batch - <<-END
	link set r$$ up address 02:00:00:00:00:01
	link set t$$ up address 02:00:00:00:00:01
	END
	for node in r$$ t$$; do
		ip -n "$node" -batch - <<-END
		address add 10.99.0.1/32 dev lo
		address add fd00:99::1/128 dev lo nodad
		link set back up
		neighbour add 10.99.2.2 lladdr 02:00:00:00:00:01 dev back nud permanent
		neighbour add fd00:99:2::2 lladdr 02:00:00:00:00:01 dev back nud permanent
		route add 10.99.2.2/32 dev back
		route add fd00:99:2::2/128 dev back
		END
		nsenter "--net=/run/netns/$node" "$peers/server" --log "servers.$node" "$@" '10.99.0.1:80' '[fd00:99::1]:80' >>server_pids
	done
}

# direct_places 4|6
direct_places()
{
	places "$1"
	if [ "$1" = 4 ]; then
		direct_1=10.99.3.2:80 direct_2=10.99.4.2:80
	else
		direct_1='[fd00:99:3::2]:80' direct_2='[fd00:99:4::2]:80'
	fi
}

# direct_service REAL... - makes a service at port 80
direct_service()
{
	local real
	{
		echo "-A -t $vip:80 -s rr"
		for real; do
			echo "-a -t $vip:80 -r $real -g"
		done
	} | ipvsadm -R
}

pod_closed()
{
	[ -z "$(nsenter "--net=/run/netns/p$$" ss -H -t -a -n exclude time-wait)" ]
}

# With direct routing IPVS sees only one half of a connection: it stays in FIN_WAIT, which is not an end for IPVS.
reused_by_direct_routing()
{
	local ip before
	direct_network --close-first
	for ip in 4 6; do
		direct_places $ip
		direct_service "$direct_1"
		client_of before -p 41000 -w "$vip:80"
	done
	wait_for pod_closed
	expect "entries" "FIN_WAIT FIN_WAIT" "$(states_of_entries)"
	tool_start
	for ip in 4 6; do
		direct_places $ip
		client_of clients.$ip -p 41000 -w "$vip:80"
		client_of clients.$ip -p 41001 -w "$vip:80"
	done
	wait_for pod_closed
	for ip in 4 6; do
		direct_places $ip
		ipvsadm -R <<-END
		-e -t $vip:80 -r $direct_1 -g -w 0
		-a -t $vip:80 -r $direct_2 -g
		END
		client_of clients.$ip -p 41000 -P 2 -n 2 -w "$vip:80"
		client_of other.$ip -p 41002 -w "$vip:80"
	done
	wait_for pod_closed
	tool_stop
	expect "entries that IPVS has made" 6 "$(taken)"
	expect "connections of both nodes" "10 2" "$(wc -l <servers.r$$) $(wc -l <servers.t$$)"
	for ip in 4 6; do
		direct_places $ip
		rows_of clients.$ip "$vip:80" "$server_ends" "$direct_1" >expected
		rows_of other.$ip "$vip:80" "$server_ends" "$direct_2" >>expected
		expect "rows" "$(by_port <expected)" "$(rows_to "$vip:80" | by_port)"
	done
	expect "rows" 50 "$(rows | wc -l)"
	expect "lost" 0 "$(lost)"
}

# IPVS keeps entries of ended connections for minutes, more than the tool has room for. The tool must still show the
# connections with new entries.
more_than_room()
{
	network 4
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1" "$real_2"
	tool_start --max-conns 8
	client -n 400 "$vip:80"
	wait_for grep -q 'IPVS has more than 8 connections at once' err
	tool_stop
	expect "entries that IPVS has" 400 "$(grep -c ^TCP /proc/net/ip_vs_conn)"
	expect "rows" "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	expect "lost" 0 "$(lost)"
	expect "messages about it" 1 "$(grep -c 'allow more by --max-conns' err)"
}

# ---- MPTCP

has_mptcp()
{
	[ -e /proc/sys/net/mptcp/enabled ] || skip "this kernel has no MPTCP"
	echo 1 >/proc/sys/net/mptcp/enabled
}

# An MPTCP socket next to its TCP sockets does not count as a loss.
mptcp_elsewhere()
{
	local ip
	has_mptcp
	network 4
	tool_in text
	tool_in json -j
	tool_in metrics --metrics ipvs.prom 1
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1"
		server "$real_1" "$real_2"
		client_of mptcp --mptcp -n 20 "$real_2"
		client_of tcp.$ip "$vip:80"
	done
	tools_stop text json metrics
	expect "results of connect" "40 ok" "$(cut -d ' ' -f 4 mptcp | sort | uniq -c | sed 's/^ *//')"
	for ip in 4 6; do
		places $ip
		rows_of tcp.$ip "$vip:80" "$answered"
	done >expected
	expect "rows" "$(cat expected)" "$(rows text/rows)"
	expect "the tool's last line" "${tool##*/}: 10 rows, 0 lost" "$(tail -n 1 text/err)"
	expect "JSON" '"rows":10,"lost":0 "lost_missed":0 "sent":10' \
		"$(grep '"event":"end"' json/rows | grep -oE '"rows":[0-9]+,"lost":[0-9]+|"(lost_missed|sent)":[0-9]+' | paste -s -d ' ')"
	expect "missed events" "ipvs_tcpstate_missed_events_total 0" "$(grep '^ipvs_tcpstate_missed_events_total' metrics/ipvs.prom)"
}

# The tool shows the TCP socket of an MPTCP connection to a service.
mptcp_to_service()
{
	local ip
	has_mptcp
	network 4
	tool_start
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1" "$real_2"
		server "$real_1" "$real_2"
		client_of mptcp.$ip --mptcp -n 7 "$vip:80"
	done
	tool_stop
	for ip in 4 6; do
		places $ip
		rows_of mptcp.$ip "$vip:80" "$answered"
	done >expected
	expect "rows" "$(cat expected)" "$(rows)"
	expect "lost" 0 "$(lost)"
}

# ---- expired

# ten_send_on NAME - tests ten connections of each family to port 80, which send until their real servers are removed; the
# variable NAME has the real server
ten_send_on()
{
	local ip
	wait_for has_served_both 20
	wait_for has_changes 20 SYN_SENT ESTABLISHED
	for ip in 4 6; do
		direct_places $ip
		echo "-d -t $vip:80 -r ${!1}"
	done | ipvsadm -R
	wait_for has_changes 20 ESTABLISHED CLOSE
	tool_stop
	for ip in 4 6; do
		direct_places $ip
		rows_of clients.$ip "$vip:80" "CLOSE SYN_SENT ESTABLISHED CLOSE/expired" "${!1}" | sort >expected
		expect "rows, sorted" "$(cat expected)" "$(rows_to "$vip:80" | sort)"
	done
	expect "rows" 60 "$(rows | wc -l)"
	expect "lost" 0 "$(lost)"
}

has_served_both()
{
	[ "$(cat servers servers.r$$ 2>/dev/null | wc -l)" = "$1" ]
}

# The real server is removed, and IPVS shall end its connections: this host resets what the client sends next.
without_real_server()
{
	local ip
	network 4
	echo 1 >/proc/sys/net/ipv4/vs/expire_nodest_conn
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1"
		server "$real_1"
	done
	tool_start
	for ip in 4 6; do
		places $ip
		client_of clients.$ip -c -s -n 10 -p 41000 "$vip:80" &
		pids+=($!)
	done
	ten_send_on real_1
}

without_real_server_by_direct_routing()
{
	local ip
	direct_network
	echo 1 >/proc/sys/net/ipv4/vs/expire_nodest_conn
	for ip in 4 6; do
		direct_places $ip
		direct_service "$direct_1"
	done
	tool_start
	for ip in 4 6; do
		direct_places $ip
		client_of clients.$ip -c -s -n 10 -p 41000 "$vip:80" &
		pids+=($!)
	done
	ten_send_on direct_1
}

# The entry and the virtual address are removed: nothing answers what the client sends then.
expired_and_unanswered()
{
	local ip clients=()
	pod_network 4
	ipvsadm --set 1 1 1
	"${client_in[@]}" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_retries2'
	for ip in 4 6; do
		pod_places $ip
		service "$vip:80" "$real_1"
		server --hold "$real_1"
	done
	tool_start
	for ip in 4 6; do
		pod_places $ip
		"${client_in[@]}" "$peers/client" -o 60000 -b 5 -l -w "$vip:80" >clients.$ip &
		clients+=($!)
	done
	pids+=("${clients[@]}")
	wait_for has_served 2
	wait_for has_entries 0
	ip -batch - <<-END
	address delete 10.99.0.1/32 dev d$$
	address delete fd00:99::1/128 dev d$$
	route add blackhole 10.99.0.1/32
	route add blackhole fd00:99::1/128
	END
	kill -USR1 "${clients[@]}"
	wait "${clients[@]}"
	tool_stop
	for ip in 4 6; do
		pod_places $ip
		rows_of clients.$ip "$vip:80" "CLOSE SYN_SENT ESTABLISHED ESTABLISHED/idle-expired CLOSE/expired" >expected
		expect "rows" "$(cat expected)" "$(rows_to "$vip:80")"
	done
	expect "rows" 8 "$(rows | wc -l)"
	expect "lost" 0 "$(lost)"
}

# ---- FTP

# For a passive data connection IPVS makes the entry from the real server's answer on the control connection, before
# the client's port is known.
ftp()
{
	local ip line
	modprobe -q ip_vs_ftp || skip "this kernel has no ip_vs_ftp"
	network 4
	tool_start
	for ip in 4 6; do
		places $ip
		service "$vip:21" "${real_1%:*}:21"
		"$peers/ftp" serve servers "${real_1%:*}:21" >>server_pids
		"$peers/ftp" get "$vip:21" >both
		expect "virtual service of both connections" "$vip $vip" "$(sed -E 's/.* (.*):[0-9]+$/\1/' both | paste -s -d ' ')"
		expect "connections at the real server" 2 "$(grep -cF " local ${real_1%:*}:" servers)"
		while read -r line; do
			echo "$line" >clients
			# The client ends the control connection, the server the data connection.
			if [[ $line == *:21 ]]; then
				expected_rows "${line##* }" "$answered"
			else
				expected_rows "${line##* }" "$server_ends"
			fi
		done <both | sed 's/ client / ftp /' >>expected
	done
	wait_for all_closed
	tool_stop
	expect "rows, sorted" "$(sort expected)" "$(rows | sort)"
	expect "lost" 0 "$(lost)"
}

# ftp_goes - unloads ip_vs_ftp; that is possible only after the namespaces of the tests and their entries are gone
ftp_goes()
{
	local try
	for ((try = 0; try < 100; try++)); do
		grep -q '^ip_vs_ftp ' /proc/modules || return 0
		rmmod ip_vs_ftp 2>/dev/null || sleep 0.1
	done
	echo "ip_vs_ftp cannot be unloaded"
	exit 1
}

# ---- packets that another CPU handles

# steered_pods - makes the network of pod.sh, services of both families with two real servers each, and steers packets
steered_pods()
{
	local ip
	pod_network 4
	steer "p$$"
	for ip in 4 6; do
		pod_places $ip
		service "$vip:80" "$real_1" "$real_2"
		server "$real_1"
		server_elsewhere "$real_2"
	done
}

# With -a too, the first row waits until IPVS has taken the connection, and is printed only once.
first_rows()
{
	local ip n=$((${FIRST_ROWS:-600} / 2)) skipped=0 clients=()
	steered_pods
	tool_start -a
	for ip in 4 6; do
		pod_places $ip
		client_of clients.$ip -p 2${ip}000 -n $n "$vip:80" &
		clients+=($!)
	done
	pids+=("${clients[@]}")
	wait "${clients[@]}"
	wait_for pod_closed
	tool_stop
	expect "lines in the servers' log" $((2 * n)) "$(wc -l <servers)"
	awk '
		FILENAME == "servers" { port = $2; sub(/.*:/, "", port); real[port] = $4; next }
		$3 != "client" || $7 != 80 { next }
		$8 == "CLOSE" {
			n++
			again += first[$5]++ > 0
			known += $12 == real[$5]
			other += $12 != real[$5] && $12 != "-"
			next
		}
		{ other += $12 != real[$5] && $12 != "-"; without += $12 == "-" }
		END { print n + 0, again + 0, other + 0, without + 0, known + 0 }' servers rows >sums
	read -r shown again other without known <sums
	note "$known of $shown first rows with real server, $again come again, $other rows with another than the log"
	expect "first rows, those that come again, rows with another real server than the log" "$((2 * n)) 0 0" "$shown $again $other"
	between "later rows without real server" 0 "$without" "$(skipped_at_most)"
	! kernel_skips || skipped=$(lost)
	between "first rows with real server" $((2 * n * 99 / 100 - skipped)) "$known" $((2 * n))
	between "lost" 0 "$(lost)" "$(skipped_at_most)"
}

# nothing_under_way - true if the maps of sockets are empty
nothing_under_way()
{
	local map dump
	maps=0 left=''
	for map in socks tuples sockets connecting clients; do
		dump=$(bpftool -j map dump name $map 2>/dev/null) || continue
		maps=$((maps + 1))
		[[ $dump != *'"key"'* ]] || left+="$map $dump"$'\n'
	done
	[ -z "$left" ]
}

# The client closes each socket right after the start of its connect, while the SYN is on its way to another CPU. The next
# socket has the same address. Each connection that IPVS takes has its own rows or is counted; no others are shown. A CPU of
# the VM may stand still while it runs a program, so the test sorts the rows by time.
race()
{
	local count=${RACE_CONNECTIONS:-3000} direct began more maps=0 left='' problems=()
	: >part
	steered_pods
	pod_places 4
	direct=$real_2
	tool_start -t
	began=$SECONDS
	"${client_in[@]}" "$peers/hasty" "$count" 20000 "$vip:80" '[fd00:99::1]:80' "$direct" >hasty
	wait_for pod_closed
	if [ "$(command -v bpftool)" ]; then
		(patience=10 && wait_for nothing_under_way) || {
			nothing_under_way || :
			problems+=("left in maps: ${left:0:400}")
		}
		nothing_under_way || :
		[ $maps -ge 2 ] || fail "the maps have other names"
	fi
	tool_stop
	lost=$(lost) taken=$(taken)
	{ head -n 1 rows && tail -n +2 rows | sort -s -n; } | sed 's/^ *[^ ]* *//' >sorted
	race_lives "$direct" $(((SECONDS - began + 1) * 1000)) >lives || problems+=("$(cat lives)")
	read -r shown some <<<"$(tail -n 1 lives)"
	note "$count connects, $taken taken, $shown shown, $lost lost"
	between "connections that IPVS has taken" $((count / 2)) "$taken" $((count - count / 3))
	more=$((shown + lost - taken))
	[ $more -ge 0 ] && [ $more -le "$(skipped_at_most)" ] ||
		problems+=("IPVS took $taken connections: $shown shown from first row to last, $lost lost, $some shown in part: $(head -n 20 part)")
	[ ${#problems[@]} = 0 ] || fail "$(printf '%s\n' "${problems[@]}")"
}

# skipped_at_most - prints the limit. With the tool's own hooks nothing is skipped. Other hooks are skipped by the kernel in
# interrupts; each skipped event is counted, so a connection may count more than once.
skipped_at_most()
{
	kernel_skips && echo 200 || echo 0
}

# race_lives DIRECT MS - prints rows that do not match the files "hasty" and "servers", then how many connections have both
# first and last row, and how many only some rows. Writes the rows of the latter to the file "part", and connects without a row
race_lives()
{
	awk -v direct="$1" -v most="$2" '
		function wrong(text)
		{
			if (mismatches++ < 20)
				print text ": " $0
		}
		function port_of(end) { sub(/.*:/, "", end); return end }
		function plain(end) { gsub(/[][]/, "", end); return end }
		FILENAME == "hasty" { to[$2] = plain($4); span[$2] = ($8 - $6) / 1e6; connect[$2] = $0; next }
		FILENAME == "servers" { real[port_of($2)] = $4; next }
		FNR == 1 { next }
		!($5 in to) || to[$5] != $6 ":" $7 { wrong("no such connection"); next }
		to[$5] == plain(direct) { wrong("not to IPVS"); next }
		{
			some[$5] = 1
			row[++rows] = $0
			row_port[rows] = $5
			if ($3 != "hasty" || $9 != "->")
				wrong("owner")
			if ($13 == "moved")
				wrong("moved")
			if ($12 !~ /:8080$/ || (($5 in real) && $12 != real[$5]))
				wrong("real server, which was " real[$5])
			if ($11 !~ /^[0-9]+\.[0-9]+$/ || $11 > most)
				wrong("MS")
			if ($13 == "aborted" && $8 == "SYN_SENT" && $11 > span[$5] + 0.001)
				wrong("MS, of " span[$5])
		}
		$8 == "CLOSE" {
			if (first[$5]++)
				wrong("first row again")
			port[$1] = $5
			state[$1] = $10
			next
		}
		!($1 in port) { next }
		{
			if (port[$1] != $5)
				wrong("a socket of port " port[$1])
			else if (state[$1] != $8)
				wrong("states, it was in " state[$1])
			state[$1] = $10
		}
		$10 == "CLOSE" { whole[$5] = 1; delete port[$1] }
		END {
			for (p in some) {
				n += p in whole
				part += !(p in whole)
			}
			for (i = 1; i <= rows; i++)
				if (!(row_port[i] in whole))
					print row[i] >"part"
			for (p in to)
				if (to[p] != plain(direct) && !(p in some))
					print connect[p] >"part"
			print n + 0, part + 0
			exit mismatches != 0
		}' hasty servers sorted
}

run_mirror()
{
	run "a port comes again while IPVS has its entry" reused
	run "a port comes again while IPVS has its entry from before the start" reused_from_before
	run "a port comes again, nobody answers" given_up_again
	run "a port comes again, direct routing" reused_by_direct_routing
	run "more connections of IPVS than find room" more_than_room
	run "MPTCP elsewhere" mptcp_elsewhere
	run "MPTCP to the service" mptcp_to_service
	run "expired: real server taken out" without_real_server
	run "expired: real server taken out, direct routing" without_real_server_by_direct_routing
	run "expired: nothing answers" expired_and_unanswered
	run "passive FTP" ftp
	[ "$listing" ] || ftp_goes
	run "packets on another CPU, -a: first rows" first_rows
	limit=$((limit + ${RACE_CONNECTIONS:-0} / 50)) run "packets on another CPU: closed at once" race
}
