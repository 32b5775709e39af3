# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --names and --labels: names of addresses in every output, files that change while the tool runs, and the example that makes
# such files. Without IPVS there are no real servers: the remote address has a name.

# remotes - prints RADDR of the client's rows, each once, in order
remotes()
{
	awk '$3 == "client" { print $6 }' rows | uniq
}

reread()
{
	kill -HUP "$tool_pid"
	wait_for said_more "$1" "$(grep -cE "$2" err)" "$2"
}

# said_more N ... - true if err has N lines that match
said_more()
{
	[ "$(grep -cE "$3" err)" -ge "$1" ]
}

# The files are read again at SIGHUP, by a tool that has given up its capabilities; after a bad one the old names stay.
names_again()
{
	own_port
	echo "127.99.0.1 one" >names
	chmod 600 names
	server "$place_4"
	tool_start -a -D "$port" --names names --names "$here/names/swarm.names"
	client "$place_4"
	wait_for has_rows 5
	echo "127.99.0.1:$port two" >names.new
	mv names.new names
	reread 1 '8 names read again'
	client "$place_4"
	wait_for has_rows 10
	printf '%s\n' "127.99.0.1 three" "127.99.0.300 four" >names
	reread 1 "names:2: '127.99.0.300': not an address.*; the old names stay"
	rm names
	reread 1 'cannot read names from names: No such file or directory; the old names stay'
	client "$place_4"
	wait_for has_rows 15
	echo "# none" >names
	reread 1 '7 names read again'
	client "$place_4"
	tool_stop
	expect "remote addresses" "one
two
127.99.0.1" "$(remotes)"
	expect "rows of the client" 20 "$(grep -c ' client ' rows)"
	expect "messages about names" 4 "$(grep -c names err)"
}

# The file belongs to another user: the tool keeps the one capability that it takes to read it again.
names_of_another_user()
{
	local read_search=2 kept=()
	own_port
	echo "127.99.0.1 one" >names
	chown 65534 names
	chmod 600 names
	server "$place_4"
	! has_kprobes || kept+=("$(of_kernel "$perfmon")" "$sys_ptrace")
	! kprobes_need_admin || kept+=("$sys_admin")
	tool_start -a -D "$port" --names names
	expect "state of the tool" "$(state_with "${kept[@]}" $read_search)" "$(state "$tool_pid")"
	echo "127.99.0.1 two" >names
	reread 1 '1 names read again'
	client "$place_4"
	tool_stop
	expect "remote address" two "$(remotes)"
}

# SIGHUP reads the names again, also if it was ignored at the start; other signals end the tool.
hangup_does_not_end()
{
	echo "127.99.0.1 one" >names
	: >err
	nohup "$tool" --cache-dir "$cache" -a --names names >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	reread 1 'names read again'
	reread 2 'names read again'
	tool_stop TERM
}

# hangup_of_terminal - the terminal is gone: then SIGHUP ends the tool, with names too
hangup_of_terminal()
{
	echo "127.99.0.1 one" >names
	cat >terminal.py <<-'END'
	import os, pty, signal, sys, time
	pid, terminal = pty.fork()
	if not pid:
	    os.execv(sys.argv[1], sys.argv[1:])
	text = b""
	def until(what):
	    global text
	    end = time.monotonic() + 60
	    while what not in text:
	        if time.monotonic() > end:
	            sys.exit(f"no {what} in {text}")
	        text += os.read(terminal, 65536)
	until(b"tracing; Ctrl-C")
	os.kill(pid, signal.SIGHUP)
	until(b"1 names read again")
	os.close(terminal)	# the kernel sends SIGHUP to the leader of the session
	end = time.monotonic() + 20
	while not os.waitpid(pid, os.WNOHANG)[0]:
	    if time.monotonic() > end:
	        os.kill(pid, signal.SIGKILL)
	        sys.exit("it goes on without its terminal")
	    time.sleep(0.1)
	END
	python3 terminal.py "$tool" --cache-dir "$cache" -a -D 1 --names names
}

