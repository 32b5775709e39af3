/* SPDX-License-Identifier: Apache-2.0 */
#include "host/distro.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum distribution { DEBIAN, FEDORA, AMAZON, SUSE, OTHER };

static enum distribution distribution(void)
{
	static const struct {
		const char *word;
		enum distribution is;
	} words[] = { { "amzn", AMAZON },   { "debian", DEBIAN },  { "ubuntu", DEBIAN },
		      { "suse", SUSE },	    { "fedora", FEDORA },  { "rhel", FEDORA },
		      { "centos", FEDORA } };
	enum distribution is = OTHER;
	char *text = file_read("/etc/os-release");
	char *line, *rest = text;

	while (is == OTHER && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, "ID=", 3) && strncmp(line, "ID_LIKE=", 8))
			continue;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && is == OTHER; i++)
			if (strstr(line, words[i].word))
				is = words[i].is;
	}
	free(text);
	return is;
}

void distro_headers_hint(const char *release, char *line, size_t len)
{
	static const char *const commands[] = {
		[DEBIAN] = "apt-get install linux-headers-%s",
		[FEDORA] = "yum install kernel-devel-%s",
		[AMAZON] = "yum install kernel-devel-%s",
		[SUSE] = "zypper install kernel-default-devel (for %s)",
		[OTHER] = "install the headers of kernel %s so that /lib/modules has its build link",
	};

/* The format strings are those of the table above, not input. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(line, len, commands[distribution()], release);
#pragma GCC diagnostic pop
}

void distro_libbcc_hint(char *line, size_t len)
{
	static const char *const commands[] = {
		[DEBIAN] = "apt-get install libbpfcc",
		[FEDORA] = "yum install bcc",
		[AMAZON] = "yum install bcc",
		[SUSE] = "zypper install libbcc0",
		[OTHER] = "install BCC's library, libbcc.so.0",
	};

	snprintf(line, len, "%s", commands[distribution()]);
}
