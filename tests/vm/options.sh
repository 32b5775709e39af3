# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Options and ways to end, in the network of net.sh.

# Two services, one for each family of addresses and port; makes a connection to each from ports 41001 to 41004.
four_connections()
{
	local ip port from=41001
	network 4
	for ip in 4 6; do
		places $ip
		server "$real_1"
		for port in 80 81; do
			service "$vip:$port" "$real_1"
		done
	done
	tool_start "$@"
	for ip in 4 6; do
		places $ip
		for port in 80 81; do
			client -p $((from++)) "$vip:$port"
		done
	done
	tool_stop
}

# filter "LPORTS" OPTION... - with OPTIONs the connections from LPORTS are shown, and all of their rows
filter()
{
	local ports=$1
	shift
	four_connections "$@"
	expect "rows by LPORT" "$(for port in $ports; do echo "5 $port"; done)" \
		"$(awk 'NR > 1 { print $5 }' rows | sort | uniq -c | sed 's/^ *//')"
}

# Retransmits of the SYN, and rows after another connect was filtered out at the same time.
whole_life()
{
	network 4
	service "$vip:80" "$silent" "$refusing"
	tool_start -R "$silent"
	client_fails -p 41000 -n 2 -g 2000 "$vip:80"
	tool_stop
	sed -i -E "/ECONNREFUSED/d; s/^local .*:/local $vip:/" clients
	expect "connections that were not refused" 1 "$(wc -l <clients)"
	expect rows "$(expected_rows "$vip:80" "CLOSE SYN_SENT SYN_SENT/retransmit CLOSE/aborted" "$silent")" \
		"$(rows | uniq)"
}

one_process()
{
	local wanted
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	mkfifo go
	{ read -r _ <go; exec "$peers/client" -n 3 "$vip:80"; } >clients.wanted &
	wanted=$!
	pids+=("$wanted")
	tool_start -p "$wanted"
	client "$vip:80"
	echo >go
	wait "$wanted"
	client "$vip:80"
	tool_stop
	expect "pid of the client" "$wanted" "$(awk '{ print $6 }' clients.wanted | sort -u)"
	mv clients.wanted clients
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# The real server is away when the client sends its FIN. Not the balancer's: so with the network of pod.sh.
other_retransmits()
{
	local again=
	pod_network 4
	service "$vip:80" "$real_2"
	server_elsewhere "$real_2"
	tool_start "$@"
	client_begin -p 41000 -o 3000 -q "$vip:80"
	wait_for has_rows 2
	ip -n r$$ address delete 10.99.3.2/24 dev eth0
	wait $!
	wait_for retransmitted 2	# the first comes after 0.2 s, the second 0.4 s later
	tool_stop
	[ $# = 0 ] || again=' FIN_WAIT1/retransmit'
	expect rows "$(expected_rows "$vip:80" "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1$again" "$real_2")" "$(rows | uniq)"
	[ $# = 0 ] || between "retransmits of the FIN" 2 "$(rows | grep -c " FIN_WAIT1 FIN_WAIT1 ")" "$(retransmits)"
}

# retransmits - of the client's namespace, as its kernel has counted them
retransmits()
{
	kernel_count snmp Tcp RetransSegs
}

retransmitted()
{
	[ "$(retransmits)" -ge "$1" ]
}

# some_connections N [OPTION...] - the tool runs with OPTIONs, then N connections
some_connections()
{
	local n=$1
	shift
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start "$@"
	client -n "$n" "$vip:80"
}

count()
{
	some_connections 3 -n 7
	tool_end
	expect rows "$(expected_rows "$vip:80" "$answered" | head -n 7)" "$(rows)"
}

duration()
{
	local began_ms
	began_ms=$(($(date +%s%N) / 1000000))
	some_connections 3 -d 5
	tool_end
	between "ms until the end" 4900 $(($(date +%s%N) / 1000000 - began_ms)) 20000
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# What is still in the buffers when the signal comes is printed.
by_signal()
{
	some_connections 23
	tool_stop "$1"
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	grep -q ' 115 rows, 0 lost$' err || fail "no count at the end"
}

closed_pipe()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	: >err
	{
		"$tool" --cache-dir "$cache" "${tool_options[@]}" 2>err > >(exec head -n 1 >rows) && echo 0 >status || echo $? >status
	} &
	tool_pid=$!
	wait_for ready
	client "$vip:80"
	wait_for test -s status
	expect "exit status" 0 "$(cat status)"
	expect "what head has read" "1 SKADDR" "$(wc -l <rows) $(cut -d ' ' -f 1 rows)"
}

# CSV of an accepted and a refused connection, IPv4 and IPv6, against the plain rows of the same.
csv()
{
	[ "$(command -v python3)" ] || skip "no python3 here"
	network "$1"
	service "$vip:80" "$real_1"
	service "$vip:81" "$refusing"
	server "$real_1"
	tool_start -s -t -T
	client "$vip:80"
	client_fails -p 41000 "$vip:81"
	tool_stop
	python3 "$top/tests/vm/csv_rows.py" rows >rows.plain
	head -n 1 clients >clients.accepted
	tail -n 1 clients | sed -E "s/^local .*:/local $vip:/" >clients.refused
	expect rows "$(for end in accepted refused; do
		cp clients.$end clients
		case $end in
		accepted) expected_rows "$vip:80" "$answered" ;;
		refused) expected_rows "$vip:81" "CLOSE SYN_SENT CLOSE/refused" "$refusing" ;;
		esac
	done)" "$(cat rows.plain)"
}

