# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --save-programs, then --programs on the same kernel without headers and without libbcc.

# saved_programs - saves the programs while ip_vs is not loaded
saved_programs()
{
	without_ipvs
	timeout "$limit" "$tool" --cache-dir "$cache" --save-programs programs >out 2>err || fail "not saved: $(cat err)"
	expect "stdout" "" "$(cat out)"
	! grep 'not saved: "' err || fail "some programs do not compile"
}

# bare - from here on this process has no headers, no libbcc and an empty cache
bare()
{
	mount -t tmpfs tmpfs "/lib/modules/$(uname -r)/build"
	mount --bind /dev/null "$(realpath "$(libbcc)")"
	mkdir -m 700 empty
	cache=$PWD/empty
}

# from_file KIND... - checks with -v where the programs are from
from_file()
{
	local kind
	for kind; do
		grep -q "$kind: from programs" err || fail "$kind: not from the file"
	done
	! grep -E 'compiling|from the cache' err || fail "not only from the file"
	expect "files in the cache" "" "$(ls -A empty)"
}

# The module comes after the start. Then connections of both families are answered, and refused.
saved_and_used()
{
	local began_ms took_ms rss ip layout=()
	[ -e /sys/kernel/btf/vmlinux ] || layout=(layout)
	saved_programs
	bare
	began_ms=$(now_ms)
	tool_start -v --programs programs
	took_ms=$(($(now_ms) - began_ms))
	from_file rows "${layout[@]}"
	modprobe -a ip_vs ip_vs_rr
	wait_for grep -q 'ip_vs is loaded' err
	network 4
	: >expected
	for ip in 4 6; do
		places $ip
		service "$vip:80" "$real_1" "$real_2"
		service "$vip:81" "$refusing"
		server "$real_1" "$real_2"
		client -n 11 "$vip:80"
		expected_rows "$vip:80" "$answered" >>expected
		: >clients
		client_fails -p 41000 -n 5 "$vip:81"
		sed -i -E "s/^local .*:/local $vip:/" clients
		expected_rows "$vip:81" "CLOSE SYN_SENT CLOSE/refused" "$refusing" >>expected
		: >clients
	done
	rss=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$tool_pid/status")
	tool_stop
	! grep 'is missing' err || fail "it says that a privilege is missing"
	expect "rows, sorted" "$(sort expected)" "$(rows | sort)"
	expect "lost" 0 "$(lost)"
	"$tool" --check --programs programs >out || fail "--check says that it cannot: $(cat out)"
	expect "headers" "not needed, programs in programs" "$(sed -n 's/^headers *ok *//p' out)"
	between "RSS in KiB" 0 "$rss" 6000
	note "$took_ms ms until it traces, RSS $rss KiB, $(rows | wc -l) rows"
}

# The other texts, each with a start; --director needs the layout of IPVS's structures before ip_vs is loaded.
saved_for_all()
{
	local layout=()
	saved_programs
	bare
	tool_start -v --programs programs --director
	from_file director layout
	tool_stop
	modprobe -a ip_vs ip_vs_rr
	[ -e /sys/kernel/btf/ip_vs ] || layout=(layout)
	tool_start -v --programs programs --director -a
	from_file director-all "${layout[@]}"
	tool_stop
	tool_start -v --programs programs --director --summary
	from_file director-counts "${layout[@]}"
	tool_stop
	tool_start -v --programs programs --summary
	from_file counts
	tool_stop
	tool_start -v --programs programs --summary --record rec
	from_file both
	tool_stop
}

run_programs()
{
	# All texts are compiled, which takes minutes without a cache; the host suite has these tests without IPVS.
	limit=600 more "saved without ip_vs, then used without headers and libbcc" elsewhere saved_and_used
	limit=600 more "saved: programs of every kind" elsewhere saved_for_all
}
