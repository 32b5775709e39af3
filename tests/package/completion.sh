# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the completion in a real bash and a real zsh on a terminal. A function replaces the tool and prints its arguments,
# so the output shows the line that Tab has completed.

# shellcheck disable=SC2154 # of lib.sh and run
show='ipvs-tcpstate() { printf "<%s>" "$@"; echo; }'

# press FOLDER SHELL LINE... - types the lines into SHELL; FOLDER has the installed completion
press()
{
	local folder=$1 shell=$2
	shift 2
	case $shell in
	bash)
		python3 "$here/press.py" bash --norc --noprofile -i -- \
			"$show; . $folder/share/bash-completion/completions/ipvs-tcpstate; cd $PWD/here" "$@"
		;;
	zsh)
		[ -n "$(command -v zsh)" ] || skip "no zsh; run: make setup"
		python3 "$here/press.py" zsh -f -i -- "$show; fpath=($folder/share/zsh/site-functions \$fpath);
			autoload -U compinit && compinit -u -D; cd $PWD/here" "$@"
		;;
	esac >shown || { cat shown; fail "$shell did not answer"; }
	tr -d '\r' <shown >err
}

# shows TEXT - checks that the shell ran a line with these words
shows()
{
	grep -qF -- "$1" err || fail "no $1 from $shell"
}

# lists WORD... - checks that the shell offered each word
lists()
{
	local word
	for word; do
		grep -qwF -- "$word" err || fail "$shell does not offer $word"
	done
}

completion()
{
	local shell=$1
	mkdir -p here/folder.d
	touch here/folder.f
	make -s -C "$top" BUILD="$built" DESTDIR="$PWD/root" install >/dev/null

	ip link set lo up
	server 127.0.0.1:8099

	press "$PWD/root/usr/local" "$shell" 'ipvs-tcpstate --js\t' 'ipvs-tcpstate -a --remotep\t80' \
		'ipvs-tcpstate --cache-dir fol\t' 'ipvs-tcpstate -L 809\t' 'ipvs-tcpstate -sD 80,809\t'
	shows '<--json>'
	grep -qE -- '<--cache-dir><folder.d/?>' err || fail "no folder from $shell"
	shows '<-L><8099>'
	shows '<-sD><80,8099>'
	grep -qE -- '<-a><--remoteport(=|><)80>' err || fail "no --remoteport from $shell"

	press "$PWD/root/usr/local" "$shell" 'ipvs-tcpstate --c\t\t'
	lists --csv --count --check --cache-dir
}
