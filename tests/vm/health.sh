# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --down in the network of net.sh, and the example script that uses it to change weights.

# down_and_up FAMILY - the real server refuses four times, then it answers
down_and_up()
{
	local i real
	network "$1"
	real=$refusing
	service "$vip:80" "$real"
	tool_start --down
	client_fails -n 4 "$vip:80"
	server "$real"
	client -n 2 "$vip:80"
	tool_stop
	expect rows "$(for i in 1 2 3 4; do
		echo "CLOSE SYN_SENT $real -"
		echo "SYN_SENT CLOSE $real refused"
		[ $i != 3 ] || echo "CLOSE CLOSE $real real-server-down"
	done
	for i in 1 2; do
		echo "CLOSE SYN_SENT $real -"
		echo "SYN_SENT ESTABLISHED $real -"
		[ $i != 1 ] || echo "ESTABLISHED ESTABLISHED $real real-server-up"
		echo "ESTABLISHED FIN_WAIT1 $real -"
		echo "FIN_WAIT1 FIN_WAIT2 $real -"
		echo "FIN_WAIT2 CLOSE $real -"
	done)" "$(rows | cut -d ' ' -f 5-)"
	expect "virtual services" "$(tr -d '[]' <<<"$vip:80")" "$(rows | cut -d ' ' -f 4 | sort -u)"
}

# The client gives up: only the elapsed time shows that the real server did not answer.
unanswered_is_down()
{
	network 4
	service "$vip:80" "$silent"
	tool_start --down=1
	client_fails -p 41000 -g 2000 "$vip:80"
	tool_stop
	expect rows "CLOSE SYN_SENT $silent -
SYN_SENT SYN_SENT $silent retransmit
SYN_SENT CLOSE $silent aborted
CLOSE CLOSE $silent real-server-down" "$(rows | cut -d ' ' -f 5- | uniq)"
}

has_weight()
{
	[ "$(ipvsadm -Ln | awk -v real="$2" '$1 == "->" && $2 == real { print $3, $4 }')" = "Masq $1" ]
}

# of_real REAL - prints how many connections the log of that real server has
of_real()
{
	awk -v real="$1" '$4 == real' servers | wc -l
}

# weights FAMILY - one of two real servers refuses, then it answers
weights()
{
	local before
	[ "$(command -v jq)" ] || skip "no jq here"
	[ "$(command -v nc)" ] || skip "no nc here"
	network "$1"
	service "$vip:80" "$real_1" "$refusing"
	ipvsadm -e -t "$vip:80" -r "$refusing" -m -w 7
	ipvsadm -e -t "$vip:80" -r "$real_1" -m -w 5
	server "$real_1"
	: >err
	PATH=$built:$PATH "$top/scripts/examples/weights" --cache-dir "$cache" 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	client_fails -n 6 "$vip:80"	# three to each of the two
	wait_for has_weight 0 "$refusing"
	has_weight 5 "$real_1" || fail "the weight of the other real server has changed"
	client -n 5 "$vip:80"
	expect "connections to $real_1" 8 "$(of_real "$real_1")"

	server "$refusing"
	wait_for has_weight 7 "$refusing"
	before=$(of_real "$refusing")	# made by nc
	client -n 4 "$vip:80"
	expect "connections to $refusing and $real_1" "2 10" "$(($(of_real "$refusing") - before)) $(of_real "$real_1")"
	pkill -TERM -P "$tool_pid" -x ipvs-tcpstate
	wait_for is_gone
}

run_health()
{
	local ip
	for ip in 4 6; do
		run "IPv$ip, --down: three times refused, then answered" down_and_up $ip
		twice $ip "IPv$ip, --down: the example that changes weights" weights $ip
	done
	run "--down=1: unanswered for a second" unanswered_is_down
}