# Rows in JSON and in the journal, counts in a table and for Prometheus: of the same connections.
names_everywhere()
{
	own_port
	printf '%s\n' "127.99.0.1 shop/web" "127.99.0.2:$port shop/other" >names
	server "127.99.0.1:$port" "127.99.0.2:$port"
	tool_start -a -D "$port" --names names --summary --metrics ipvs.prom --record recording
	client -n 3 "127.99.0.1:$port"
	client -n 2 "127.99.0.2:$port"
	client_fails "127.99.0.3:$port"
	tool_stop
	expect "table" "127.99.0.3:$port - 1
shop/other:$port - 2
shop/web:$port - 3" "$(awk '$2 == "-" { print $1, $2, $3 }' rows | sort)"
	expect "metrics" "127.99.0.1 shop/web 3
127.99.0.2 shop/other 2
127.99.0.3  1" "$(sed -nE 's/^ipvs_tcp_connect_attempts_total\{vip="([^"]*)".*,vip_name="([^"]*)",real_name=""\} /\1 \2 /p' ipvs.prom)"
	"$tool" --replay recording --names names -j >rows.json
	expect "JSON" "127.99.0.1 shop/web
127.99.0.2 shop/other
127.99.0.3 null" "$(jq -r 'select(.laddr) | [.raddr, .raddr_name // "null"] | join(" ")' rows.json | sort -u)"
	"$tool" --replay recording --names names -s >rows.csv
	expect "CSV" "127.99.0.1 shop/web
127.99.0.2 shop/other
127.99.0.3 " "$(awk -F , 'NR > 1 { print $7, $16 }' rows.csv | sort -u)"
	[ "$(command -v promtool)" ] || skip "no promtool; run: make setup"
	promtool check metrics <ipvs.prom
}

# labels WHICH LABELS - the sums are those of all connections, whichever labels there are
labels()
{
	own_port
	server "127.99.0.1:$port" "127.99.0.2:$port"
	tool_start -a -D "$port" --metrics ipvs.prom --labels "$1" --max-labels "$3"
	client -n 3 "127.99.0.1:$port"
	client -n 2 "127.99.0.2:$port"
	client_fails -n 4 "127.99.0.3:$port"
	tool_stop
	expect "connects" "${2//PORT/$port}" "$(sed -n 's/^ipvs_tcp_connect_attempts_total//p' ipvs.prom)"
	expect "of all" "5 4 5" "$(awk '/^ipvs_tcp_connects_total.*"established"/ { ok += $2 } /"refused"/ { refused += $2 }
		/^ipvs_tcp_connect_seconds_count/ { n += $2 } END { print ok, refused, n }' ipvs.prom)"
	! [[ $2 == *other* ]] || grep -q "more than $3 virtual services; .*by --max-labels" err || fail "not said: $(cat err)"
}

# made_by_example FORMAT - the example makes the file that is expected, and the tool reads it
made_by_example()
{
	[ "$(command -v jq)" ] || skip "no jq"
	"$top/scripts/examples/names" <"$here/names/$1.json" >names
	expect "names" "$(cat "$here/names/$1.names")" "$(cat names)"
	"$tool" --replay "$top/tests/replay/client.rec" --names names -n 1 >rows 2>err || fail "$(cat err)"
	note "$(wc -l <names) names"
}

bad_names()
{
	printf '10.0.0.1 a\n10.0.0.2 b,c\n' >names
	misuse 1 "names:2: ',' in a name; leave it out" "$tool" --replay "$top/tests/replay/client.rec" --names names
	misuse 1 "names:2: ',' in a name; leave it out" "$tool" -a --names names
	misuse 1 "cannot read names from none: No such file" "$tool" -a --names none
}

run_names()
{
	run "--names: kubectl's JSON" made_by_example kubernetes
	run "--names: docker's JSON" made_by_example swarm
	run "--names: a bad line, no file" bad_names
	run "--names: read again at SIGHUP" traced names_again
	run "--names: a file of another user, read again" traced names_of_another_user
	run "--names: SIGHUP does not end the tool" traced hangup_does_not_end
	run "--names: SIGHUP ends it if its terminal is gone" traced hangup_of_terminal
	run "--names: table, metrics, JSON, CSV" traced names_everywhere
	run "--labels vip" traced labels vip '{vip="127.99.0.1",vport="PORT",protocol="tcp"} 3
{vip="127.99.0.2",vport="PORT",protocol="tcp"} 2
{vip="127.99.0.3",vport="PORT",protocol="tcp"} 4' 9
	run "--labels vip --max-labels 1" traced labels vip '{vip="127.99.0.1",vport="PORT",protocol="tcp"} 3
{vip="other",vport="",protocol="tcp"} 6' 1
	run "--labels real" traced labels real '{protocol="tcp",real="",rport=""} 9' 9
}
