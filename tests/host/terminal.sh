# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The output on a terminal and in a pipe.

# terminal TEST - runs a test of terminal.py
terminal()
{
	local long=2001:db8:1111:2222:3333:4444:5555:6666
	own_port
	ip addr add "$long/128" dev lo nodad
	server "$place_4" "[$long]:$port"
	"$host/terminal.py" "$1" "$tool" "$peers/client" "$cache" "$place_4" "[$long]:$port" 2>said || {
		cat said
		return 1
	}
	[ ! -s said ] || note "$(cat said)"
}

run_terminal()
{
	run "terminal: header after each screenful" traced terminal headings
	run "terminal: columns fit IPv6" traced terminal columns
	run "terminal: reasons in colour" traced terminal colours
	run "terminal: Ctrl-C is quiet" traced terminal quiet_end
	run "terminal: --summary in place, -C" traced terminal screen
	run "pipe: one header, no colour, rows at once" traced terminal pipe
}
