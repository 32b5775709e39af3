/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/naming.h"

#include "base/log.h"
#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int naming_begin(struct naming *n, const struct options *options, char *errmsg, size_t len)
{
	if (!options->names.n)
		return 0;
	n->files = &options->names;
	n->hangups = stop_not_by_hangup();
	log_debug("names: %zu files", n->files->n);
	return names_read(&n->names, n->files->path, n->files->n, false, errmsg, len);
}

void naming_follow(struct naming *n)
{
	char errmsg[384];

	if (!n->files || *n->hangups == n->followed)
		return;
	n->followed = *n->hangups;
	if (names_read(&n->names, n->files->path, n->files->n, true, errmsg, sizeof(errmsg)))
		log_error("%s; the old names stay", errmsg);
	else
		log_info("%zu names read again", n->names.n);
}

bool naming_can_read(const struct naming *n)
{
	for (size_t i = 0; n->files && i < n->files->n; i++) {
		int fd = open(n->files->path[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd < 0 && errno == EACCES)
			return false;
		if (fd >= 0)
			close(fd);
	}
	return true;
}

void naming_end(struct naming *n)
{
	names_free(&n->names);
}
