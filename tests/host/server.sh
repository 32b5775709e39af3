# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --server, as far as tracepoints show it: the tests of a full accept queue are in tests/vm/server.sh.
#
#   +-- a client's -------------+        +-- the test's: server ---------------+
#   |  10.79.0.2, .3 [there]-------veth-----[here] 10.79.0.1; on lo: 10.79.9.9 |
#   |  fd79::2, ::3             |        |           fd79::1       fd79::9:9   |
#   +---------------------------+        +-------------------------------------+

# server_network - makes the network. What is sent to .3 and ::3 goes to a wrong hardware address, so a client there hears nothing.
server_network()
{
	local other
	unshare --net sleep 300 &
	other=$!
	pids+=("$other")
	wait_for other_netns "$other"
	client_in=(nsenter "--net=/proc/$other/ns/net")
	ip -batch - <<-END
	link add here type veth peer name there netns $other
	link set here addrgenmode none
	link set here up
	address add 10.79.0.1/24 dev here
	address add fd79::1/64 dev here nodad
	address add 10.79.9.9/32 dev lo
	address add fd79::9:9/128 dev lo nodad
	neighbour add 10.79.0.3 lladdr 02:00:00:00:00:01 dev here
	neighbour add fd79::3 lladdr 02:00:00:00:00:01 dev here
	END
	"${client_in[@]}" ip -batch - <<-END
	link set lo up
	link set there addrgenmode none
	link set there up
	address add 10.79.0.2/24 dev there
	address add 10.79.0.3/24 dev there
	address add fd79::2/64 dev there nodad
	address add fd79::3/64 dev there nodad
	END
	client_from 2
	echo 2 >/proc/sys/net/ipv4/tcp_synack_retries
}

# client_from 2|3 - clients use the address with this end
client_from()
{
	"${client_in[@]}" ip -batch - <<-END
	route replace 10.79.9.9/32 via 10.79.0.1 src 10.79.0.$1
	route replace fd79::9:9/128 via fd79::1 src fd79::$1
	END
}

# server_rows - prints the rows of --server without SKADDR and the client's port
server_rows()
{
	awk 'NR > 1 && $2 == "-" && $3 == "-" { print $4, $5, $6, $8, $10, $11, $12, $13 }' rows
}

# has_server_rows N - true if there are at least N
has_server_rows()
{
	[ "$(server_rows | wc -l)" -ge "$1" ]
}

# syn_acks_again - the kernel's count in the server's namespace
syn_acks_again()
{
	awk '$1 == "TcpExt:" && !column { for (column = 1; $column != "TCPSynRetrans"; column++) ; next }
		$1 == "TcpExt:" { print $column }' /proc/net/netstat
}

# server_counts - prints SOURCE, VIP and port of each line that is not idle, and REFUSED ERROR SYN-RETRANSMITS
server_counts()
{
	awk -F , 'NR > 1 && $3 == "total" { print $NF, $1, $2, $7, $12, $13 }' rows | sort
}

