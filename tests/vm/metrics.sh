# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --metrics with dead, refusing and slow real servers, in the network of pod.sh.

# metric SERVICE REAL NAME [LABEL...] - prints the value of a series
metric()
{
	local series
	series="$3{vip=\"$(tr -d '[]' <<<"${1%:*}")\",vport=\"${1##*:}\",protocol=\"tcp\",real=\"$(tr -d '[]' <<<"${2%:*}")\",rport=\"${2##*:}\"${4:+",$4"}} "
	awk -v series="$series" 'index($0, series) == 1 { print substr($0, length(series) + 1) }' ipvs/ipvs.prom
}

# results SERVICE REAL - prints attempts, established, refused, timeout, SYN retransmits, open; nothing if there are none. It
# reads the file only once, as the tool may replace it at any time
results()
{
	awk -v vip="$(tr -d '[]' <<<"${1%:*}")" -v vport="${1##*:}" -v real="$(tr -d '[]' <<<"${2%:*}")" -v rport="${2##*:}" '
		BEGIN {
			of = "{vip=\"" vip "\",vport=\"" vport "\",protocol=\"tcp\",real=\"" real "\",rport=\"" rport "\""
			n = split("attempts_total established refused timeout syn_retransmits_total open", names, " ")
			names[1] = "ipvs_tcp_connect_attempts_total" of "} "
			for (i = 2; i <= 4; i++)
				names[i] = "ipvs_tcp_connects_total" of ",result=\"" names[i] "\"} "
			names[5] = "ipvs_tcp_syn_retransmits_total" of "} "
			names[6] = "ipvs_tcp_open_connections" of "} "
		}
		{
			for (i = 1; i <= n; i++)
				if (index($0, names[i]) == 1)
					value[i] = substr($0, length(names[i]) + 1)
		}
		END {
			for (i = 1; i <= n; i++)
				line = line (i > 1 ? " " : "") value[i]
			if (1 in value)
				print line
		}' ipvs/ipvs.prom
}

# below SERVICE REAL LE - prints how many connects took at most LE seconds
below()
{
	metric "$1" "$2" ipvs_tcp_connect_seconds_bucket "le=\"$3\""
}

# cat_in_node FILE - reads a file with the node's own /sys
cat_in_node()
{
	ip netns exec r$$ cat "$1"
}

# has_results WANTED SERVICE REAL
has_results()
{
	[ "$(results "$2" "$3")" = "$1" ]
}

metrics_of_troubles()
{
	local again
	pod_network "$1"
	syn_backoff
	service "$vip:80" "$real_1" "$real_2" "$refusing"
	service "$vip:81" "$silent"
	server "$real_1"
	server_elsewhere "$real_2"
	mkdir ipvs
	tool_start --metrics ipvs/ipvs.prom 1 --record record
	wait_for test -e ipvs/ipvs.prom
	expect "first file" 0 "$(awk '/^ipvs_tcp_/' ipvs/ipvs.prom | wc -l)"

	# The slow real server does not answer the first two SYNs. A permanent neighbour entry avoids a search for its
	# address, which would keep the SYNs.
	ip neighbour replace "${away%/*}" lladdr "$(cat_in_node /sys/class/net/eth0/address)" dev r$$ nud permanent
	ip -n r$$ address delete "$away" dev eth0
	client_begin -c -n 6 "$vip:80"
	wait_for has_served 2
	sleep 0.3
	ip -n r$$ address add "$away" dev eth0 ${nodad:+"$nodad"}
	ip -n r$$ route replace default via "$gateway"	# the IPv4 route was removed with the address
	! wait $! || fail "nothing was refused"
	client_fails -n 21 "$vip:80"
	again=$(syn_retransmits)	# depends on how long it was away
	"${client_in[@]}" "$self" --call syn_retries 1
	client_fails -c -n 5 "$vip:81"
	wait_for all_closed
	wait_for has_results "5 0 0 5 5 0" "$vip:81" "$silent"	# while the tool runs
	tool_stop

	expect "healthy" "9 9 0 0 0 0" "$(results "$vip:80" "$real_1")"
	between "SYNs to the slow one that were sent again" 2 "$again" 8
	expect "slow" "9 9 0 0 $again 0" "$(results "$vip:80" "$real_2")"
	expect "refusing" "9 0 9 0 0 0" "$(results "$vip:80" "$refusing")"
	expect "dead" "5 0 0 5 5 0" "$(results "$vip:81" "$silent")"
	expect "connects of the healthy one within a second" "9 9" \
		"$(below "$vip:80" "$real_1" 0.98304) $(below "$vip:80" "$real_1" +Inf)"
	expect "connects of the slow one within a second" "7 9" \
		"$(below "$vip:80" "$real_2" 0.98304) $(below "$vip:80" "$real_2" +Inf)"
	expect "what is in the folder" "644 ipvs.prom" "$(find ipvs ! -type d -printf '%m %P\n')"
	if [ "$(command -v python3)" ]; then
		"$tool" --replay record -j >rows.json
		expect "counts, and those of the rows" "$(python3 "$top/tests/metrics.py" row-counts rows.json)" \
			"$(python3 "$top/tests/metrics.py" counts ipvs/ipvs.prom)"
		expect "connect times, and those of the rows" "$(python3 "$top/tests/metrics.py" row-times rows.json)" \
			"$(python3 "$top/tests/metrics.py" times ipvs/ipvs.prom)"
	fi
	[ -z "$(command -v promtool)" ] || promtool check metrics <ipvs/ipvs.prom
}

# known_are REAL... - true if these real servers of "vip" have series in the file, and no others
known_are()
{
	[ "$(sed -n 's/^ipvs_tcp_connect_attempts_total{.*,real="\([^"]*\)",rport="\([0-9]*\)"} .*/\1:\2/p' ipvs/ipvs.prom | sort | paste -s -d ' ')" = "$*" ]
}

# A real server that leaves is forgotten, one with an open connection from before the start is not. The first one comes back.
real_servers_leave()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1" "$real_2"
	client_begin -c -o 600000 "$vip:80"
	wait_for has_served 1
	mkdir ipvs
	tool_start --metrics ipvs/ipvs.prom --forget 2 1
	ipvsadm -a -t "$vip:80" -r "$real_2" -m
	client -n 12 "$vip:80"
	wait_for has_results "6 6 0 0 0 0" "$vip:80" "$real_2"	# for two seconds
	expect "the other" "6 6 0 0 0 1" "$(results "$vip:80" "$real_1")"
	ipvsadm -d -t "$vip:80" -r "$real_2"
	client -n 5 "$vip:80"
	wait_for known_are "$real_1"
	expect "the first one" "11 11 0 0 0 1" "$(results "$vip:80" "$real_1")"
	ipvsadm -a -t "$vip:80" -r "$real_2" -m
	client -n 8 "$vip:80"
	wait_for has_results "4 4 0 0 0 0" "$vip:80" "$real_2"	# back again: from 0
	tool_stop
	expect "the first one at last" "15 15 0 0 0 1" "$(results "$vip:80" "$real_1")"
	expect "lost" 0 "$(sed -n 's/.*: \([0-9]*\) lost$/\1/p' err)"
}

run_metrics()
{
	away=10.99.3.2/24 gateway=10.99.3.1 nodad='' run "IPv4, --metrics: dead, refusing and slow, to the last number" metrics_of_troubles 4
	away=fd00:99:3::2/64 gateway=fd00:99:3::1 nodad=nodad more "IPv6, --metrics: dead, refusing and slow, to the last number" \
		metrics_of_troubles 6
	run "--metrics: a real server leaves, and comes back" real_servers_leave
}
