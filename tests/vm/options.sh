# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Options, and ways to end the tool, in the network of net.sh.

# four_services - makes two services for each family, with different ports
four_services()
{
	local ip port
	network 4
	for ip in 4 6; do
		places $ip
		server "$real_1"
		for port in 80 81; do
			service "$vip:$port" "$real_1"
		done
	done
}

# four_clients - connects once to each, from ports 41001 to 41004
four_clients()
{
	local ip port from=41001
	for ip in 4 6; do
		places $ip
		for port in 80 81; do
			client -p $((from++)) "$vip:$port"
		done
	done
}

# tools_begin - starts all tools at once, one for each element of the array "cases", "... | OPTION..."; files rows.N, err.N
tools_begin()
{
	local i options patience=240
	tools=()
	for i in "${!cases[@]}"; do
		read -ra options <<<"${cases[i]##*|}"
		: >"err.$i"
		env --default-signal=INT "$tool" --cache-dir "$cache" "${tool_options[@]}" "${options[@]}" >"rows.$i" 2>"err.$i" &
		tools+=($!)
		pids+=($!)
	done
	for i in "${!cases[@]}"; do
		tool_pid=${tools[i]}
		ln -sf "err.$i" err
		wait_for ready
	done
}

# tools_end [SIGNAL...] - ends each tool with its own signal, TERM by default
tools_end()
{
	local i signals=("$@")
	for i in "${!tools[@]}"; do
		kill -"${signals[i]-TERM}" "${tools[i]}"
	done
	for i in "${!tools[@]}"; do
		tool_pid=${tools[i]}
		tool_end
	done
}

# named N OPTIONS - checks what tool N with --names shows of a connection: the names of virtual service and real server
named()
{
	local what labels='vip="10.99.0.1",vport="81",protocol="tcp",real="10.99.1.1",rport="8080"'
	case $2 in
	*--metrics*)
		expect "table" "shop/web:81 total 1
shop/web:81 web-1:8080 1" "$(awk 'NR > 1 { print $1, $2, $3 }' "rows.$1")"
		expect "metrics" "{$labels,vip_name=\"shop/web\",real_name=\"web-1\"} 1" \
			"$(sed -n 's/^ipvs_tcp_connect_attempts_total//p' named.prom)"
		;;
	*-j*)
		what=$(grep -o '"raddr":"10.99.0.1"\|"real":{[^}]*}\|"raddr_name":"[^"]*"' "rows.$1" | sort | uniq -c | sed 's/^ *//')
		expect "JSON" '5 "raddr":"10.99.0.1"
5 "raddr_name":"shop/web"
5 "real":{"addr":"10.99.1.1","port":8080,"method":"masq","name":"web-1"}' "$what"
		;;
	*) expect "text" "5 shop/web 81 web-1:8080" "$(awk 'NR > 1 { print $6, $7, $12 }' "rows.$1" | uniq -c | sed 's/^ *//')" ;;
	esac
}

# filters - checks that each tool shows the connections from certain local ports, with all of their rows, or counts them for
# their services, and shows no others; or by name
filters()
{
	local cases tools i expected ports
	cases=(
		"41002 | -L 41002"
		"41001 41004 | -L 41001,41004"
		"41001 41003 | -D 80"
		"41001 41002 41003 41004 | --remoteport=80,81"
		"| -D 82,8080"
		"41004 | -L 41003,41004 -D 81"
		"41001 41002 | -4"
		"41003 41004 | -6"
		"41004 | -6 -D 81"
		"41001 41002 | -V 10.99.0.1"
		"41002 | --vip 10.99.0.1:81"
		"41002 41003 41004 | -V 10.99.0.1:81,fd00:99::1"
		"41003 | -V [fd00:99::1]:80"
		"| -V 10.99.1.1,10.99.0.1:8080"	# a real server is not a virtual service
		"41002 | -V 10.99.0.1 -L 41002,41003"
		"41003 41004 | -R fd00:99:1::1"
		"41001 41002 | --real=10.99.1.1:8080"
		"| -R 10.99.1.1:80,10.99.0.1"	# another port; a virtual service is not a real server
		"41001 41002 | -a -R 10.99.1.1"	# -a adds no connections without a real server
		"10.99.0.1:81 | --summary -V 10.99.0.1:81"
		"[fd00:99::1]:80 [fd00:99::1]:81 | --summary -R fd00:99:1::1"
		"10.99.0.1:81 [fd00:99::1]:80 | --summary -L 41002,41003"
		"10.99.0.1:80 | --summary -4 -D 80"
		"named | --names names -L 41002"
		"named | --names names -L 41002 -j"
		"named | --names names -L 41002 --summary --metrics named.prom 600"
	)
	printf '%s\n' '10.99.0.1 shop/web' '10.99.1.1:8080 web-1 # a pod' >names
	four_services
	tools_begin
	four_clients
	tools_end
	for i in "${!cases[@]}"; do
		read -ra expected <<<"${cases[i]%%|*}"
		if [ "${expected[0]-}" = named ]; then
			named "$i" "${cases[i]##*|}"
		elif [[ ${cases[i]} == *--summary* ]]; then
			expect "services, ${cases[i]##*|}" "${expected[*]}" "$(awk '$2 == "total" { print $1 }' "rows.$i" | sort | paste -sd ' ')"
			expect "connects of each, ${cases[i]##*|}" "" "$(awk '$2 == "total" && $3 != 1' "rows.$i")"
		else
			expect "rows by LPORT, ${cases[i]##*|}" "$(for ports in "${expected[@]}"; do echo "5 $ports"; done)" \
				"$(awk 'NR > 1 { print $5 }' "rows.$i" | sort | uniq -c | sed 's/^ *//')"
		fi
	done
	note "${#cases[@]} tools, no other row"
}

