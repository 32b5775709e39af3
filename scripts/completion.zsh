#compdef @NAME@
# SPDX-License-Identifier: Apache-2.0
#
# zsh completion of @NAME@. scripts/completion replaces the words between at signs.

# offers the ports of IPVS's virtual services and of listening sockets; in a comma-separated list it completes the last one
_@ID@_ports()
{
	local first second state rest
	local -aU ports
	{
		while read -r first second rest; do
			[[ $first != TCP ]] || ports+=($((16#${second##*:})))
		done </proc/net/ip_vs
		while read -r first second rest state rest; do
			[[ $state != 0A ]] || ports+=($((16#${second##*:})))
		done < <(cat /proc/net/tcp /proc/net/tcp6)
	} 2>/dev/null
	compset -P '*,'
	compadd -S '' -- $ports
}

_arguments -s -S \
@ARGUMENTS@
