# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The packaged tcpstates and this tool (-a) run in parallel, with the same options and the same connections. beside.py
# compares their fields, and explains which ones must differ.

# beside_places - sets addresses of this test's own, as both tools see the connections of the whole machine
beside_places()
{
	local octets
	octets=$((BASHPID >> 8 & 255)).$((BASHPID & 255))
	knock_4=127.97.$octets knock_6=fd97::$(printf %x $BASHPID)
	beside_4=127.98.$octets beside_6=fd98::$(printf %x $BASHPID)
	ip addr add "$beside_6/128" dev lo nodad
	ip addr add "$knock_6/128" dev lo nodad
}

# knocked - true if tcpstates has printed a row: then it has attached its program and opened its buffers. These connections
# are not compared. The filters of all tests let their ports pass.
knocked()
{
	local to
	! grep -qE "$knock_4|$knock_6" theirs || return 0
	kill -0 "$their_pid" || fail "tcpstates ended: $(tail -n 1 theirs.err)"
	for to in "$knock_4:7711" "[$knock_6]:7711"; do
		"$peers/client" "$to" >>knocks || :
		"$peers/client" -p 7711 "${to%7711}7712" >>knocks || :
	done
	grep -qE "$knock_4|$knock_6" theirs
}

# beside_rows - counts the rows of tcpstates that are compared
beside_rows()
{
	grep -cE "$beside_4|$beside_6" theirs || :
}

enough_rows()
{
	[ "$(beside_rows)" -ge "$1" ]
}

# connections N - makes N ordinary connections, half of them IPv6, which the client closes, and some of other kinds. They are
# slow enough for tcpstates, which would lose rows otherwise. Sets "rows", the number of state changes, and "made".
connections()
{
	local n=$1 few=$((1 + $1 / 50)) to
	server "$beside_4:7711" "[$beside_6]:7711"
	client --hold 1 -n $((n / 2)) "$beside_4:7711"
	client --hold 1 -n $((n - n / 2)) "[$beside_6]:7711"
	client --hold 1 -n "$few" "[::ffff:$beside_4]:7711"	# an IPv6 socket with IPv4 addresses
	server --reset "$beside_4:7721" "[$beside_6]:7721"
	server --close-first "$beside_4:7731" "[$beside_6]:7731"
	for to in "$beside_4" "[$beside_6]"; do
		client --bytes 1 --wait -n "$few" "$to:7721"
		client --wait -n "$few" "$to:7731"
		client_fails -n "$few" "$to:7741"
	done
	xargs kill <server_pids
	# Client and server have 5 changes each, or 3 with a reset; a refused client has 2; 6 sockets listen.
	rows=$((10 * (n + few) + 2 * few * (6 + 10 + 2) + 2 * 6))
	made=$((n + few + 2 * few * 3))
}

# beside N [OPTION...]
beside()
{
	local n=$1
	shift
	command -v tcpstates-bpfcc >/dev/null || skip "no tcpstates-bpfcc (bpfcc-tools)"
	beside_places
	PYTHONUNBUFFERED=1 tcpstates-bpfcc "$@" >theirs 2>theirs.err &
	their_pid=$!
	pids+=("$their_pid")
	tool_start -a "$@"
	wait_for knocked
	connections "$n"
	compare "$@"
	note "$made connections, $rows rows"
}

# compare OPTION... - compares after tcpstates has all rows, or 5 s have passed
compare()
{
	local deadline=$((SECONDS + 5))
	until enough_rows "$rows" || [ $SECONDS -ge $deadline ]; do
		sleep 0.05
	done
	kill "$their_pid"
	tool_stop
	# The tools may lose rows of other connections on this machine, but none of these.
	"$host/beside.py" theirs rows "$beside_4,$beside_6,::ffff:$beside_4" "$rows" "$@" ||
		fail "$(lost) rows lost on this machine"
}

