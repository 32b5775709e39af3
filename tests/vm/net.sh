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

# network 4|6 - make it, and name its places
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

# places 4|6 - the names of one family
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

# service ADDR:PORT REAL... - a virtual service over these real servers
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

# syn_retries N - give a connect up after N retransmits of the SYN
syn_retries()
{
	echo "$1" >/proc/sys/net/ipv4/tcp_syn_retries
	syn_backoff
}

# syn_backoff - where the client is, each retransmit of a SYN comes after twice the time, as before 6.5
syn_backoff()
{
	"${client_in[@]}" sh -c 'cd /proc/sys/net/ipv4 && { [ ! -e tcp_syn_linear_timeouts ] || echo 0 >tcp_syn_linear_timeouts; }'
}

# expected_rows SERVICE STATES [REAL] - rows of the connections in the file "clients", in the form of "rows".
# STATES are those that the client's socket goes through, each with "/REASON" where its row has one. REAL is by
# default the real server that has logged the client's port, for the n-th time where it comes for the n-th time.
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

# one_socket_each - the rows of each connection have one SKADDR
one_socket_each()
{
	awk 'NR > 1 { end = $4 ":" $5; if (!(end in socket)) socket[end] = $1 }
		NR > 1 && ($1 != socket[end] || $1 !~ /^[0-9a-f]+$/) { exit 1 }' rows ||
		fail "a connection has two SKADDRs"
}

# rows_to ADDR:PORT... - the rows with one of these remote ends
rows_to()
{
	rows | awk -v ends=" $(tr -d '[]' <<<"$*") " 'index(ends, " " $4 " ")'
}

# all_closed - whether no client waits for its last answer any more: a FIN that met a server's socket on its way to
# TIME_WAIT may be lost, and comes again 0.2 s later
all_closed()
{
	[ -z "$(ss -H -t -a -n state last-ack)" ]
}

# count_changes OLDSTATE NEWSTATE - of sockets without a real server
count_changes()
{
	rows | awk -v old="$1" -v new="$2" '$5 == old && $6 == new && $7 == "-" { n++ } END { print n + 0 }'
}

# has_changes N OLDSTATE NEWSTATE - whether there are as many such rows
has_changes()
{
	[ "$(rows | grep -c " $2 $3 ")" -ge "$1" ]
}

# by_kprobe - whether the tool sees state changes by a kprobe; before 4.16 there is no tracepoint
by_kprobe()
{
	[ "${hooks-}" = kprobe ] || [ ! -e /sys/kernel/tracing/events/sock/inet_sock_set_state ]
}

# kernel_skips - whether the kernel may skip a program of the tool in an interrupt. By the tool's own hooks that happens from
# 7.0 on alone: its program for state changes is on perf's tracepoint there, in whose course no kprobe runs, so none on IPVS.
kernel_skips()
{
	[ "${hooks-}" ] || by_kprobe || [[ $(uname -r) != [1-6].* ]]
}

# milliseconds OLDSTATE NEWSTATE REASON - MS of such rows
milliseconds()
{
	awk -v old="$1" -v new="$2" -v reason="$3" 'NR > 1 && $8 == old && $10 == new && $13 == reason { print $11 }' rows
}

# within_connect NEWSTATE REASON - no row from SYN_SENT to it has an MS longer than its client has waited in connect(2)
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

# median - of the numbers on stdin
median()
{
	sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'
}

# kernel_count FILE GROUP NAME - a counter of the client's namespace in its /proc/net/FILE
kernel_count()
{
	# shellcheck disable=SC2016 # fields of awk
	"${client_in[@]}" awk -v group="$2:" -v name="$3" '
		$1 == group && !column { for (column = 1; $column != name; column++) ; next }
		$1 == group { print $column }' "/proc/net/$1"
}

# syn_retransmits - of the client's namespace, as its kernel has counted them
syn_retransmits()
{
	kernel_count netstat TcpExt TCPSynRetrans
}

# longest_connect - of the clients, in ms
longest_connect()
{
	awk '{ print ($10 - $8) / 1e6 }' clients | sort -n | tail -n 1
}
