# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# Tests on hosts that lack something, and wrong usage.

no_btf()
{
	[ ! -e /sys/kernel/btf ] || fail "/sys/kernel/btf is there"
}

# The first start on a host compiles; later starts use the cache.
first_start()
{
	local began=$SECONDS kept=''
	patience=$limit
	! compgen -G "$cache/*.rows.*" >/dev/null || kept=1
	compile_all
	if grep -q 'rows: from the cache' err.rows; then
		[ "$kept" ] || fail "taken from an empty cache"
		note "$((SECONDS - began)) s, compiled in an earlier run"
	else
		note "$((SECONDS - began)) s, compiled now"
	fi
	[ "$(compiled | wc -l)" -ge 3 ] || fail "not all compiled programs are in $cache"
}

# first_start_by_hooks - compiles what the tests with --hooks use
first_start_by_hooks()
{
	local began=$SECONDS
	patience=$limit
	tool_start -v
	tool_stop
	tool_start -v --summary
	tool_stop
	note "$((SECONDS - began)) s"
}

later_start()
{
	local began_ms
	began_ms=$(($(date +%s%N) / 1000000))
	tool_start -v
	note "$(($(date +%s%N) / 1000000 - began_ms)) ms"
	tool_stop
	grep -q 'rows: from the cache' err || fail "compiled again"
	! grep -q 'compiling' err || fail "compiled again"
	[ ! -e /sys/kernel/btf/vmlinux ] || grep -q 'btf-ipvs: from the cache' err || fail "BTF is read again"
}

without_ipvs()
{
	modprobe -r ip_vs_rr ip_vs
	[ ! -e /sys/module/ip_vs ] || fail "ip_vs cannot be unloaded"
}

# The tool reports that it waits for ip_vs, and continues when ip_vs is loaded.
ipvs_later()
{
	without_ipvs
	tool_start
	grep -q 'ip_vs is not loaded: waiting for it (modprobe ip_vs)' err || fail "does not say what it waits for"
	modprobe -a ip_vs ip_vs_rr
	wait_for grep -q 'ip_vs is loaded' err
	network "$1"
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1" "$real_2"
	client -n 23 "$vip:80"
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
}

# -a does not need ip_vs, but uses it as soon as it is loaded.
ipvs_later_all()
{
	without_ipvs
	network "$1"
	server "$real_1"
	tool_start -a
	! grep -q 'waiting' err || fail "-a waits for ip_vs"
	client -n 7 "$real_1"
	expected_rows "$real_1" "$answered" - >expected
	modprobe -a ip_vs ip_vs_rr
	wait_for grep -q 'ip_vs is loaded' err
	service "$vip:80" "$real_1"
	: >clients
	client -n 7 "$vip:80"
	expected_rows "$vip:80" "$answered" >>expected
	tool_stop
	expect "rows of the client" "$(cat expected)" "$(rows_to "$real_1" "$vip:80")"
}

# ip_vs can be unloaded while the tool runs; the tool notices when it is loaded again.
ipvs_comes_again()
{
	tool_start
	without_ipvs
	modprobe -a ip_vs ip_vs_rr
	network "$1"
	service "$vip:80" "$real_1"
	server "$real_1"
	patience=30
	wait_for shown_again
	tool_stop
}

shown_again()
{
	client "$vip:80"
	has_rows 1
}

not_root()
{
	cp "$tool" .
	misuse 3 'root' "${nobody[@]}" "./${tool##*/}" -a
	misuse 2 "-z" "${nobody[@]}" "./${tool##*/}" -z
}

# lacking FUNCTION PATTERN - runs FUNCTION in its own mount namespace; the tool must fail with a matching message
lacking()
{
	misuse 3 "$2" unshare --mount -- "$self" --call "$1"
}

no_headers()
{
	mount -t tmpfs tmpfs "/lib/modules/$(uname -r)/build"
	exec "$tool" --cache-dir "$cache"
}

# The layout of IPVS's structures is in no headers, and in no BTF: --director cannot work, and says so.
no_layout_for_director()
{
	local status=0
	timeout 220 unshare --mount -- "$self" --call no_layout >out 2>err || status=$?
	expect "exit status" 3 "$status"
	expect "stdout" "" "$(<out)"
	expect "the last line" "ipvs-tcpstate: --director needs the layout of IPVS's structures, which neither BTF nor the kernel's headers \
give here; see -v, and --check" "$(tail -n 1 err)"
}

no_layout()
{
	local dir
	[ ! -e /sys/kernel/btf ] || mount -t tmpfs tmpfs /sys/kernel/btf
	for dir in "/lib/modules/$(uname -r)"/{build,source}/include/net; do
		[ ! -d "$dir" ] || mount -t tmpfs tmpfs "$dir"
	done
	exec "$tool" --no-cache --director
}

headers_package()
{
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID") in
	debian | ubuntu) echo "apt-get install linux-headers-$(uname -r | sed 's|[.+]|[&]|g')" ;;
	*) uname -r ;;
	esac
}

no_tracefs()
{
	umount -R /sys/kernel/tracing /sys/kernel/debug
	exec "$tool" --cache-dir "$cache"
}

libbcc()
{
	ldconfig -p | awk '$1 == "libbcc.so.0" && !found++ { print $NF }'
}

# Replaces the library with an empty file, which the dynamic linker cannot load.
no_libbcc()
{
	mount --bind /dev/null "$(realpath "$(libbcc)")"
	exec "$tool" --no-cache
}

# The library is really missing.
libbcc_gone()
{
	library=$(libbcc)
	mv "$library" "$library.away"
	undo() { mv "$library.away" "$library"; }
	misuse 3 'libbcc.*(install|run:)' "$tool" --no-cache
}

run_bad_hosts()
{
	run "not root" not_root
	run "no headers: names the package" lacking no_headers "$(headers_package)"
	more "no layout of IPVS for --director" no_layout_for_director
	run "no tracefs: says how to mount it" lacking no_tracefs 'mount -t tracefs'
	run "libbcc is broken" lacking no_libbcc 'libbcc'
	run "libbcc is missing: names the package" libbcc_gone
}
