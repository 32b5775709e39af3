# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Gets packages of another Debian suite for scripts/kernel and scripts/root, with an apt configuration of its own:
# it installs nothing here, and does not change this machine's package lists.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# suite_own_sources - prints this machine's own sources, one "RELEASE URI" a line: from apt's lists or, if there are
# none yet, from both kinds of source files
suite_own_sources()
{
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null | sort -u
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n 's/^deb *\(\[[^]]*\]\)\? *\([^ ]*\) *\([^ ]*\) .*/\3 \2/p'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { for (i = 2; i <= NF; i++) print $i, uri }'
}

# suite_mirror RELEASE - prints the mirror of one of this machine's own releases
suite_mirror()
{
	suite_own_sources | awk -v release="$1" '$1 == release && $2 ~ /debian/ { print $2; exit }'
}

# suite_sources SUITE - prints the lines for a sources.list; fails if this machine has no Debian mirror
suite_sources()
{
	local own main security
	own=$(. /etc/os-release && echo "${ID-} ${VERSION_CODENAME-}")
	[ "${own% *}" = debian ] || return 1
	main=$(suite_mirror "${own#* }")
	security=$(suite_mirror "${own#* }-security")
	[ "$main" ] || return 1
	[ -r "$keyring" ] || return 1
	echo "deb [signed-by=$keyring] $main $1 main"
	[ "$1" = sid ] || [ -z "$security" ] || echo "deb [signed-by=$keyring] $security $1-security main"
}

# suite_use DIR SUITE [ARCH] - reads the package lists of SUITE into DIR, for suite_apt_get and suite_apt_cache
suite_use()
{
	local arch=${3:-amd64}
	suite_dir=$1
	mkdir -p "$suite_dir/lists/partial" "$suite_dir/archives/partial" || return
	suite_sources "$2" >"$suite_dir/sources.list" || return
	# Check-Valid-Until: the lists of a mirror or snapshot may be out of date; that does not matter for a test kernel.
	cat >"$suite_dir/apt.conf" <<-END
	Dir::State "$suite_dir";
	Dir::State::status "/dev/null";
	Dir::Cache "$suite_dir";
	Dir::Etc::sourcelist "$suite_dir/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	APT::Architecture "$arch";
	APT::Architectures "$arch";
	APT::Default-Release "";
	APT::Sandbox::User "";
	APT::Update::Error-Mode "any";
	Acquire::Check-Valid-Until "false";
	Acquire::Languages "none";
	END
	suite_apt_get update
}

suite_apt_get()
{
	APT_CONFIG=$suite_dir/apt.conf apt-get -q "$@" >"$suite_dir/log" 2>&1 || {
		grep '^[EW]:' "$suite_dir/log" | head -n 3 >&2
		return 1
	}
}

suite_apt_cache()
{
	APT_CONFIG=$suite_dir/apt.conf apt-cache "$@"
}
