# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --failures and --slow in the network of net.sh: one service for each way in which a connection ends, and a tool for each form
# of the options. All see the same connections.

# of_service FILE - prints the rows without process and client, those of a service together. Each SYN that finds no real server
# is a row of --director, so one of them is enough.
of_service()
{
	rows "$1" | cut -d ' ' -f 4-8 | sort -s -t ' ' -k 1,1 | awk '!(/ no-destination$/ && seen[$0]++)'
}

# each_way FAMILY
each_way()
{
	local cases tools held i end where waiting
	network "$1"
	where=$(tr -d '[]' <<<"$vip")
	held=${real_1%:*}:8085
	ipvsadm --set 1 1 1
	service "$vip:80" "$real_1"
	service "$vip:81" "$refusing"
	service "$vip:82"
	service "$vip:83" "$silent"
	service "$vip:84" "$real_2"
	service "$vip:85" "$held"
	server "$real_1"
	server --reset "$real_2"
	server --hold "$held"
	cases=("| --failures" "| --failures=end" "| --slow 1500" "| --director --failures" "| --director --failures=end"
		"| --record all.rec" "| -a --failures=end")
	tools_begin
	client_begin -p 41000 -o 4500 -b 5 -lw "$vip:85"	# its entry expires meanwhile
	waiting=$!
	client -n 7 "$vip:80"
	client_fails -n 2 "$vip:81"
	client_fails "$vip:82"
	client_fails -p 42000 -g 2000 "$vip:83"
	client -n 2 -wb1 "$vip:84"
	wait "$waiting" || :
	wait_for is_idle
	tools_end
	for i in "${!cases[@]}"; do
		expect "what is lost, ${cases[i]#* }" 1 "$(grep -c 'rows,.* 0 lost$' "err.$i")"
	done
	"$tool" --replay all.rec --failures >rows.replayed
	end="$where:81 SYN_SENT CLOSE $refusing refused
$where:81 SYN_SENT CLOSE $refusing refused
$where:82 SYN_SENT CLOSE - no-destination
$where:83 SYN_SENT SYN_SENT $silent retransmit
$where:83 SYN_SENT CLOSE $silent aborted
$where:84 ESTABLISHED CLOSE $real_2 reset
$where:84 ESTABLISHED CLOSE $real_2 reset
$where:85 ESTABLISHED ESTABLISHED $held idle-expired
$where:85 ESTABLISHED CLOSE $held expired"
	expect "-a --failures=end" "$end" "$(of_service rows.6 | grep -E "^$where:8[0-5] ")"
	expect "--failures=end" "$end" "$(of_service rows.1)"
	expect "--failures" "$where:81 CLOSE SYN_SENT $refusing -
$where:81 SYN_SENT CLOSE $refusing refused
$where:81 CLOSE SYN_SENT $refusing -
$where:81 SYN_SENT CLOSE $refusing refused
$where:82 CLOSE SYN_SENT - -
$where:82 SYN_SENT CLOSE - no-destination
$where:83 CLOSE SYN_SENT $silent -
$where:83 SYN_SENT SYN_SENT $silent retransmit
$where:83 SYN_SENT CLOSE $silent aborted
$where:84 CLOSE SYN_SENT $real_2 -
$where:84 SYN_SENT ESTABLISHED $real_2 -
$where:84 ESTABLISHED CLOSE $real_2 reset
$where:84 CLOSE SYN_SENT $real_2 -
$where:84 SYN_SENT ESTABLISHED $real_2 -
$where:84 ESTABLISHED CLOSE $real_2 reset
$where:85 ESTABLISHED ESTABLISHED $held idle-expired
$where:85 CLOSE SYN_SENT $held -
$where:85 SYN_SENT ESTABLISHED $held -
$where:85 ESTABLISHED CLOSE $held expired" "$(of_service rows.0)"
	expect "all, replayed with --failures" "$(rows rows.0 | sort)" "$(rows rows.replayed | sort)"
	expect "--slow 1500" "$where:83 SYN_SENT CLOSE $silent aborted" "$(of_service rows.2)"
	# The good connections were not even sent to the tool.
	expect "events without a row" "" "$(grep -h filtered err.0 err.1 err.2 err.4 || :)"
	end="$where:81 SYN_RECV CLOSE $refusing refused
$where:81 SYN_RECV CLOSE $refusing refused
$where:82 NONE NONE - no-destination
$where:83 SYN_RECV SYN_RECV $silent retransmit
$where:84 ESTABLISHED CLOSE $real_2 server-reset
$where:84 ESTABLISHED CLOSE $real_2 server-reset
$where:85 ESTABLISHED NONE $held idle"
	expect "--director --failures=end" "$end" "$(of_service rows.4)"
	expect "--director --failures" "$where:81 NONE SYN_RECV $refusing -
$where:81 SYN_RECV CLOSE $refusing refused
$where:81 NONE SYN_RECV $refusing -
$where:81 SYN_RECV CLOSE $refusing refused
$where:82 NONE NONE - no-destination
$where:83 NONE SYN_RECV $silent -
$where:83 SYN_RECV SYN_RECV $silent retransmit
$where:84 NONE SYN_RECV $real_2 -
$where:84 SYN_RECV ESTABLISHED $real_2 -
$where:84 ESTABLISHED CLOSE $real_2 server-reset
$where:84 NONE SYN_RECV $real_2 -
$where:84 SYN_RECV ESTABLISHED $real_2 -
$where:84 ESTABLISHED CLOSE $real_2 server-reset
$where:85 NONE SYN_RECV $held -
$where:85 SYN_RECV ESTABLISHED $held -
$where:85 ESTABLISHED NONE $held idle" "$(of_service rows.3)"
	note "${#cases[@]} tools, 7 good connections that none shows"
}

# is_idle - true if the tools have shown the last of the failures
is_idle()
{
	grep -q ' expired$' rows.1 && grep -q ' expired$' rows.6 && grep -q ' idle$' rows.4
}

run_failures()
{
	run "IPv$1, --failures and --slow: each way to fail, in each form" each_way "$1"
}
