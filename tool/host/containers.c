/* SPDX-License-Identifier: Apache-2.0 */
#include "host/containers.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_CGROUP_NAMESPACE 0xeffffffbU	/* inode number, PROC_CGROUP_INIT_INO, include/linux/proc_ns.h */
#define KNOWN_WAYS 8
#define KNOWN_SETS 512
#define PID_FRESH_NS 1000000000ULL	/* the kernel does not give a PID to another process so soon */
#define NETNS_FRESH_NS 250000000ULL	/* nor is a container started so soon: it may get the namespace's number */
#define PF_EXITING 4			/* include/linux/sched.h */
#define KTHREADD 2			/* the PID of the first kernel thread: kernel threads are in the host's namespaces */
#define SCAN_SHARE 20			/* reading all of /proc takes at most 1/20 of the time */

enum kind { UNUSED, CGROUP, PROCESS, SOCKET, NETNS };

struct known {
	uint64_t number;		/* what it is depends on the kind: an ID, an address, an inode number */
	uint64_t checked_ns, used_ns;
	uint32_t pid;			/* of a namespace: a process there */
	uint8_t kind;			/* enum kind */
	bool several;			/* of a namespace: there are different containers */
	struct container container;
};

enum answer { NOT_KNOWN, KNOWN };	/* known, also that the process is in no container */

/* ---- what is known */

static struct known *known_set(const struct containers *c, enum kind kind, uint64_t number)
{
	uint64_t hash = (number + kind) * 0x9e3779b97f4a7c15ULL;

	return &c->known[(hash >> 32) % KNOWN_SETS * KNOWN_WAYS];
}

static struct known *find_known(const struct containers *c, enum kind kind, uint64_t number, uint64_t now_ns)
{
	struct known *k = known_set(c, kind, number);

	for (int i = 0; i < KNOWN_WAYS; i++, k++)
		if (k->number == number && k->kind == kind) {
			k->used_ns = now_ns;
			return k;
		}
	return NULL;
}

static struct known *add_known(const struct containers *c, enum kind kind, uint64_t number, uint64_t now_ns,
			       const struct container *container)
{
	struct known *set = known_set(c, kind, number), *k = find_known(c, kind, number, now_ns);

	for (int i = 0; i < KNOWN_WAYS && !k; i++)
		if (set[i].kind == UNUSED)
			k = &set[i];
	if (!k) {
		k = set;
		for (int i = 1; i < KNOWN_WAYS; i++)
			if (set[i].used_ns < k->used_ns)
				k = &set[i];
	}
	*k = (struct known){ .number = number, .checked_ns = now_ns, .used_ns = now_ns, .kind = (uint8_t)kind,
			     .container = *container };
	return k;
}

static void see_group(void *cookie, uint32_t id, const struct container *inside)
{
	add_known(cookie, CGROUP, id, clock_now_ns(), inside);
}

/* ---- /proc */

/* Returns the text of /proc/PID/NAME for the caller to free, or NULL. */
static char *read_proc(const struct containers *c, uint32_t pid, const char *name)
{
	char path[PATH_MAX];

	if (!c->proc_root || !pid)
		return NULL;
	snprintf(path, sizeof(path), "%s/%" PRIu32 "/%s", c->proc_root, pid, name);
	return file_read(path);
}

/* True if the process is ending: proc_cgroup_show(), kernel/cgroup/cgroup.c, tells / as its v1 groups then. */
static bool is_ending(const struct containers *c, uint32_t pid)
{
	char *text = read_proc(c, pid, "stat"), *at = text ? strrchr(text, ')') : NULL;
	unsigned long flags;

	for (int i = 0; i < 7 && at; i++)	/* the seventh after the name */
		at = strchr(at + 1, ' ');
	flags = at ? strtoul(at, NULL, 10) : PF_EXITING;
	free(text);
	return flags & PF_EXITING;
}

/* Returns false if the process is gone. */
static bool read_container(const struct containers *c, uint32_t pid, struct container *to)
{
	char *text = read_proc(c, pid, "cgroup");
	bool read = text;

	if (text)
		*to = container_from_process(text);
	free(text);
	return read && (container_known(to) || !is_ending(c, pid));
}

static uint32_t read_netns(const struct containers *c, uint32_t pid)
{
	char path[PATH_MAX], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%" PRIu32 "/ns/net", c->proc_root, pid);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;	/* the process has ended, or we may not look into it */
	link[n] = '\0';
	return strncmp(link, "net:[", 5) ? 0 : (uint32_t)strtoul(link + 5, NULL, 10);
}

/* ---- by control group */

static enum answer from_group(struct containers *c, const struct containers_query *q)
{
	const uint32_t id = q->cgroup;
	const struct known *k;
	const char *path;
	size_t len = 0;
	char *text;

	if (!id)
		return NOT_KNOWN;
	k = find_known(c, CGROUP, id, q->now_ns);
	if (!k) {	/* groups are not watched, or there are very many */
		text = read_proc(c, q->pid, "cgroup");
		path = text ? container_unified_path(text, &len) : NULL;
		if (path && cgroups_id(&c->groups, path, len) == id) {
			const struct container inside = container_from_path(path, len);

			k = add_known(c, CGROUP, id, q->now_ns, &inside);
		}
		free(text);
	}
	if (k)
		c->found = k->container;
	return k && (container_known(&c->found) || !c->partial) ? KNOWN : NOT_KNOWN;
}

/* ---- by process */

