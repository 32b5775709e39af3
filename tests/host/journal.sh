# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# -Y with a real systemd-journald, started by hand in a mount namespace with an empty /run: this machine's own journal,
# if it has one, is not touched.

journald=/lib/systemd/systemd-journald

# own_port - sets a port that no other test of this machine uses at the same time: rows are selected by it
own_port()
{
	port=$((10000 + BASHPID % 20000))
	place_4=127.99.0.1:$port
	place_6="[::1]:$port"
}

# own_mounts FUNCTION [ARG...] - continues as a test in a mount namespace of its own
own_mounts()
{
	exec unshare --mount --propagation private -- "$self" --one "$@"
}

# journal_start - starts a journal that writes to /run/log/journal and drops nothing
journal_start()
{
	[ -x "$journald" ] || skip "no $journald (systemd)"
	command -v journalctl >/dev/null || skip "no journalctl (systemd)"
	[ -e /etc/machine-id ] || skip "no /etc/machine-id"
	echo 0123456789abcdef0123456789abcdef >machine-id
	mount --bind machine-id /etc/machine-id
	own_port
	mount -t tmpfs tmpfs /run
	mkdir -p /run/systemd/journald.conf.d
	cat >/run/systemd/journald.conf.d/test.conf <<-END
		[Journal]
		Storage=volatile
		ReadKMsg=no
		Audit=no
		RateLimitIntervalSec=0
		ForwardToSyslog=no
		ForwardToWall=no
	END
	"$journald" 2>journald.err &
	journald_pid=$!
	pids+=("$journald_pid")
	wait_for test -S /run/systemd/journal/socket
}

# entries IDENTIFIER - prints the entries as JSON, one a line
entries()
{
	journalctl --quiet --no-pager --directory /run/log/journal -o json -t "$1"
}

has_entries()
{
	[ "$(entries "$1" 2>/dev/null | wc -l)" -ge "$2" ]
}

# entries_are_rows - checks that each row in the file "rows" is an entry, and that there are no others
entries_are_rows()
{
	wait_for has_entries ipvs-tcpstate $(($(wc -l <rows) - 1))
	entries ipvs-tcpstate >entries.json
	"$host/journal.py" rows entries.json >number || fail "$(cat number)"
}

journal_rows()
{
	journal_start
	server "$place_4" "$place_6"
	tool_start -a -s -Y
	client -n 100 "$place_4"
	client -n 100 "$place_6"
	client_fails -n 3 "${place_4%:*}:$((port + 1))"
	tool_stop
	entries_are_rows
	between "entries" 2006 "$(cat number)" 100000
	note "$(cat number) entries"
}

# Finds entries by their fields, as a user does.
journal_find()
{
	journal_start
	server "$place_4"
	tool_start -a -Y -D "$port"
	client -n 7 "$place_4"
	tool_stop
	wait_for has_entries ipvs-tcpstate 35
	expect "entries" 7 "$(journalctl -q --no-pager -D /run/log/journal -o cat \
		OBJECT_TCP_NEW_STATE=FIN_WAIT1 OBJECT_IPV4_DESTINATION_ADDRESS="${place_4%:*}" |
		grep -c "^client 127.0.0.1 [0-9]* → ${place_4/:/ } ESTABLISHED → FIN_WAIT1\$")"
	expect "rows on stdout too" 35 "$(rows | wc -l)"
}

# The journal itself adds the name of a process that still runs.
journal_process()
{
	journal_start
	tool_start -a -Y -L "$port"
	nc -l -k "${place_4%:*}" "${place_4#*:}" &
	pids+=($!)
	wait_for has_entries ipvs-tcpstate 1
	tool_stop
	expect "command of the process" nc "$(entries ipvs-tcpstate |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["OBJECT_COMM"])')"
}

journal_hostile()
{
	local name
	journal_start
	server "$place_4"
	tool_start -a -s -Y -D "$port"
	for name in $'x\nPRIORITY=0' $'MESSAGE=\n' $'\e[31m' $'\xff\xfe\xc3' 'a,"b",c' 'OBJECT_UID=0' $'\x01\x7f' "a b"; do
		cp "$peers/client" "./$name"
		"./$name" "$place_4" >>clients
	done
	tool_stop
	entries_are_rows
	expect "entries" 40 "$(cat number)"
	expect "names" 8 "$(python3 -c 'import json, sys
print(len({json.loads(line)["OBJECT_TCP_COMM"] for line in sys.stdin}))' <entries.json)"
}