# server_counted - the same as counts, beside those of sockets
server_counted()
{
	server_network
	server 10.79.9.9:7741
	tool_start --server --summary -s --netns "$BASHPID" "$@"
	client_fails -n 3 10.79.9.9:7742
	client_fails -n 2 '[fd79::9:9]:7742'
	client_from 3
	client_fails -g 500 10.79.9.9:7741
	wait_for counted_again 2
	[ $# = 0 ] || { client_in=(); client_fails 10.79.9.9:7743; }
	tool_stop
	expect "counts of --server" "server 10.79.9.9 7741 0 0 2
server 10.79.9.9 7742 3 0 0
server fd79::9:9 7742 2 0 0" "$(server_counts | grep -v ' 7743 ')"
	[ $# = 0 ] || expect "counts with -a" "server 10.79.9.9 7743 1 0 0
sockets 10.79.9.9 7743 1 0 0" "$(server_counts | grep ' 7743 ')"
	expect "the last line" 0 "$(sed -n 's/.*: \([0-9]*\) lost$/\1/p' err)"
}

counted_again()
{
	[ "$(syn_acks_again)" -ge "$1" ]
}

# server_side - a client that hears nothing, and ports where nobody listens
server_side()
{
	server_network
	server 10.79.9.9:7741 '[fd79::9:9]:7741'
	server '[::]:7743'
	tool_start --server --netns "$BASHPID" --record server.rec
	client -n 3 10.79.9.9:7741
	client_fails -n 3 10.79.9.9:7742
	client_fails -n 2 '[fd79::9:9]:7742'
	client_from 3
	client_fails -g 500 10.79.9.9:7741
	client_fails -g 500 '[fd79::9:9]:7741'
	client_fails -g 500 10.79.9.9:7743
	wait_for has_server_rows 11
	tool_stop
	expect rows "10.79.9.9 7741 10.79.0.3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
10.79.9.9 7741 10.79.0.3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
10.79.9.9 7742 10.79.0.2 CLOSE CLOSE 0.000 - no-listener
10.79.9.9 7742 10.79.0.2 CLOSE CLOSE 0.000 - no-listener
10.79.9.9 7742 10.79.0.2 CLOSE CLOSE 0.000 - no-listener
10.79.9.9 7743 10.79.0.3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
10.79.9.9 7743 10.79.0.3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
fd79::9:9 7741 fd79::3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
fd79::9:9 7741 fd79::3 SYN_RECV SYN_RECV 0.000 - syn-ack-again
fd79::9:9 7742 fd79::2 CLOSE CLOSE 0.000 - no-listener
fd79::9:9 7742 fd79::2 CLOSE CLOSE 0.000 - no-listener" "$(server_rows | sort)"
	expect "SYN-ACKs sent again, as the kernel counts them" 6 "$(syn_acks_again)"
	expect "the last line" "11 rows, 0 lost" "$(sed -n '$s/.*: //p' err)"
}

# finding NAME - prints this line of --check
finding()
{
	"$tool" --check --server --cache-dir "$cache" 2>&1 | awk -v name="$1" '$1 == name' | sed 's/  */ /g'
}

# checks_network - a virtual IP on lo with ARP answers, a tunnel with a strict reverse-path filter
checks_network()
{
	local conf=/proc/sys/net/ipv4/conf mend="sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
	expect "no virtual IP" "arp ok no virtual IP on lo or an interface without ARP" "$(finding arp)"
	ip link add here type veth peer name there
	ip link set here up
	ip address add 10.79.0.1/24 dev here
	ip address add 10.79.9.9/32 dev lo
	ip address add 10.79.9.10/32 dev lo
	expect "a virtual IP" "arp warning virtual IP 10.79.9.9 on lo and 1 more: this host answers ARP for it on here, so clients may pass by the director; run: $mend" \
		"$(finding arp)"
	ip link set here down
	expect "an interface that is down" "arp ok virtual IP 10.79.9.9 on lo and 1 more: no ARP answers" "$(finding arp)"
	ip link set here up
	$mend >/dev/null
	expect "after that command" "arp ok virtual IP 10.79.9.9 on lo and 1 more: no ARP answers" "$(finding arp)"
	echo 1 >$conf/all/rp_filter
	expect "no tunnel" "rp_filter ok no tunnel with a strict one" "$(finding rp_filter)"
	ip tuntap add tunnel mode tun 2>/dev/null || { note "no tunnels here"; return; }
	ip link set tunnel up
	mend="sysctl -w net.ipv4.conf.tunnel.rp_filter=2"
	expect "a tunnel" "rp_filter warning strict on tunnel: packets of clients that come through this tunnel are dropped; run: $mend" "$(finding rp_filter)"
	$mend >/dev/null
	expect "after that command, too" "rp_filter ok no tunnel with a strict one" "$(finding rp_filter)"
	expect "nothing else asks for IPVS" "" "$("$tool" --check --server --cache-dir "$cache" | grep -e ip_vs -e IPVS || :)"
}

run_server()
{
	run "--server --check: ARP, reverse-path filter" traced checks_network
	run "--server: counts" traced server_counted
	run "--server -a: counts" traced server_counted -a
	run "--server: SYN-ACKs sent again, no listener" traced server_side
}
