# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Counts instead of rows, in the network of net.sh: compared with the logs of clients and servers, IPVS's counters and
# the rows of a recording of the same run.

# counts ADDR:PORT REAL|total|- - prints from that line of the table: CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST ERROR
# SYNRTX RESET OPEN
counts()
{
	awk -v vip="$1" -v real="$2" '$1 == vip && $2 == real { print $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 }' rows
}

# times ADDR:PORT REAL COLUMN - prints a column; P50 is 14, MAX 17, LIFE50 18
times()
{
	awk -v vip="$1" -v real="$2" -v column="$3" '$1 == vip && $2 == real { print $column }' rows
}

# recorded - computes the summary's counts from the recording's rows: VIP REAL and the numbers of "counts" without OPEN
recorded()
{
	"$tool" --replay record -j >replayed.json
	python3 - replayed.json <<-'END'
	import json, sys
	where = {}
	failed = {"refused": 2, "timeout": 3, "unreachable": 4, "aborted": 5, "no-destination": 6}
	def place(addr, port):
	    addr = addr[7:] if addr.startswith("::ffff:") else addr
	    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"
	for line in open(sys.argv[1]):
	    row = json.loads(line)
	    if row["event"] not in ("state", "retransmit"):
	        continue
	    real = row["real"]
	    key = place(row["raddr"], row["rport"]), place(real["addr"], real["port"]) if real else "-"
	    n = where.setdefault(key, [0] * 10)
	    old, new = row["oldstate"], row["newstate"]
	    if row["event"] == "retransmit":
	        n[8] += old == "SYN_SENT"
	    elif (old, new) == ("CLOSE", "SYN_SENT"):
	        n[0] += 1
	    elif new == "ESTABLISHED":
	        n[1] += 1
	    elif new == "CLOSE" and old == "SYN_SENT":
	        n[failed.get(row["reason"], 7)] += 1
	    elif new == "CLOSE" and row["reason"] in ("reset", "expired"):
	        n[9] += 1
	for key, n in sorted(where.items()):
	    print(*key, *n)
	END
}

# counted - prints the same from the table, without totals
counted()
{
	awk '$1 != "VIP" && $2 != "total" { print $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 }' rows | sort
}

same_as_recorded()
{
	[ "$(command -v python3)" ] || { note "no python3 for the recording"; return; }
	expect "the table, and the rows of the recording" "$(recorded | sort)" "$(counted)"
}

# Two healthy real servers, a refusing and a dead one, a service without real servers, and a real server that resets.
troubles()
{
	network "$1"
	syn_retries 1
	service "$vip:80" "$real_1" "$real_2" "$refusing"
	service "$vip:81" "$silent"
	service "$vip:82"
	service "$vip:83" "${real_1%:*}:8090"
	server "$real_1" "$real_2"
	server --reset "${real_1%:*}:8090"
	tool_start --summary --record record
	client -n 24 "$vip:80" || :
	client_fails -c -n 5 "$vip:81"
	client_fails -n 2 "$vip:82"
	client -n 3 -wb1 "$vip:83"
	wait_for all_closed
	tool_stop

	expect "lines of the clients" 34 "$(wc -l <clients)"
	expect "connections of $real_1" "$(awk -v real="$real_1" '$4 == real' servers | wc -l)" \
		"$(counts "$vip:80" "$real_1" | cut -d ' ' -f 2)"
	expect "total of :80" "24 16 8 0 0 0 0 0 0 0 0" "$(counts "$vip:80" total)"
	expect "the refusing one" "8 0 8 0 0 0 0 0 0 0 0" "$(counts "$vip:80" "$refusing")"
	expect "the silent one" "5 0 0 5 0 0 0 0 5 0 0" "$(counts "$vip:81" "$silent")"
	expect "no destination" "2 0 0 0 0 0 2 0 0" "$(counts "$vip:82" - | cut -d ' ' -f 1-8,10)"
	expect "the resetting one" "3 3 0 0 0 0 0 0 0 3 0" "$(counts "$vip:83" "${real_1%:*}:8090")"
	expect "the first lines are of the worst" "$vip:81 total $vip:81 $silent" \
		"$(awk 'NR == 2 || NR == 3 { printf "%s%s %s", NR == 3 ? " " : "", $1, $2 }' rows)"
	expect "no connect time of the refusing one" - "$(times "$vip:80" "$refusing" 14)"
	between "longest connect time of $real_1 in ms" 0.001 "$(times "$vip:80" "$real_1" 17)" "$(longest_connect)"
	same_as_recorded
	wait_for ipvs_has_counted_all 16
}

# IPVS updates its count of connections to a real server every two seconds.
ipvs_has_counted_all()
{
	local one two
	one=$(ipvs_connections "$real_1") two=$(ipvs_connections "$real_2")
	[ "$one $two" = "$(counts "$vip:80" "$real_1" | cut -d ' ' -f 1) $(counts "$vip:80" "$real_2" | cut -d ' ' -f 1)" ] &&
		[ $((one + two)) = "$1" ]
}

