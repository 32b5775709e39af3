# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# Real servers that leave their service, or get weight 0, while connections to them are open.

# has_stale N - true if so many rows tell of such a real server
has_stale()
{
	[ "$(grep -cw stale-real rows)" -ge "$1" ]
}

# hold PORT ADDR:PORT - makes a connection from this port that stays open, and waits until IPVS has seen its handshake
hold()
{
	client_begin -r -p "$1" -o 300000 "$2"
	holding+=($!)
	wait_for is_established "$(printf %04X "$1")"
}

# let_go - ends these connections by a reset: a FIN would not be answered, and tell of them after the test
let_go()
{
	kill -USR1 "${holding[@]}"
	wait "${holding[@]}"
	wait_for has_changes ${#holding[@]} ESTABLISHED CLOSE
}

# look_at ADDR:PORT N - waits until the tool has seen what was changed so far, of which no row tells: it tells of this service's real
# server too, in the Nth of such rows
look_at()
{
	ipvsadm -e -t "$1" -r "$weightless" -m -w 0
	wait_for has_stale "$2"
}

# opened - prints the rows of connections that open or are open: client's port, service, states, real server, reason
opened()
{
	rows | cut -d ' ' -f 3- | sed -E 's/^[^ ]*:([0-9]+) /\1 /' | grep -E '^41[0-9]+ .* (SYN_SENT|ESTABLISHED) [^ ]+ [^ ]+$' |
		sort -s -k 1,1
}

# one PORT ADDR:PORT REAL - prints the two rows of a connection that is opened
one()
{
	echo "$1 $2 CLOSE SYN_SENT $3 -"
	echo "$1 $2 SYN_SENT ESTABLISHED $3 -"
}

# told PORT ADDR:PORT REAL - prints the row of a stale real server
told()
{
	echo "$1 $2 ESTABLISHED ESTABLISHED $3 stale-real"
}

# stale 4|6
stale()
{
	local weightless gone stays where holding=()
	network "$1"
	where=$(tr -d '[]' <<<"$vip")
	weightless=${real_1%:*}:8085 gone=${real_2%:*}:8085 stays=${refusing%:*}:8085
	ipvsadm -A -t "$vip:80" -s rr -p 300
	ipvsadm -a -t "$vip:80" -r "$weightless" -m
	service "$vip:81" "$gone" "$stays"
	service "$vip:82" "$stays" "$weightless"	# its real servers stay; the names are also those of other services
	service "$vip:83" "$weightless"
	service "$vip:84" "$weightless"
	server --hold "$weightless" "$gone" "$stays"
	tool_start
	hold 41000 "$vip:80"
	hold 41010 "$vip:81"
	hold 41011 "$vip:81"	# round robin: one of the two goes to the real server that stays
	hold 41020 "$vip:82"
	hold 41021 "$vip:82"
	hold 41030 "$vip:83"
	hold 41040 "$vip:84"
	ipvsadm -e -t "$vip:80" -r "$weightless" -m -w 0
	wait_for has_stale 1
	sleep 6			# the looks that follow a change are over: this connection itself leads to one
	hold 41001 "$vip:80"	# it goes there all the same, as the service is persistent
	wait_for has_stale 2
	ipvsadm -d -t "$vip:81" -r "$gone"
	wait_for has_stale 3
	ipvsadm -e -t "$vip:80" -r "$weightless" -m -w 5
	ipvsadm -a -t "$vip:81" -r "$gone" -m
	look_at "$vip:83" 4
	ipvsadm -d -t "$vip:81" -r "$gone"
	wait_for has_stale 5
	ipvsadm -D -t "$vip:80"
	wait_for has_stale 7
	ipvsadm -e -t "$vip:82" -r "$stays" -m -w 7
	look_at "$vip:84" 8
	let_go
	tool_stop
	opened >open
	{
		one 41000 "$where:80" "$weightless"
		told 41000 "$where:80" "$weightless"
		told 41000 "$where:80" "$weightless"
		one 41001 "$where:80" "$weightless"
		told 41001 "$where:80" "$weightless"
		told 41001 "$where:80" "$weightless"
	} >expected
	expect "rows of the service that had weight 0 and was removed" "$(<expected)" "$(grep "$where:80" open)"
	expect "rows of the service whose real server left" "1 $where:81 ESTABLISHED ESTABLISHED $gone stale-real
2 again" "$(grep "$where:81" open | sed -n 's/^[0-9]* \(.* stale-real\)/\1/p' | uniq -c | awk '$1 == 2 { $1 = 1; print; print "2 again" }')"
	expect "rows of the service whose real servers stay" 4 "$(grep -c "$where:82" open)"
	expect "rows of it that tell of one" "" "$(grep "$where:82 .*stale" open || :)"
	expect "rows that tell of one" 8 "$(rows | grep -c stale)"
}

# IPVS is not in the client's namespace.
pod_stale()
{
	pod_network "$1"
	local held=${real_1%:*}:8085 where holding=()
	where=$(tr -d '[]' <<<"$vip")
	service "$vip:80" "$held"
	server --hold "$held"
	tool_start
	hold 41000 "$vip:80"
	ipvsadm -d -t "$vip:80" -r "$held"
	wait_for has_stale 1
	let_go
	tool_stop
	expect rows "$(one 41000 "$where:80" "$held"; told 41000 "$where:80" "$held")" "$(opened)"
}

run_stale()
{
	local ip
	for ip in 4 6; do
		together "IPv$ip, stale-real: a real server that has weight 0 or has left" stale $ip
		together "IPv$ip, stale-real: client in another namespace" pod_stale $ip
	done
}
