# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# bash completion of @NAME@. scripts/completion replaces the words between at signs.

# _@ID@_ports - offers the ports of IPVS's virtual services and of listening sockets
_@ID@_ports()
{
	local first second state rest
	{
		while read -r first second rest; do
			[[ $first != TCP ]] || echo $((16#${second##*:}))
		done </proc/net/ip_vs
		while read -r first second rest state rest; do
			[[ $state != 0A ]] || echo $((16#${second##*:}))
		done < <(cat /proc/net/tcp /proc/net/tcp6)
	} 2>/dev/null | sort -un
}

_@ID@()
{
	local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} value='' given=''
	# bash splits --option=value at the equals sign.
	if [[ $cur == = ]]; then
		cur=''
	elif [[ $option == = ]]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	# In joined letters such as -sD only the last one can take the next word.
	[[ $option != -[!-]* ]] || option=-${option: -1}
	case $option in
	@VALUES@) ;;
	esac
	COMPREPLY=()
	case $value in
	'')
		[[ $cur != -* ]] || mapfile -t COMPREPLY < <(compgen -W "@WORDS@" -- "$cur")
		;;
	FILE)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	DIR)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	PID)
		mapfile -t COMPREPLY < <(cd /proc && compgen -W "$(compgen -G '[0-9]*')" -- "$cur")
		;;
	PORTS)
		[[ $cur != *,* ]] || given=${cur%,*},
		mapfile -t COMPREPLY < <(compgen -P "$given" -W "$(_@ID@_ports)" -- "${cur##*,}")
		;;
	esac
}

complete -F _@ID@ @NAME@