# Tests retransmits of the SYN, and rows after another connect was filtered out at the same time.
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

# The real server is gone when the client sends its FIN. It must not be on the balancer, so this uses the network of pod.sh.
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
	wait_for retransmitted 2	# the first is sent after 0.2 s, the second 0.4 s later
	tool_stop
	[ $# = 0 ] || again=' FIN_WAIT1/retransmit'
	expect rows "$(expected_rows "$vip:80" "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1$again" "$real_2")" "$(rows | uniq)"
	[ $# = 0 ] || between "retransmits of the FIN" 2 "$(rows | grep -c " FIN_WAIT1 FIN_WAIT1 ")" "$(retransmits)"
}

# retransmits - prints the kernel's count for the client's namespace
retransmits()
{
	kernel_count snmp Tcp RetransSegs
}

retransmitted()
{
	[ "$(retransmits)" -ge "$1" ]
}

# some_connections N [OPTION...] - starts the tool with OPTIONs, then makes N connections
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

# The tool prints what is still in the buffers when the signal arrives.
signals()
{
	local cases=("|" "|" "|") tools i
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tools_begin
	client -n 23 "$vip:80"
	tools_end INT TERM HUP
	for i in "${!tools[@]}"; do
		expect "rows $i" "$(expected_rows "$vip:80" "$answered")" "$(rows "rows.$i")"
		grep -q ' 115 rows, 0 lost$' "err.$i" || fail "no count at the end"
	done
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

# Compares the CSV of an accepted and a refused connection, IPv4 and IPv6, with the plain rows.
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

# columns - checks the first line and the rows
columns()
{
	local bar='[0-9a-f]{16} +[0-9]+ +client' clock='[0-2][0-9]:[0-5][0-9]:[0-6][0-9]' cases tools i header pattern
	local all="LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL REASON"
	cases=(
		"SKADDR C-PID C-COMM $all|^$bar|"
		"TIME SKADDR C-PID C-COMM $all|^$clock $bar|-T"
		"TIME(s) SKADDR C-PID C-COMM $all|^[0-9]\.[0-9]{6}  $bar|-t"
		"TIME TIME(s) SKADDR C-PID C-COMM IP $all|^$clock [0-9]\.[0-9]{6}  $bar +4 |-tTw"
	)
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tools_begin
	client -n 3 "$vip:80"
	tools_end
	for i in "${!cases[@]}"; do
		IFS='|' read -r header pattern _ <<<"${cases[i]}"
		expect header "$header" "$(head -n 1 "rows.$i" | sed 's/  */ /g')"
		expect "rows that match '$pattern'" 15 "$(tail -n +2 "rows.$i" | grep -cE -- "$pattern")"
		expect lines 16 "$(wc -l <"rows.$i")"
	done
}

# A process may have any name: here with a comma, a quote, a newline and an invalid character.
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

run_options()
{
	run "-L, -D, -4, -6, -V, -R, with --summary too, --names: tools side by side" filters
	run "-6: an IPv6 socket to an IPv4 service" mapped -6
	run "-R: the whole life of the socket" whole_life
	run "-p: one process of two" one_process
	run "-r: retransmits in every state" other_retransmits -r
	run "without -r: those of the SYN only" other_retransmits
	run "-n: exactly so many rows" count
	run "-d: ends in time" duration
	run "SIGINT, SIGTERM, SIGHUP: status 0, nothing lost" signals
	run "closed pipe: status 0" closed_pipe
	run "IPv4, -s: CSV" csv 4
	run "IPv6, -s: CSV" csv 6
	run "columns: default, -T, -t, -tTw" columns
	run "strange name of a process" strange_name -w 'a,"b\x0a\xff '
	run "strange name of a process, CSV" strange_name -s ',"a,""b\x0a\xff",'
}
