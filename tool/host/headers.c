/* SPDX-License-Identifier: Apache-2.0 */
#include "host/headers.h"

#include "base/file.h"
#include "host/distro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

/* Reads the release from: #define UTS_RELEASE "6.1.0-56-amd64" */
static void read_headers_release(const char *headers, char of[HEADERS_RELEASE_SIZE])
{
	char path[PATH_MAX + 64], *text, *quote;

	snprintf(path, sizeof(path), "%s/include/generated/utsrelease.h", headers);
	text = file_read(path);
	quote = text ? strchr(text, '"') : NULL;
	if (quote)
		snprintf(of, HEADERS_RELEASE_SIZE, "%.*s", (int)strcspn(quote + 1, "\"\n"), quote + 1);
	free(text);
}

/* libbcc needs the link "build"; Debian keeps half of the headers under "source". */
void headers_find(const char *release, char headers[PATH_MAX], char of[HEADERS_RELEASE_SIZE])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/build/include", release);
	if (is_there(path)) {
		snprintf(headers, PATH_MAX, "/lib/modules/%s/build", release);
		read_headers_release(headers, of);
		return;
	}
	if (is_there("/sys/kernel/kheaders.tar.xz"))
		snprintf(headers, PATH_MAX, "/sys/kernel/kheaders.tar.xz");
}

bool headers_missing(const char *release, const struct view *v, char *why, size_t why_len, char *mend, size_t mend_len)
{
	char folder[128], build[160], target[PATH_MAX], install[256], docker[600], kubernetes[300];
	ssize_t n;

	distro_headers_hint(release, install, sizeof(install));
	snprintf(folder, sizeof(folder), "/lib/modules/%s", release);
	snprintf(build, sizeof(build), "%s/build", folder);
	n = readlink(build, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	if (!is_there(folder)) {
		snprintf(why, why_len, "no %s", folder);
		strcpy(docker, "-v /lib/modules:/lib/modules:ro -v /usr/src:/usr/src:ro");
		strcpy(kubernetes, "hostPath /lib/modules and /usr/src");
	} else if (*target && !is_there(build)) {
		/* The links of distributions lead there; another folder is mounted as it is. */
		const char *place = *target != '/' || !strncmp(target, "/usr/src/", 9) ? "/usr/src" : target;

		snprintf(why, why_len, "%s leads to %.256s, which is not there", build, target);
		snprintf(docker, sizeof(docker), "-v %.256s:%.256s:ro", place, place);
		snprintf(kubernetes, sizeof(kubernetes), "hostPath %.256s", place);
	} else {
		/* The folder is the host's, so the host itself lacks them; a container's package would be another system's. */
		snprintf(why, why_len, "no %s", build);
		if (v->root == VIEW_OTHER)
			snprintf(mend, mend_len, "the headers of kernel %s, on the host", release);
		else
			snprintf(mend, mend_len, "%s", install);
		return v->root == VIEW_OTHER;
	}
	return view_remedy(v, &(struct remedy){ install, docker, kubernetes }, mend, mend_len);
}
