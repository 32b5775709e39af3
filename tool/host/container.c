/* SPDX-License-Identifier: Apache-2.0 */
#include "host/container.h"

#include <string.h>

#define UUID_LEN 36
#define HASH_LEN 32	/* a static pod, which the kubelet reads from a file, has a hash as its UID */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_hex(text[i]))
			return false;
	return true;
}

static bool is_uuid(const char *text)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' && text[i] != '_' : !is_hex(text[i]))
			return false;
	}
	return true;
}

static bool cut_suffix(const char *name, size_t *len, const char *suffix)
{
	size_t n = strlen(suffix);

	if (*len < n || memcmp(name + *len - n, suffix, n) != 0)
		return false;
	*len -= n;
	return true;
}

/* The name is podUID, or for systemd kubepods-podUID.slice, perhaps with the class and other words before the pod. */
static bool enter_pod(struct container *c, const char *name, size_t len)
{
	size_t at = 0;

	if (cut_suffix(name, &len, ".slice")) {
		if (!memmem(name, len, "kubepods", strlen("kubepods")))
			return false;
		for (at = len; at > 0 && name[at - 1] != '-'; at--)
			;	/* the UID has no dash there */
	}
	name += at;
	len -= at;
	if (len < 3 || memcmp(name, "pod", 3) != 0)
		return false;
	name += 3;
	len -= 3;
	if (!(len == UUID_LEN && is_uuid(name)) && !(len == HASH_LEN && all_hex(name, len)))
		return false;
	memset(c, 0, sizeof(*c));
	memcpy(c->pod, name, len);
	for (size_t i = 0; i < len; i++)
		if (c->pod[i] == '_')
			c->pod[i] = '-';
	return true;
}

/* The name is the ID, perhaps with the runtime's name before it. conmon watches a container from outside of it. */
static void enter_container(struct container *c, const char *name, size_t len)
{
	const char *id;
	size_t before;

	cut_suffix(name, &len, ".scope");
	if (len < CONTAINER_ID_DIGITS)
		return;
	before = len - CONTAINER_ID_DIGITS;
	id = name + before;
	if (!all_hex(id, CONTAINER_ID_DIGITS) || (before && name[before - 1] != '-'))
		return;
	if (before && cut_suffix(name, &before, "conmon-"))
		return;
	memcpy(c->id, id, CONTAINER_ID_DIGITS);
	c->id[CONTAINER_ID_DIGITS] = '\0';
}

void container_enter(struct container *c, const char *name, size_t len)
{
	const char *end = name + len;

	while (name < end) {
		const char *colon = memchr(name, ':', (size_t)(end - name));
		size_t n = (size_t)((colon ? colon : end) - name);

		if (!enter_pod(c, name, n))
			enter_container(c, name, n);
		name += n + 1;
	}
}

struct container container_from_path(const char *path, size_t len)
{
	struct container c = { "", "" };
	const char *end = path + len;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash ? slash : end) - path);

		container_enter(&c, path, n);
		path += n + 1;
	}
	return c;
}

/* Returns the path of a line of /proc/PID/cgroup, or NULL. */
static const char *line_path(const char *line, size_t len, size_t *path_len)
{
	const char *end = line + len, *colon = memchr(line, ':', len);

	if (colon)
		colon = memchr(colon + 1, ':', (size_t)(end - colon - 1));
	if (!colon)
		return NULL;
	*path_len = (size_t)(end - colon - 1);
	return colon + 1;
}

struct container container_from_process(const char *text)
{
	struct container found = { "", "" };

	for (size_t len; *text; text += len + (text[len] == '\n')) {
		struct container c;
		const char *path;
		size_t n;

		len = strcspn(text, "\n");
		path = line_path(text, len, &n);
		if (!path)
			continue;
		c = container_from_path(path, n);
		if (*c.id)
			return c;
		if (!*found.pod)
			found = c;
	}
	return found;
}

const char *container_unified_path(const char *text, size_t *len)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (!strncmp(text, "0::", 3))
			return line_path(text, n, len);
	}
	return NULL;
}

bool container_has_name(const struct container *c, const char *name)
{
	return !strncmp(c->id, name, strlen(name)) || !strcmp(c->pod, name);
}