# open_count FAMILY NETWORK - checks the count of open connections: it includes those from before the start, until they end
open_count()
{
	"$2" "$1"
	service "$vip:80" "$real_1"
	server "$real_1"
	client_begin -c -w -n 7 "$vip:80"	# they end when the server ends
	wait_for has_served 7
	tool_start --summary 1
	client_begin -c -w -n 3 "$vip:80"
	wait_for has_open 10
	kill -KILL $!
	wait_for has_open 7
	kill -KILL "$(cat server_pids)"
	wait_for has_open 0
	tool_stop
	expect "connects, all tables together" 3 "$(sums "$vip:80" "$real_1" 3)"
	expect "established" 3 "$(sums "$vip:80" "$real_1" 4)"
}

# has_open N - true if the last table has N open connections for the service; a table without the service has 0
has_open()
{
	[ "$(awk -v vip="$vip:80" '$1 == "VIP" { n = 0 } $1 == vip && $2 == "total" { n = $13 } END { print n }' rows)" = "$1" ]
}

# sums ADDR:PORT REAL COLUMN - prints the sum over all tables
sums()
{
	times "$1" "$2" "$3" | awk '{ n += $1 } END { print n + 0 }'
}

# Another real server takes over a connection: each has its part of the counts, as in the rows.
taken_over()
{
	local first second
	network "$1"
	ipvsadm --set 1 1 1
	echo 1 >/proc/sys/net/ipv4/vs/sloppy_tcp
	service "$vip:80" "$real_1" "$real_2"
	server --hold "$real_1" "$real_2"
	tool_start --summary --record record
	client -p 41000 -o 4500 -b 5 -l "$vip:80"
	tool_stop
	first=$(awk '{ print $4 }' servers)
	second=$([ "$first" = "$real_1" ] && echo "$real_2" || echo "$real_1")
	expect "the first one" "1 1 0 0 0 0 0 0 0 0 0" "$(counts "$vip:80" "$first")"
	expect "the second one" "0 0 0 0 0 0 0 0 0 1 0" "$(counts "$vip:80" "$second")"
	same_as_recorded
}

# The real server is gone when the first SYN arrives; it answers the retransmit a second later.
slow()
{
	pod_network "$1"
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1"
	server_elsewhere "$real_2"
	tool_start --summary
	ip -n r$$ address delete 10.99.3.2/24 dev eth0
	client_begin -c -n 6 "$vip:80"
	wait_for has_served 3
	sleep 0.3
	ip -n r$$ address add 10.99.3.2/24 dev eth0
	ip -n r$$ route add default via 10.99.3.1	# it was removed with the address
	wait $!
	wait_for has_served 6
	tool_stop
	expect "established" "3 3" "$(times "$vip:80" "$real_1" 4) $(times "$vip:80" "$real_2" 4)"
	between "P50 of the slow one in ms" 300 "$(times "$vip:80" "$real_2" 14)" \
		"$(longest_connect | awk '{ print 1.06 * $1 }')"	# the precision of percentiles
	between "P50 of the fast one in ms" 0.001 "$(times "$vip:80" "$real_1" 14)" "$(times "$vip:80" "$real_2" 14)"
	expect "order" "total $real_2 $real_1" "$(awk 'NR > 1 { print $2 }' rows | paste -sd ' ')"
}

histogram()
{
	network "$1"
	service "$vip:80" "$real_1" "$refusing"
	server "$real_1"
	tool_start --histogram
	client -n 20 "$vip:80" || :
	tool_stop
	expect "heads" "vip = $vip:80, real = $real_1" "$(grep ^vip rows)"
	expect "sum of the counts" 10 "$(awk '/->/ { n += $5 } END { print n }' rows)"
}

# The histograms have the time in each state for each real server: as many times as in the rows, and the same times.
histogram_of_states()
{
	[ "$(command -v python3)" ] || skip "no python3 here"
	network "$1"
	service "$vip:80" "$real_1" "$refusing" "$real_2"
	server "$real_1" "$real_2"
	tool_start --histogram --states -j --record record
	client_fails -n 21 "$vip:80"
	tool_stop
	"$tool" --replay record -j >rows.json
	python3 "$top/tests/metrics.py" state-times rows.json rows >found || fail "$(cat found)"
	expect "histograms" "7 $vip:80 $refusing SYN_SENT
$(for real in "$real_1" "$real_2"; do
		for state in ESTABLISHED FIN_WAIT1 FIN_WAIT2 SYN_SENT; do
			echo "7 $vip:80 $real $state"
		done
	done)" "$(grep -F " $refusing " found; grep -vF " $refusing " found | sort)"
}

run_summary()
{
	local ip
	for ip in 4 6; do
		twice $ip "IPv$ip, --summary: refused, dead, no destination, reset; against rows, logs and IPVS" troubles $ip
		twice $ip "IPv$ip, --summary: open, from before the start too" open_count $ip network
		run "IPv$ip, --summary: open, client in another namespace" open_count $ip pod_network
	done
	run "--summary: another real server takes over" taken_over 4
	run "--summary: a slow real server" slow 4
	run "--histogram" histogram 4
	run "IPv4, --histogram --states: beside the rows of their recording" histogram_of_states 4
	run "IPv6, --histogram --states: beside the rows of their recording" histogram_of_states 6
}
