# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Functions that the suite and the long run share; "here" is this folder.

# Limits: seconds for one input (a busy host may take nearly all of them for itself), and memory for all inputs.
limits=("-timeout=${FUZZ_TIMEOUT:-25}" -rss_limit_mb=1024)

# targets - lists the names of the targets
targets()
{
	sed -n 's/^\([a-z]*\)\t.*/\1/p' "$here/targets"
}

# unpack_corpus TARGET DIR - unpacks the kept inputs
unpack_corpus()
{
	mkdir -p "$2" && tar -xzf "$here/corpus/$1.tar.gz" -C "$2"
}

# pack_corpus TARGET DIR - archives inputs; the same inputs give the same archive
pack_corpus()
{
	mkdir -p "$here/corpus"
	(cd "$2" && printf '%s\n' * | LC_ALL=C sort |
		tar -c --owner=0 --group=0 --numeric-owner --mode=644 --mtime=@0 -T -) | gzip -9n >"$here/corpus/$1.tar.gz"
}

# longest TARGET - prints the largest size of an input in bytes
longest()
{
	awk -v target="$1" '$1 == target { print $2 }' "$here/targets"
}
