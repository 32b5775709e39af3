# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the suite and the long run share; "here" is this folder.

# Of one input: seconds, of which a busy host may take nearly all for itself; and memory of all.
limits=("-timeout=${FUZZ_TIMEOUT:-25}" -rss_limit_mb=1024)

# targets - their names
targets()
{
	sed -n 's/^\([a-z]*\)\t.*/\1/p' "$here/targets"
}

# longest TARGET - bytes of an input
longest()
{
	awk -v target="$1" '$1 == target { print $2 }' "$here/targets"
}