static enum answer from_process(struct containers *c, const struct containers_query *q)
{
	struct known *k = NULL;

	if (!q->pid)
		return NOT_KNOWN;
	if (!q->opens) {
		k = find_known(c, SOCKET, q->skaddr, q->now_ns);
		if (!k)
			return NOT_KNOWN;
		c->found = k->container;
		if (q->ends)
			k->kind = UNUSED;
		return KNOWN;
	}
	k = find_known(c, PROCESS, q->pid, q->now_ns);
	if (k && q->now_ns - k->checked_ns < PID_FRESH_NS)
		c->found = k->container;
	else if (read_container(c, q->pid, &c->found))
		add_known(c, PROCESS, q->pid, q->now_ns, &c->found);
	else
		return NOT_KNOWN;
	add_known(c, SOCKET, q->skaddr, q->now_ns, &c->found);
	return KNOWN;
}

/* ---- by network namespace */

/* Notes that process @pid, in container @in, is in the namespace. */
static void add_to_netns(const struct containers *c, uint32_t netns, uint32_t pid, struct container in, uint64_t now_ns)
{
	struct known *k = find_known(c, NETNS, netns, now_ns);

	if (*in.pod)
		in.id[0] = '\0';
	if (!k || k->checked_ns != now_ns)
		add_known(c, NETNS, netns, now_ns, &in)->pid = pid;
	else if (strcmp(k->container.id, in.id) != 0 || strcmp(k->container.pod, in.pod) != 0)
		k->several = true;
}

/* Looks at all processes in namespaces other than the host's. */
static void scan_processes(struct containers *c, uint64_t now_ns)
{
	const uint64_t began_ns = clock_now_ns();
	DIR *proc = opendir(c->proc_root);
	struct dirent *process;
	uint64_t ended_ns;

	while (proc && (process = readdir(proc))) {
		uint32_t pid = (uint32_t)strtoul(process->d_name, NULL, 10), netns;
		struct container in;

		netns = pid ? read_netns(c, pid) : 0;
		if (netns && netns != c->host_netns && read_container(c, pid, &in) && container_known(&in))
			add_to_netns(c, netns, pid, in, now_ns);
	}
	if (proc)
		closedir(proc);
	ended_ns = clock_now_ns();
	c->scan_after_ns = ended_ns + SCAN_SHARE * (ended_ns - began_ns);
}

/* True if what is known of a namespace still holds: as long as a process is in it, its number is not used again. */
static bool still_holds(const struct containers *c, struct known *k, uint64_t now_ns)
{
	struct container in;

	if (now_ns - k->checked_ns < NETNS_FRESH_NS)
		return true;
	if (!k->pid || read_netns(c, k->pid) != k->number || !read_container(c, k->pid, &in))
		return false;
	if (*in.pod)
		in.id[0] = '\0';
	if (strcmp(in.id, k->container.id) != 0 || strcmp(in.pod, k->container.pod) != 0)
		return false;
	k->checked_ns = now_ns;
	return true;
}

static enum answer from_netns(struct containers *c, const struct containers_query *q)
{
	const struct container none = { "", "" };
	struct known *k;

	if (!q->netns || !c->proc_root || !c->host_netns || q->netns == c->host_netns)
		return NOT_KNOWN;
	k = find_known(c, NETNS, q->netns, q->now_ns);
	if (!k || !still_holds(c, k, q->now_ns)) {
		if (clock_now_ns() < c->scan_after_ns)
			return NOT_KNOWN;
		scan_processes(c, q->now_ns);
		k = find_known(c, NETNS, q->netns, q->now_ns);
		if (!k || k->checked_ns != q->now_ns)
			k = add_known(c, NETNS, q->netns, q->now_ns, &none);
	}
	if (k->several)
		return NOT_KNOWN;
	c->found = k->container;
	return KNOWN;
}

/* ---- all together */

/* True if the v2 hierarchy that this process sees may lack the group that tells. */
static bool is_partial(void)
{
	char *text = file_read("/proc/self/cgroup");
	bool v1 = text && (strncmp(text, "0::", 3) != 0 || strchr(text, '\n') != strrchr(text, '\n'));
	struct stat st;

	free(text);
	return v1 || (!stat("/proc/self/ns/cgroup", &st) && st.st_ino != HOST_CGROUP_NAMESPACE);
}

int containers_open(struct containers *c, const char *proc_root)
{
	memset(c, 0, sizeof(*c));
	c->proc_root = proc_root;
	c->known = calloc((size_t)KNOWN_SETS * KNOWN_WAYS, sizeof(*c->known));
	if (!c->known)
		return -ENOMEM;
	c->partial = is_partial();
	c->host_netns = proc_root ? read_netns(c, KTHREADD) : 0;
	cgroups_open(&c->groups, see_group, c);
	return 0;
}

void containers_follow(struct containers *c)
{
	if (c->known)
		cgroups_follow(&c->groups);
}

const struct container *containers_find(struct containers *c, const struct containers_query *q)
{
	if (!c->known)
		return NULL;
	c->found = (struct container){ "", "" };
	if (from_group(c, q) == NOT_KNOWN && ((q->cgroup && !c->partial) || from_process(c, q) == NOT_KNOWN))
		from_netns(c, q);
	return container_known(&c->found) ? &c->found : NULL;
}

void containers_close(struct containers *c)
{
	cgroups_close(&c->groups);
	free(c->known);
	memset(c, 0, sizeof(*c));
}