# columns HEADER PATTERN OPTION... - of the first line and of the rows
columns()
{
	local header=$1 pattern=$2
	shift 2
	some_connections 3 "$@"
	tool_stop
	expect header "$header" "$(head -n 1 rows | sed 's/  */ /g')"
	expect "rows that match '$pattern'" 15 "$(tail -n +2 rows | grep -cE -- "$pattern")"
	expect lines 16 "$(wc -l <rows)"
}

# The name of a process may be anything: here with a comma, a quote, a newline and a broken character.
strange_name()
{
	local name=$'a,"b\n\xff' row
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	cp "$peers/client" "./$name"
	tool_start "$1"
	"./$name" "$vip:80" >>clients
	tool_stop
	expect lines 6 "$(wc -l <rows)"
	row=$(sed -n 2p rows)
	[[ $row == *"$2"* ]] || fail "not in the row: $2"
}

ebpf()
{
	"$tool" --ebpf >out 2>err
	expect stderr "" "$(cat err)"
	grep -q '^BPF_PERF_OUTPUT' out || fail "no BPF text"
}

# informs PATTERN OPTION - prints something and stops, without root
informs()
{
	cp "$tool" .
	"${nobody[@]}" "./${tool##*/}" "$2" >out 2>err
	expect stderr "" "$(cat err)"
	grep -qE -- "$1" out || fail "stdout does not match '$1'"
}

run_options()
{
	local bar='[0-9a-f]{16} +[0-9]+ +client' signal
	run "-L: one local port" filter 41002 -L 41002
	run "-L: a list" filter "41001 41004" -L 41001,41004
	run "-D: one remote port" filter "41001 41003" -D 80
	run "-D: a list" filter "41001 41002 41003 41004" --remoteport=80,81
	run "-D: a port that nobody uses" filter "" -D 82,8080
	run "-L and -D" filter 41004 -L 41003,41004 -D 81
	run "-4" filter "41001 41002" -4
	run "-6" filter "41003 41004" -6
	run "-6 -D" filter 41004 -6 -D 81
	run "-6: an IPv6 socket to an IPv4 service" mapped -6
	run "-V: an address" filter "41001 41002" -V 10.99.0.1
	run "-V: an address and port" filter "41002" --vip 10.99.0.1:81
	run "-V: a list, IPv4 and IPv6" filter "41002 41003 41004" -V 10.99.0.1:81,fd00:99::1
	run "-V: IPv6 with port" filter "41003" -V "[fd00:99::1]:80"
	run "-V: a real server is none" filter "" -V 10.99.1.1,10.99.0.1:8080
	run "-V and -L" filter "41002" -V 10.99.0.1 -L 41002,41003
	run "-R: an address" filter "41003 41004" -R fd00:99:1::1
	run "-R: an address and port" filter "41001 41002" --real=10.99.1.1:8080
	run "-R: another port" filter "" -R 10.99.1.1:80,10.99.0.1
	run "-R: -a adds none without" filter "41001 41002" -a -R 10.99.1.1
	run "-R: the whole life of the socket" whole_life
	run "-p: one process of two" one_process
	run "-r: retransmits in every state" other_retransmits -r
	run "without -r: those of the SYN only" other_retransmits
	run "-n: exactly so many rows" count
	run "-d: ends in time" duration
	for signal in INT TERM HUP; do
		run "SIG$signal: status 0, nothing lost" by_signal $signal
	done
	run "closed pipe: status 0" closed_pipe
	run "IPv4, -s: CSV" csv 4
	run "IPv6, -s: CSV" csv 6
	run "default columns" columns \
		"SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL REASON" "^$bar"
	run "-T: time of day" columns \
		"TIME SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL REASON" \
		"^[0-2][0-9]:[0-5][0-9]:[0-6][0-9] $bar" -T
	run "-t: seconds" columns \
		"TIME(s) SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL REASON" \
		"^[0-9]\.[0-9]{6}  $bar" -t
	run "-tTw: wide" columns \
		"TIME TIME(s) SKADDR C-PID C-COMM IP LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL REASON" \
		"^[0-2][0-9]:[0-5][0-9]:[0-6][0-9] [0-9]\.[0-9]{6}  $bar +4 " -tTw
	run "strange name of a process" strange_name -w 'a,"b\x0a\xff '
	run "strange name of a process, CSV" strange_name -s ',"a,""b\x0a\xff",'
	run "--ebpf: the text" ebpf
	run "--help" informs "--remoteport PORTS" --help
	run "--version" informs "ipvs-tcpstate .*[0-9]" --version
}
