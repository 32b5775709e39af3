/* SPDX-License-Identifier: Apache-2.0 */
/* What mends something, on a host and for a container; why there are no headers. */
#include "../unit.h"

#include "host/headers.h"
#include "host/view.h"

#include <errno.h>
#include <string.h>

#define CONTAINER "docker run -v /a:/a; Kubernetes: hostPath /a"

static void remedies(void **state)
{
	const struct remedy both = { "mount /a", "-v /a:/a", "hostPath /a" }, none = { NULL, "-v /a:/a", "hostPath /a" };
	struct view v = { .root = VIEW_HOST };
	char line[128];

	(void)state;
	assert_false(view_remedy(&v, &both, line, sizeof(line)));
	assert_string_equal(line, "mount /a");
	assert_true(view_remedy(&v, &none, line, sizeof(line)));
	assert_string_equal(line, CONTAINER);
	v.root = VIEW_NOT_KNOWN;
	assert_false(view_remedy(&v, &both, line, sizeof(line)));
	assert_string_equal(line, "mount /a; or for a container: " CONTAINER);
	assert_true(view_remedy(&v, &none, line, sizeof(line)));
	assert_string_equal(line, CONTAINER);
	v.root = VIEW_OTHER;
	assert_true(view_remedy(&v, &both, line, sizeof(line)));
	assert_string_equal(line, CONTAINER);
	assert_false(view_remedy(&(struct view){ .root = VIEW_NOT_KNOWN }, &both, line, 10));
	assert_string_equal(line, "mount /a;");
}

static void who_forbids(void **state)
{
	char why[128], mend[256];

	(void)state;
	assert_string_equal(view_forbids(&(struct view){ .filtered = true }), "the seccomp filter of this process");
	assert_true(view_permit(&(struct view){ .filtered = true }, mend, sizeof(mend)));
	assert_string_equal(mend, "docker run --security-opt seccomp=unconfined; Kubernetes: seccompProfile type Unconfined");
	assert_true(view_permit(&(struct view){ .filtered = false }, mend, sizeof(mend)));
	assert_string_equal(mend, "docker run --security-opt apparmor=unconfined --security-opt label=disable; "
				  "Kubernetes: appArmorProfile type Unconfined, seLinuxOptions type spc_t");
	assert_true(view_forbids_perf(&(struct view){ .filtered = true, .perf_err = -EPERM }, why, sizeof(why), mend, sizeof(mend)));
	assert_string_equal(why, "perf_event_open(2) is forbidden by the seccomp filter of this process");
}

static void no_headers(void **state)
{
	struct view v = { .root = VIEW_OTHER };
	char why[256], mend[256], path[PATH_MAX] = "", of[HEADERS_RELEASE_SIZE] = "";

	(void)state;
	headers_find("9.9.9-none", path, of);
	if (*path)
		skip_because("this kernel has its headers in itself");
	assert_true(headers_missing("9.9.9-none", &v, why, sizeof(why), mend, sizeof(mend)));
	assert_string_equal(why, "no /lib/modules/9.9.9-none");
	assert_string_equal(mend, "docker run -v /lib/modules:/lib/modules:ro -v /usr/src:/usr/src:ro; "
				  "Kubernetes: hostPath /lib/modules and /usr/src");
	v.root = VIEW_HOST;
	assert_false(headers_missing("9.9.9-none", &v, why, sizeof(why), mend, sizeof(mend)));
	assert_non_null(strstr(mend, "9.9.9-none"));
	assert_null(strstr(mend, "docker"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remedies),
		cmocka_unit_test(who_forbids),
		cmocka_unit_test(no_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
