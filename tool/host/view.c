/* SPDX-License-Identifier: Apache-2.0 */
#include "host/view.h"

#include "base/abi.h"
#include "base/file.h"
#include "host/namespace.h"
#include "host/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum view_root find_root(void)
{
	struct stat own, first;

	if (!namespace_host_proc())
		return VIEW_OTHER;
	if (stat("/", &own) || stat("/proc/1/root/", &first))	/* needs CAP_SYS_PTRACE */
		return VIEW_NOT_KNOWN;
	return own.st_dev == first.st_dev && own.st_ino == first.st_ino ? VIEW_HOST : VIEW_OTHER;
}

static bool has_filter(void)
{
	char *text = file_read("/proc/self/status");
	bool has = text && strstr(text, "\nSeccomp:\t2");

	free(text);
	return has;
}

/* Opens such an event as the perf buffers are. */
static int try_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_RAW,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err == -EPERM || err == -EACCES || err == -ENOSYS ? err : 0;	/* another one says that it is permitted */
}

void view_probe(struct view *v)
{
	v->root = find_root();
	v->filtered = has_filter();
	v->perf_err = try_perf();
	if (v->perf_err == -ENOSYS && !v->filtered)
		v->perf_err = 0;	/* this kernel has no perf events */
}

bool view_remedy(const struct view *v, const struct remedy *r, char *line, size_t len)
{
	const char *command = r->command && v->root != VIEW_OTHER ? r->command : NULL;
	int used = snprintf(line, len, "%s", command ? command : "");

	if ((!command || v->root != VIEW_HOST) && used >= 0 && (size_t)used < len)
		snprintf(line + used, len - (size_t)used, "%sdocker run %s; Kubernetes: %s", command ? "; or for a container: " : "",
			 r->docker, r->kubernetes);
	return !command;
}

const char *view_forbids(const struct view *v)
{
	return v->filtered ? "the seccomp filter of this process" : "a security module (AppArmor, SELinux, lockdown)";
}

bool view_permit(const struct view *v, char *line, size_t len)
{
	static const struct remedy filter = { NULL, "--security-opt seccomp=unconfined", "seccompProfile type Unconfined" };
	static const struct remedy module = { NULL, "--security-opt apparmor=unconfined --security-opt label=disable",
					      "appArmorProfile type Unconfined, seLinuxOptions type spc_t" };

	return view_remedy(v, v->filtered ? &filter : &module, line, len);
}

bool view_forbids_perf(const struct view *v, char *why, size_t why_len, char *mend, size_t mend_len)
{
	static const struct remedy admin = { "sysctl kernel.perf_event_paranoid=2", "--cap-add SYS_ADMIN", "capabilities.add SYS_ADMIN" };
	char *text = file_read("/proc/sys/kernel/perf_event_paranoid");
	long paranoid = text ? strtol(text, NULL, 10) : 0;

	free(text);
	if (v->perf_err == -EACCES && paranoid > 2 && !privilege_has(privilege_admin())) {
		snprintf(why, why_len, "kernel.perf_event_paranoid is %ld: perf_event_open(2) needs CAP_SYS_ADMIN", paranoid);
		return view_remedy(v, &admin, mend, mend_len);
	}
	snprintf(why, why_len, "perf_event_open(2) is forbidden by %s", view_forbids(v));
	return view_permit(v, mend, mend_len);
}

size_t view_processes(const char *proc_root, size_t *hidden)
{
	DIR *proc = opendir(proc_root);
	struct dirent *process;
	size_t n = 0;

	*hidden = 0;
	while (proc && (process = readdir(proc))) {
		char path[PATH_MAX], link[64];

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/%s/ns/net", proc_root, process->d_name);
		if (readlink(path, link, sizeof(link)) > 0) {
			n++;
		} else if (errno == EACCES || errno == EPERM) {
			n++;
			++*hidden;
		}
	}
	if (proc)
		closedir(proc);
	return n;
}
