# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the tool may still do while it traces, and what it needs at the start. The host suite and the VM suite use this file.

dac_override=1 sys_ptrace=19 sys_admin=21 perfmon=38 bpf=39	# linux/capability.h

# state PID - prints the process's privileges from /proc, on one line
state()
{
	awk '/^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):/ { printf "%s%s %s", n++ ? " " : "", $1, $2 }' "/proc/$1/status"
}

# state_with BIT... - prints the "state" that a process with only these capabilities must have
state_with()
{
	local bit set=0
	for bit; do
		set=$((set | 1 << bit))
	done
	printf 'CapInh: %016x CapPrm: %016x CapEff: %016x CapBnd: %016x CapAmb: %016x ' 0 $set $set 0 0
	! grep -q ^NoNewPrivs: /proc/self/status || printf 'NoNewPrivs: 1 '	# shown from 4.10 on
	printf 'Seccomp: 2'
}

# of_kernel BIT - prints BIT; before 5.8, which has no CAP_PERFMON and CAP_BPF, prints CAP_SYS_ADMIN
of_kernel()
{
	[ "$(</proc/sys/kernel/cap_last_cap)" -ge "$1" ] && echo "$1" || echo $sys_admin
}

# maps_need_bpf - true if this kernel requires CAP_BPF to read a map, as kernels before 5.19 may do
maps_need_bpf()
{
	[ "$(</proc/sys/kernel/unprivileged_bpf_disabled)" != 0 ] &&
		[ "$(printf '%s\n' 5.19 "$(uname -r)" | sort -V | head -n 1)" != 5.19 ]
}

has_kprobes()
{
	[ -e /sys/bus/event_source/devices/kprobe/type ] || [ -e /sys/kernel/tracing/kprobe_events ]
}

# kprobes_need_admin - true if this kernel requires more than CAP_PERFMON, as Debian's do: only they know the value 3
kprobes_need_admin()
{
	has_kprobes && [ "$(</proc/sys/kernel/perf_event_paranoid)" -gt 2 ]
}

# while_tracing [OPTION...]
while_tracing()
{
	local kept=()
	! has_kprobes || kept+=("$(of_kernel $perfmon)" "$sys_ptrace")
	[[ $* != *-x* ]] || kept+=("$sys_ptrace")
	! kprobes_need_admin || kept+=("$sys_admin")
	! maps_need_bpf || kept+=("$(of_kernel $bpf)")
	[[ $* != *--metrics* ]] || kept+=("$dac_override")
	tool_start "$@"
	expect "state of the tool" "$(state_with "${kept[@]}")" "$(state "$tool_pid")"
	note "CapEff $(awk '$1 == "CapEff:" { print $2 }' "/proc/$tool_pid/status")"
	tool_stop
}

while_compiling()
{
	local child
	"$tool" --no-cache -a -d 1 >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for has_child
	child=$(pgrep -P "$tool_pid" | head -n 1)
	pids+=("$child")
	patience=15
	wait_for is_confined "$child"
	expect "state of the compiler" "$(state_with "$(of_kernel $bpf)")" "$(state "$child")"
	tool_end
	grep -q 'tracing; Ctrl-C' err || fail "it did not compile"
}

is_confined()
{
	[[ $(state "$1") == *"Seccomp: 2" ]]
}

# no_root CAPABILITY... - from now on "tool" runs as another user with these capabilities
no_root()
{
	local list='-all' name
	for name; do
		list+=,+$name
	done
	cp "$tool" ./ipvs-tcpstate
	cat >as_nobody <<-END
		#!/bin/sh
		exec ${nobody[*]} --inh-caps $list --ambient-caps $list "$PWD/ipvs-tcpstate" "\$@"
	END
	chmod 755 . ipvs-tcpstate as_nobody
	tool=$PWD/as_nobody
}

need_bpf_capability()
{
	[ "$(of_kernel $bpf)" = $bpf ] || skip "this kernel has no CAP_BPF"
}

# without_root [OPTION...]
without_root()
{
	need_bpf_capability
	server "$place_4"
	no_root bpf perfmon dac_read_search ipc_lock
	tool_start -v -a -D 7711 "$@"
	expect "lines about the priority" "ipvs-tcpstate: cannot run at a realtime priority or nice -20: Operation not permitted; \
on a busy host rows may be lost" "$(grep -E 'priority|nice' err)"
	kprobes_need_admin || ! grep -E 'skips? is not known' err || fail "the kernel's counts are not for it"
	expect "user" 65534 "$(awk '$1 == "Uid:" { print $3 }' "/proc/$tool_pid/status")"
	# Without CAP_SETPCAP the tool cannot reduce nobody's bounding set; no_new_privs makes it ineffective.
	expect "state of the tool" "$(state_with | sed 's/ CapBnd: [0-9a-f]*//')" \
		"$(state "$tool_pid" | sed 's/ CapBnd: [0-9a-f]*//')"
	client -n 23 "$place_4"
	tool_stop
	expect "rows of the client" "$(client_rows "$place_4")" "$(own_rows "$place_4")"
}

# lacks_capability PATTERN CAPABILITY... - checks that the tool does not start with only these, and reports why
lacks_capability()
{
	local pattern=$1
	shift
	need_bpf_capability
	no_root "$@"
	misuse 3 "$pattern" "$tool" -a
}

# The capabilities of a user namespace's root are not the host's.
root_of_namespace()
{
	unshare --user --map-root-user true 2>/dev/null || skip "no user namespace can be made here"
	misuse 3 "user 0 of a user namespace cannot load BPF programs: .* count only if they are the host's; run it as root outside" \
		unshare --user --map-root-user "$tool" --cache-dir "$cache" -a
	! unshare --user --map-root-user "$tool" -a --check >out || fail "--check says that it can"
	grep -q '^privilege *missing *user 0 of a user namespace' out || fail "--check does not say why: $(cat out)"
}

locked_memory()
{
	need_bpf_capability
	no_root bpf perfmon dac_read_search
	ulimit -l 64
	misuse 3 'perf buffers of 16384 KiB for each CPU: more .*without CAP_IPC_LOCK; give smaller ones by -b$' "$tool" --cache-dir "$cache" -a -b 4096
}

run_privilege()
{
	run "privilege: what is left while it traces" traced while_tracing -a
	run "privilege: what is left while it records" traced while_tracing -a --record recording
	run "privilege: what is left while it writes metrics" traced while_tracing -a --metrics ipvs.prom
	run "privilege: what is left while it finds containers" traced while_tracing -a -x
	run "privilege: the compiler's" traced while_compiling
	run "privilege: without root" traced without_root
	run "privilege: without root, compiling" traced without_root --no-cache
	run "privilege: without CAP_BPF" lacks_capability 'without CAP_BPF and CAP_PERFMON; run as root' perfmon dac_read_search
	run "privilege: without CAP_PERFMON" lacks_capability 'without CAP_BPF and CAP_PERFMON; run as root' bpf dac_read_search
	run "privilege: without CAP_DAC_READ_SEARCH" lacks_capability 'tracefs.*without CAP_DAC_READ_SEARCH; run as root' bpf perfmon
	run "privilege: root of a user namespace" traced root_of_namespace
	run "privilege: without CAP_IPC_LOCK" traced locked_memory
}
