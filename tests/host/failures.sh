# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --failures and --slow, with -a. All namespaces of this machine are traced, so tests select their connections by the remote
# port. Routes to 203.0.113.0/24 lead back to this namespace, which drops what is not its own.

good=127.99.0.1:7721 unused=127.99.0.1:7722 resetting=127.99.0.1:7723 late=203.0.113.9:7724

# failing_network - servers for all that answer
failing_network()
{
	ip link set lo up
	ip address add 10.99.9.9/32 dev lo
	ip route add 203.0.113.0/24 dev lo src 10.99.9.9
	syn_linear=/proc/sys/net/ipv4/tcp_syn_linear_timeouts
	[ ! -e $syn_linear ] || echo 0 >$syn_linear
	server "$good"
	server --reset "$resetting"
	server 0.0.0.0:7724
}

# traced_failures [OPTION...] - starts a tool for these connections only
traced_failures()
{
	tool_start -a -D 7721,7722,7723,7724 "$@"
}

# comes_late - connects to an address that this host gets only after the first SYN was sent; the second one arrives
comes_late()
{
	local client
	client_begin "$late"
	client=$!
	wait_for syn_is_sent
	ip address add "${late%:*}/32" dev lo
	wait "$client"
	ip address del "${late%:*}/32" dev lo
}

syn_is_sent()
{
	[ "$(ss -Htn state syn-sent dst "${late%:*}")" ]
}

# all_kinds - makes good connections, and one of each kind of failure
all_kinds()
{
	client -n 11 "$good"
	client_fails "$unused"
	client -wb1 "$resetting"
	client_fails -g 1500 203.0.113.8:7724
	comes_late
	client -n 7 "$good"
}

# said_last - the last line of the tool, which has all the events that were sent
said_last()
{
	sed -n '$s/.*: //p' err
}

# failures_only OPTION ROWS - checks the rows of all_kinds, from the remote address on
failures_only()
{
	failing_network
	traced_failures "$1" --record failures.rec
	all_kinds
	tool_stop
	expect "rows with $1" "$2" "$(rows | cut -d ' ' -f 4-)"
	# Nothing was sent for the good connections.
	expect "the last line" "$(wc -l <<<"$2") rows, 0 lost" "$(said_last)"
	"$tool" --replay failures.rec >replayed
	expect "the recording" "$(rows)" "$(rows replayed)"
	"$tool" --replay failures.rec "$1" >replayed
	expect "the recording with $1" "$(rows)" "$(rows replayed)"
}

failures_whole="$unused CLOSE SYN_SENT - -
$unused SYN_SENT CLOSE - refused
$resetting CLOSE SYN_SENT - -
$resetting SYN_SENT ESTABLISHED - -
$resetting ESTABLISHED CLOSE - reset
203.0.113.8:7724 CLOSE SYN_SENT - -
203.0.113.8:7724 SYN_SENT SYN_SENT - retransmit
203.0.113.8:7724 SYN_SENT CLOSE - aborted
$late CLOSE SYN_SENT - -
$late SYN_SENT SYN_SENT - retransmit
$late SYN_SENT ESTABLISHED - -
$late ESTABLISHED FIN_WAIT1 - -
$late FIN_WAIT1 FIN_WAIT2 - -
$late FIN_WAIT2 CLOSE - -"
failures_end="$unused SYN_SENT CLOSE - refused
$resetting ESTABLISHED CLOSE - reset
203.0.113.8:7724 SYN_SENT SYN_SENT - retransmit
203.0.113.8:7724 SYN_SENT CLOSE - aborted
$late SYN_SENT SYN_SENT - retransmit"
failures_slow="203.0.113.8:7724 SYN_SENT CLOSE - aborted
$late SYN_SENT ESTABLISHED - -"

# The same rows as without the option, also their times. Two tools see the same connections.
same_fields()
{
	local all
	failing_network
	tool_start -a -D 7721,7722,7723,7724 -j
	all=$tool_pid
	mv rows rows.all
	mv err err.all
	tool_start -a -D 7721,7722,7723,7724 -j --failures
	all_kinds
	tool_stop
	tool_pid=$all
	tool_stop
	python3 - rows.all rows <<-'END'
	import json, sys
	def connections(name):
	    found = {}
	    for row in map(json.loads, open(name)):
	        if row["event"] not in ("end", "lost"):
	            found.setdefault((row["skaddr"], row["pid"]), []).append(row)
	    return found
	every, failed = map(connections, sys.argv[1:])
	n = 0   # rows
	for key, rows in failed.items():
	    whole = every[key]
	    assert len(whole) == len(rows), (whole, rows)
	    for a, b in zip(whole, rows):
	        for name in a:
	            if name == "lport" and a["newstate"] == "SYN_SENT":
	                continue        # without kprobes it is not chosen yet
	            if name == "ms":    # the programs of each tool have read the clock themselves
	                assert abs(a["ms"] - b["ms"]) < 5, (a, b)
	            elif name != "time":
	                assert a[name] == b[name], (name, a, b)
	        n += 1
	assert n == 14, n
	END
}

waits_for_the_next()
{
	failing_network
	traced_failures --failures -n 1
	client -n 5 "$good"
	client_fails "$unused"
	tool_end
	expect rows "$(head -n 2 <<<"$failures_whole")" "$(rows | cut -d ' ' -f 4-)"
}

# good_load OPTION... - thousands of good connections at once: no event, and nothing is left in the map of what waits
good_load()
{
	local before
	failing_network
	traced_failures "$@"
	client -c -n 300 -o 200 "$good"
	client -n 1700 "$good"
	expect "connects" "2000 ok" "$(awk '{ n[$4]++ } END { for (i in n) print n[i], i }' clients)"
	expect "what waits in the kernel" 1 "$(waiting_rows)"
	tool_stop
	expect rows "" "$(rows)"
	expect "the last line" "0 rows, 0 lost" "$(said_last)"
}

# waiting_rows - prints the elements of each map "paths", and then 1 if there is such a map
waiting_rows()
{
	local id n=0
	for id in $(bpftool map show | sed -n 's/^\([0-9]*\): hash *name paths .*/\1/p'); do
		n=1
		bpftool map dump id "$id" -j | grep -o '"key"' || :
	done
	echo $n
}

run_failures()
{
	run "--failures: whole connections" traced failures_only --failures "$failures_whole"
	run "--failures=end" traced failures_only --failures=end "$failures_end"
	run "--slow" traced failures_only --slow=900 "$failures_slow"
	run "--failures: the same fields as without it" traced same_fields
	run "--failures -n 1: waits for the next one" traced waits_for_the_next
	run "--failures: 2,000 good connections send nothing" traced good_load --failures
	run "--failures=end: 2,000 good connections send nothing" traced good_load --failures=end
}