# beside_filter WHAT OPTION... - checks that a filter lets the same rows pass; WHAT is their number: the rows of ordinary
# connections of each family and of listening sockets
beside_filter()
{
	local expected=$1
	shift
	command -v tcpstates-bpfcc >/dev/null || skip "no tcpstates-bpfcc (bpfcc-tools)"
	beside_places
	PYTHONUNBUFFERED=1 tcpstates-bpfcc "$@" >theirs 2>theirs.err &
	their_pid=$!
	pids+=("$their_pid")
	tool_start -a "$@"
	wait_for knocked
	server "$beside_4:7711" "[$beside_6]:7711" "$beside_4:7712"
	client --hold 1 -n 10 "$beside_4:7711"
	client --hold 1 -n 10 "[$beside_6]:7711"
	client --hold 1 -n 10 "$beside_4:7712"
	xargs kill <server_pids
	rows=$expected
	compare "$@"
	note "$rows rows"
}

# spellings - lists the options of tcpstates from its script, one spelling a line: -T, --time, ...
spellings()
{
	grep -E 'add_argument\(' "$(command -v tcpstates-bpfcc)" | grep -oE '"--?[A-Za-z0-9]+"' | tr -d '"'
}

takes()
{
	"$tool" "$@" --ebpf >out 2>err || fail "refused: $*: $(cat err)"
	[ -s out ] || fail "$* --ebpf prints nothing"
}

# Both tools must accept each spelling; --ebpf ends them before they trace.
every_spelling()
{
	local spelling n=0
	command -v tcpstates-bpfcc >/dev/null || skip "no tcpstates-bpfcc (bpfcc-tools)"
	for spelling in $(spellings); do
		case $spelling in
		-L | -D | --localport | --remoteport)
			takes "$spelling" 80,81
			takes "$spelling" "80, 81"
			takes "$spelling=80"
			;;
		*) takes "$spelling" ;;
		esac
		n=$((n + 1))
	done
	[ "$n" -ge 19 ] || fail "only $n spellings in $(command -v tcpstates-bpfcc)"
	"$tool" -h | grep -q usage: || fail "no help by -h"
	"$tool" --help | grep -q usage: || fail "no help by --help"
	note "$n"
}

# -h is not tested: it ends the tool too, but prints something else.
every_combination()
{
	local word letter flags family ports n=0
	for flags in '' T t Tt; do
		for word in '' w s Y ws wY sY wsY; do
			for family in '' -4 -6; do
				for ports in '' -L80 '-D 80,81' '-L 80 -D 81'; do
					letter=$flags$word
					# shellcheck disable=SC2086 # lists of words
					takes ${letter:+-$letter} $family $ports
					n=$((n + 1))
				done
			done
		done
	done
	for word in stT Tts tsT wtT; do
		takes "-$word"
	done
	note "$n"
}

# This tool refuses what tcpstates refuses.
refusals()
{
	local option
	command -v tcpstates-bpfcc >/dev/null || skip "no tcpstates-bpfcc (bpfcc-tools)"
	for option in "-4 -6" "-64" "--ti" "-L" "word" "-z" "-w=1"; do
		# shellcheck disable=SC2086 # lists of words
		misuse 2 . "$tool" $option --ebpf
		# shellcheck disable=SC2086 # the same
		! tcpstates-bpfcc $option --ebpf >out 2>err || fail "tcpstates takes $option"
	done
}

run_beside()
{
	local format times n
	run "tcpstates' options: each spelling" every_spelling
	run "tcpstates' options: together in every way" every_combination
	run "tcpstates' options: what it refuses" refusals
	for times in '' -T -t -tT; do
		n=100
		[ "$times" != -tT ] || n=1000
		for format in '' -w -s; do
			# shellcheck disable=SC2086 # lists of words
			run "beside tcpstates${format:+ $format}${times:+ $times}" traced beside $n $format $times
		done
	done
	run "beside tcpstates -stT" traced beside 100 -stT
	run "beside tcpstates -4" traced beside_filter 204 -4
	run "beside tcpstates -6" traced beside_filter 102 -6
	run "beside tcpstates -D" traced beside_filter 100 -D 7711
	run "beside tcpstates -L" traced beside_filter 104 -L 7711,7713
	run "beside tcpstates -4s -D" traced beside_filter 100 -4sD "7711, 7712"
}
