# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Another Debian suite's packages, for scripts/kernel and scripts/root, through an apt configuration of our own:
# nothing is installed here, and this machine's package lists stay as they are.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# suite_own_sources - this machine's own sources, a line "RELEASE URI" each: from apt's lists or, where there are
# none yet, from its two kinds of files
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

# suite_mirror RELEASE - where this machine gets the packages of a release of its own
suite_mirror()
{
	suite_own_sources | awk -v release="$1" '$1 == release && $2 ~ /debian/ { print $2; exit }'
}

# suite_sources SUITE - its lines for a sources.list; fails where this machine has no mirror of Debian
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

# suite_use DIR SUITE - read the package lists of SUITE into DIR, for suite_apt_get and suite_apt_cache
suite_use()
{
	suite_dir=$1
	mkdir -p "$suite_dir/lists/partial" "$suite_dir/archives/partial" || return
	suite_sources "$2" >"$suite_dir/sources.list" || return
	# Check-Valid-Until: a mirror or snapshot may be older than a test kernel needs to care about.
	cat >"$suite_dir/apt.conf" <<-END
	Dir::State "$suite_dir";
	Dir::State::status "/dev/null";
	Dir::Cache "$suite_dir";
	Dir::Etc::sourcelist "$suite_dir/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	APT::Architecture "amd64";
	APT::Architectures "amd64";
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
