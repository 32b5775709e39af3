# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The network of most tests: client, balancer and real servers in one namespace.
#
#   +----------------------------------------------------------------------------------+
#   |  client ----> VIP :80, :81          IPVS (round robin, masq)                     |
#   |               10.99.0.1               |-- 10.99.1.1:8080     server    $real_1   |
#   |               fd00:99::1              |-- 10.99.1.2:8080     server    $real_2   |
#   |                                       |-- 10.99.1.3:8080     nobody    $refusing |
#   |                                       `-- 203.0.113.2:8080   swallowed $silent   |
#   |                                                  |                               |
#   |  dev d$$: 10.99.0.1 10.99.1.1-3           dev s$$ (dummy: drops what is sent)    |
#   |           fd00:99::1 fd00:99:1::1-3       routes 203.0.113.0/24, 2001:db8:113::/64
#   +----------------------------------------------------------------------------------+

# network 4|6 - makes the network, and sets the variables of its addresses
network()
{
	ip -batch - <<-END
	link set lo up
	link add d$$ type dummy
	link add s$$ type dummy
	link set d$$ up
	link set s$$ up arp off
	address add 10.99.0.1/32 dev d$$
	address add 10.99.1.1/32 dev d$$
	address add 10.99.1.2/32 dev d$$
	address add 10.99.1.3/32 dev d$$
	route add 203.0.113.0/24 dev s$$
	address add fd00:99::1/128 dev d$$ nodad
	address add fd00:99:1::1/128 dev d$$ nodad
	address add fd00:99:1::2/128 dev d$$ nodad
	address add fd00:99:1::3/128 dev d$$ nodad
	route add 2001:db8:113::/64 dev s$$
	END
	places "$1"
}

# places 4|6 - sets the variables for one family
places()
{
	case $1 in
	4)
		vip=10.99.0.1
		real_1=10.99.1.1:8080 real_2=10.99.1.2:8080
		refusing=10.99.1.3:8080 silent=203.0.113.2:8080
		;;
	6)
		vip='[fd00:99::1]'
		real_1='[fd00:99:1::1]:8080' real_2='[fd00:99:1::2]:8080'
		refusing='[fd00:99:1::3]:8080' silent='[2001:db8:113::2]:8080'
		;;
	esac
}

# service ADDR:PORT REAL... - makes a virtual service with these real servers
service()
{
	local service=$1 real
	shift
	{
		echo "-A -t $service -s rr"
		for real; do
			echo "-a -t $service -r $real -m"
		done
	} | ipvsadm -R
}

# syn_retries N - makes the kernel give up a connect after N retransmits of the SYN
syn_retries()
{
	echo "$1" >/proc/sys/net/ipv4/tcp_syn_retries
	syn_backoff
}

# syn_backoff - in the client's namespace, doubles the time before each retransmit of a SYN, as before 6.5
syn_backoff()
{
	"${client_in[@]}" sh -c 'cd /proc/sys/net/ipv4 && { [ ! -e tcp_syn_linear_timeouts ] || echo 0 >tcp_syn_linear_timeouts; }'
}

# expected_rows SERVICE STATES [REAL] - prints the rows of the connections in the file "clients", in the form of "rows".
# STATES are the states of the client's socket, each with "/REASON" if its row has one. The default for REAL is
# the real server that has logged the client's port; the n-th use of a port belongs to its n-th line in the log.
expected_rows()
{
	[ -e servers ] || : >servers
	awk -v service="$1" -v states="$2" -v real="${3-}" '
		function plain(address) { gsub(/[][]/, "", address); return address }
		function ipv4(address) { if (sub(/^\[::ffff:/, "", address)) sub(/\]/, "", address); return address }
		FILENAME == "servers" { logged[$2, ++served[$2]] = $4; next }
		{
			made[$2]++
			n = split(states, state)
			for (i = 2; i <= n; i++) {
				split(state[i - 1], old, "/")
				split(state[i], new, "/")
				print $6, "client", plain($2), plain(service), old[1], new[1],
					real ? real : logged[ipv4($2), made[$2]], new[2] ? new[2] : "-"
			}
		}' servers clients
}

