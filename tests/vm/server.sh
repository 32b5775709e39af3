# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --server in the network of director.sh, where the real servers answer directly: the virtual IP is on their lo. What they send to
# 10.77.5.3 goes to a wrong hardware address, so a client there hears nothing.

# deaf_side 4|6 - makes this client's address
deaf_side()
{
	local wrong=02:00:00:00:00:01
	ip -n p$$ address add 10.77.5.3/24 dev eth1
	ip -n p$$ address add fd00:77:5::3/64 dev eth1 nodad
	ip -n r$$ neighbour add 10.77.5.3 lladdr $wrong dev eth1
	ip -n r$$ neighbour add fd00:77:5::3 lladdr $wrong dev eth1
	nsenter "--net=/run/netns/r$$" sh -c 'echo 2 >/proc/sys/net/ipv4/tcp_synack_retries'
	nsenter "--net=/run/netns/p$$" sh -c 'echo 2 >/proc/sys/net/ipv4/tcp_fin_timeout'	# else a minute, see gone_from
	plain=$(tr -d '[]' <<<"$route_vip")
	plain_real=$(tr -d '[]' <<<"$real")
	heard=10.77.5.2 unheard=10.77.5.3
	[ "$1" = 4 ] || heard=fd00:77:5::2 unheard=fd00:77:5::3
}

# clients_from 2|3 - they use the address with this end
clients_from()
{
	ip -n p$$ route replace 10.77.0.2/32 via 10.77.2.1 src "10.77.5.$1"
	ip -n p$$ route replace fd00:77::2/128 via fd00:77:2::1 src "fd00:77:5::$1"
}

# at_server FILE - prints LADDR LPORT RADDR OLDSTATE NEWSTATE REAL REASON of the rows of --server
at_server()
{
	awk 'NR > 1 && $2 == "-" && $3 == "-" { print $4, $5, $6, $8, $10, $12, $13 }' "$1" | sort
}

# of_real_server NAME - the kernel's count in its namespace
of_real_server()
{
	(client_in=(nsenter "--net=/run/netns/r$$") && kernel_count netstat TcpExt "$1")
}

# has_row N PORT REASON - true if tool N shows one
has_row()
{
	at_server "rows.$1" | grep -q "^$plain $2 .* $3\$"
}

gone_from()
{
	! ip netns exec p$$ ss -Htan "dport = :$1" | grep -qv TIME-WAIT
}

# Clients that hear nothing, nobody who listens, a program that accepts nothing: the SYN comes when its queue is full, or the ACK does.
real_server()
{
	local cases tools plain plain_real heard unheard inode i port
	director_network "$1"
	deaf_side "$1"
	for port in 80 84 86 87; do
		service_directly "$port"
	done
	server_elsewhere "$route_vip:80"
	server_elsewhere --deaf 1 "$route_vip:86"
	server_elsewhere --deaf 2 "$route_vip:87"	# else the kernel, without SYN cookies, drops a second SYN
	inode=$(stat -L -c %i "/run/netns/r$$")
	cases=("| --server --netns /run/netns/r$$ --record server.rec" "| --server -V $route_vip:84,$route_vip:86 -x"
		"| --server --netns /run/netns/r$$ --summary -s")
	tools_begin
	client -n 5 "$route_vip:80"
	client_fails -n 3 "$route_vip:84"
	(client_in=() && client_fails "$real:99")
	client -q "$route_vip:86"
	client_fails -g 500 -n 2 "$route_vip:86"
	clients_from 3
	client_fails -g 500 "$route_vip:80"
	wait_for said_twice	# once its answers are heard, it resets them
	client_begin -q "$route_vip:87"
	wait_for sent_syn 87
	clients_from 2
	client -q -n 2 "$route_vip:87"
	ip -n r$$ neighbour replace "$unheard" lladdr "$(ip -n p$$ -br link show eth1 | awk '{ print $3 }')" dev eth1
	wait_for has_row 0 87 accept-queue-full
	wait_for gone_from 87
	tools_end
	for i in "${!cases[@]}"; do
		expect "what is lost, ${cases[i]#* }" 1 "$(grep -c '[:,] 0 lost$' "err.$i")"
	done
	expect "rows" "$plain 80 $unheard SYN_RECV SYN_RECV - syn-ack-again
$plain 80 $unheard SYN_RECV SYN_RECV - syn-ack-again
$plain 84 $heard CLOSE CLOSE - no-listener
$plain 84 $heard CLOSE CLOSE - no-listener
$plain 84 $heard CLOSE CLOSE - no-listener
$plain 86 $heard LISTEN LISTEN - accept-queue-full
$plain 86 $heard LISTEN LISTEN - accept-queue-full" "$(at_server rows.0 | grep "^$plain 8[0-6] ")"
	expect "the server's own address" "$plain_real 99 CLOSE CLOSE - no-listener" "$(at_server rows.0 | grep "^$plain_real " | cut -d ' ' -f 1,2,4-)"
	expect "an ACK for a full queue" "$plain 87 $unheard SYN_RECV SYN_RECV - accept-queue-full" \
		"$(at_server rows.0 | grep -F " 87 " | grep -v again | uniq)"
	expect "SYN-ACKs sent again, as the kernel counts them" "$(of_real_server TCPSynRetrans)" "$(grep -c ' syn-ack-again$' rows.0)"
	expect "full queues, as the kernel counts them" "$(of_real_server ListenOverflows)" "$(grep -c ' accept-queue-full$' rows.0)"
	expect "counts: address, port, refused, error, SYN-ACKs sent again" "$(awk 'NR > 1 { n[$4 " " $5, $13]++; service[$4 " " $5] }
		END { for (s in service) print s, n[s, "no-listener"] + 0, n[s, "accept-queue-full"] + 0, n[s, "syn-ack-again"] + 0 }' rows.0 | sort)" \
		"$(awk -F , 'NR > 1 && $3 == "total" { print $1, $2, $7, $12, $13 }' rows.2 | sort)"
	expect "rows with -V" "$(at_server rows.0 | grep "^$plain 8[46] ")" "$(at_server rows.1)"
	expect "their namespace" "$inode" "$(awk 'NR > 1 { print $15 }' rows.1 | sort -u)"
	expect "rows of the replay" "$(<rows.0)" "$("$tool" --replay server.rec 2>/dev/null)"
	"$tool" --replay server.rec -V "$route_vip:84,$route_vip:86" >rows.replayed 2>/dev/null
	expect "rows of the replay with -V" "$(at_server rows.1)" "$(at_server rows.replayed)"
}

service_directly()
{
	ipvsadm -R <<-END
	-A -t $route_vip:$1 -s rr
	-a -t $route_vip:$1 -r $real:$1 -g
	END
}

# said_twice - true if the first client was answered again as often as it will be
said_twice()
{
	[ "$(at_server rows.0 | grep -c "^$plain 80 .* syn-ack-again\$")" = 2 ]
}

# sent_syn PORT - true if a client waits for a SYN-ACK
sent_syn()
{
	[ "$(ip netns exec p$$ ss -Htn state syn-sent "dport = :$1")" ]
}

run_server()
{
	limit=400 run "real server: SYN-ACKs sent again, no listener, a full accept queue, IPv$1" real_server "$1"
}
