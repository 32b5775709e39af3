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

# unpack_corpus TARGET DIR - the inputs that were kept
unpack_corpus()
{
	mkdir -p "$2" && tar -xzf "$here/corpus/$1.tar.gz" -C "$2"
}

# pack_corpus TARGET DIR - keeps them; the same inputs make the same archive
pack_corpus()
{
	mkdir -p "$here/corpus"
	(cd "$2" && printf '%s\n' * | LC_ALL=C sort |
		tar -c --owner=0 --group=0 --numeric-owner --mode=644 --mtime=@0 -T -) | gzip -9n >"$here/corpus/$1.tar.gz"
}

# longest TARGET - bytes of an input
longest()
{
	awk -v target="$1" '$1 == target { print $2 }' "$here/targets"
}