# one_socket_each - checks that all rows of a connection have the same SKADDR
one_socket_each()
{
	awk 'NR > 1 { end = $4 ":" $5; if (!(end in socket)) socket[end] = $1 }
		NR > 1 && ($1 != socket[end] || $1 !~ /^[0-9a-f]+$/) { exit 1 }' rows ||
		fail "a connection has two SKADDRs"
}

# by_port - sorts rows by the client's address and port, and keeps the order of each: the answer to a client's FIN may come
# after the first rows of the next client
by_port()
{
	sort -s -k 3,3
}

# rows_to ADDR:PORT... - prints the rows with one of these remote addresses
rows_to()
{
	rows | awk -v ends=" $(tr -d '[]' <<<"$*") " 'index(ends, " " $4 " ")'
}

# all_closed - true if no client waits for its last answer any more: a FIN may be lost if the server's socket is just
# changing to TIME_WAIT; it is sent again 0.2 s later
all_closed()
{
	[ -z "$(ss -H -t -a -n state last-ack)" ]
}

# count_changes OLDSTATE NEWSTATE - counts such rows of sockets without a real server
count_changes()
{
	rows | awk -v old="$1" -v new="$2" '$5 == old && $6 == new && $7 == "-" { n++ } END { print n + 0 }'
}

# has_changes N OLDSTATE NEWSTATE - true if there are at least N such rows
has_changes()
{
	[ "$(rows | grep -c " $2 $3 ")" -ge "$1" ]
}

# by_kprobe - true if the tool sees state changes with a kprobe; before 4.16 there is no tracepoint
by_kprobe()
{
	[ "${hooks-}" = kprobe ] || [ ! -e /sys/kernel/tracing/events/sock/inet_sock_set_state ]
}

# kernel_skips - true if the kernel may skip a program of the tool in an interrupt. With the tool's own choice of hooks that
# happens only from 7.0 on: there the program for state changes is on perf's tracepoint. While it runs, the kernel runs no
# kprobe, and so none on IPVS.
kernel_skips()
{
	[ "${hooks-}" ] || by_kprobe || [[ $(uname -r) != [1-6].* ]]
}

# milliseconds OLDSTATE NEWSTATE REASON - prints the MS of such rows
milliseconds()
{
	awk -v old="$1" -v new="$2" -v reason="$3" 'NR > 1 && $8 == old && $10 == new && $13 == reason { print $11 }' rows
}

# within_connect NEWSTATE REASON - checks that no row from SYN_SENT to NEWSTATE has an MS longer than its client's connect(2)
within_connect()
{
	awk -v new="$1" -v reason="$2" '
		FILENAME == "clients" { sub(/.*:/, "", $2); waited[$2] = ($10 - $8) / 1e6; next }
		FNR > 1 && $8 == "SYN_SENT" && $10 == new && $13 == reason {
			n++
			if (!($5 in waited) || $11 <= 0 || $11 > waited[$5] + 0.001) {
				print "MS of port " $5 ": " $11 ", and connect took " waited[$5]
				exit 1
			}
		}
		END { exit !n }' clients rows || fail "MS of SYN_SENT -> $1 does not fit"
}

# median - prints the median of the numbers on stdin
median()
{
	sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'
}

# kernel_count FILE GROUP NAME - prints a counter from /proc/net/FILE of the client's namespace
kernel_count()
{
	# shellcheck disable=SC2016 # fields of awk
	"${client_in[@]}" awk -v group="$2:" -v name="$3" '
		$1 == group && !column { for (column = 1; $column != name; column++) ; next }
		$1 == group { print $column }' "/proc/net/$1"
}

# syn_retransmits - prints the kernel's count for the client's namespace
syn_retransmits()
{
	kernel_count netstat TcpExt TCPSynRetrans
}

# longest_connect - prints the longest connect of the clients in ms
longest_connect()
{
	awk '{ print ($10 - $8) / 1e6 }' clients | sort -n | tail -n 1
}