# The entries of tcpstates itself; it cannot make entries for IPv6.
journal_beside()
{
	command -v tcpstates-bpfcc >/dev/null || skip "no tcpstates-bpfcc (bpfcc-tools)"
	/usr/bin/python3 -c 'import systemd.journal' 2>/dev/null || skip "no python3-systemd for tcpstates"
	journal_start
	beside_places
	PYTHONUNBUFFERED=1 tcpstates-bpfcc -Y -4 >theirs 2>theirs.err &
	their_pid=$!
	pids+=("$their_pid")
	tool_start -a -Y -4
	wait_for knocked
	server "$beside_4:7711"
	client --hold 5 -n 50 "$beside_4:7711"
	client_fails --hold 5 -n 5 "$beside_4:7712"
	wait_for enough_rows $((1 + 50 * 10 + 5 * 2))
	tool_stop
	wait_for has_entries ipvs-tcpstate $(($(wc -l <rows) - 1))
	wait_for has_entries tcpstates $(($(wc -l <theirs) - 1))
	kill "$their_pid"
	entries ipvs-tcpstate >entries.json
	entries tcpstates >theirs.json
	"$host/journal.py" --beside entries.json theirs.json "$beside_4" >number || fail "$(cat number)"
	expect "entries of these connections" 511 "$(cat number)"
	note "$(cat number) entries"
}

# The journal ends: the tool counts the entries that it did not get.
journal_gone()
{
	local status=0
	journal_start
	server "$place_4"
	tool_start -a -Y -D "$port"
	client -n 2 "$place_4"
	wait_for has_entries ipvs-tcpstate 10
	rm /run/systemd/journal/socket
	client -n 3 "$place_4"
	wait_for has_rows 25
	kill -TERM "$tool_pid"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 1 "$status"
	grep -q ': 15 rows are not in the journal: No such file' err || fail "does not say so"
	expect "rows" 25 "$(rows | wc -l)"
}

# The journal hangs: at the first signal the tool waits for it, the second signal ends the tool.
journal_hangs()
{
	local status=0
	journal_start
	server "$place_4"
	tool_start -a -Y -D "$port"
	kill -STOP "$journald_pid"
	client -n 1000 "$place_4"
	kill -TERM "$tool_pid"
	sleep 0.5
	is_running || fail "has not waited"
	kill -TERM "$tool_pid"
	patience=15
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 143 "$status"
	grep -q 'rows are not in the journal: Interrupted system call' err || fail "does not say so"
	expect "rows and lost" 5000 $(($(rows | wc -l) + $(lost)))
}

no_journal()
{
	mount -t tmpfs tmpfs /run
	misuse 3 "no systemd journal runs here" "$tool" -a -Y
	! "$tool" --cache-dir "$cache" -a -Y --check >out || fail "--check says that it can"
	grep -q '^journal .*missing .*no systemd journal runs' out || fail "--check does not say why"
	"$tool" --cache-dir "$cache" -a -d 1 >rows 2>err || fail "needs it without -Y"
}

no_libsystemd()
{
	local library n=0
	! ldd "$tool" | grep systemd || fail "is linked with it"
	while read -r library; do
		mount --bind /dev/null "$library"
		n=$((n + 1))
	done < <(ldconfig -p | sed -n 's/^\tlibsystemd\.so\.0 .* => //p')
	note "$n taken away"
	misuse 3 "-Y needs libsystemd" "$tool" -a -Y
	"$tool" --cache-dir "$cache" -a -d 1 >rows 2>err || fail "needs it without -Y"
}

run_journal()
{
	run "-Y: each row is an entry" traced own_mounts journal_rows
	run "-Y: entries are found by their fields" traced own_mounts journal_find
	run "-Y: the journal names the process" traced own_mounts journal_process
	run "-Y: hostile names" traced own_mounts journal_hostile
	run "-Y: beside tcpstates -Y" traced own_mounts journal_beside
	run "-Y: the journal goes away" traced own_mounts journal_gone
	run "-Y: the journal hangs" traced own_mounts journal_hangs
	run "-Y: no journal" traced own_mounts no_journal
	run "-Y: no libsystemd" traced own_mounts no_libsystemd
}
