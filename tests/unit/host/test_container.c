/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of control groups as each runtime and driver makes them, and what is no container. */
#include "../unit.h"

#include "host/container.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define POD "01234567-89ab-cdef-0123-456789abcdef"
#define POD_ "01234567_89ab_cdef_0123_456789abcdef"
#define STATIC "0123456789abcdef0123456789abcdef"

static const struct {
	const char *path, *id, *pod;
} paths[] = {
	/* docker */
	{ "/docker/" ID, ID, "" },
	{ "/system.slice/docker-" ID ".scope", ID, "" },
	{ "/system.slice:docker:" ID, ID, "" },
	/* containerd */
	{ "/kubepods/besteffort/pod" POD "/" ID, ID, POD },
	{ "/kubepods/pod" POD "/" ID, ID, POD },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_ ".slice/cri-containerd-" ID ".scope", ID, POD },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/cri-containerd-" ID ".scope", ID, POD },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/docker-" ID ".scope", ID, POD },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" POD_ ".slice:cri-containerd:" ID, ID, POD },
	{ "/kubepods-burstable-pod" STATIC ".slice/cri-containerd-" ID ".scope", ID, STATIC },
	{ "/kubepods/burstable/pod" STATIC "/" ID, ID, STATIC },
	/* cri-o */
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope", ID, POD },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope/container", ID, POD },
	{ "/kubepods/besteffort/pod" POD "/crio-" ID, ID, POD },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" ID ".scope", "", POD },
	{ "/machine.slice/libpod-" ID ".scope/container", ID, "" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "", "" },
	/* seen from another control group namespace */
	{ "/../" ID, ID, "" },
	{ "/../../kubepods-pod" POD_ ".slice/cri-containerd-" ID ".scope", ID, POD },
	/* deeper, and one in the other */
	{ "/docker/" ID "/init.scope", ID, "" },
	{ "/docker/" OTHER "/docker/" ID, ID, "" },
	{ "/docker/" OTHER "/kubelet/kubepods/burstable/pod" POD "/" ID, ID, POD },
	{ "/docker/" OTHER "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD_ ".slice/cri-containerd-" ID ".scope",
	  ID, POD },
	{ "/docker/" OTHER "/kubepods/pod" POD, "", POD },
	{ "/kubepods/pod" POD "/" OTHER "/docker/" ID, ID, POD },
	/* none */
	{ "", "", "" },
	{ "/", "", "" },
	{ "/system.slice/docker.service", "", "" },
	{ "/user.slice/user-1000.slice/session-3.scope", "", "" },
	{ "/kubepods.slice/kubepods-burstable.slice", "", "" },
	{ "/docker/" ID "0", "", "" },
	{ "/docker/0" ID, "", "" },
	{ "/docker/-" ID, ID, "" },
	{ "/docker/x" ID ".scope", "", "" },
	{ "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", "", "" },
	{ "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF", "", "" },
	{ "/kubepods/pod01234567-89ab-cdef-0123-456789abcdeg", "", "" },
	{ "/kubepods/pod01234567-89ab-cdef-0123-456789abcde", "", "" },
	{ "/kubepods/pod0123456-789ab-cdef-0123-456789abcdef", "", "" },
	{ "/system.slice/foo-pod" POD_ ".slice", "", "" },
	{ "/kubepods-burstable-pod.slice", "", "" },
	{ "/kubepods.slice/x.slice:::", "", "" },
};

static void every_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(paths); i++) {
		const struct container c = container_from_path(paths[i].path, strlen(paths[i].path));

		if (strcmp(c.id, paths[i].id) != 0 || strcmp(c.pod, paths[i].pod) != 0)
			fail_msg("%s: '%s', '%s'", paths[i].path, c.id, c.pod);
		assert_int_equal(container_known(&c), *c.id || *c.pod);
	}
}

static void check_process(const char *text, const char *id, const char *pod)
{
	const struct container c = container_from_process(text);

	assert_string_equal(c.id, id);
	assert_string_equal(c.pod, pod);
}

static void process(void **state)
{
	(void)state;
	check_process("0::/docker/" ID "\n", ID, "");
	check_process("0::/docker/" ID, ID, "");
	check_process("12:pids:/\n11:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n0::/\n", ID, "");
	check_process("4:cpu,cpuacct:/kubepods/pod" POD "\n3:memory:/kubepods/pod" POD "/" ID "\n0::/\n", ID, POD);
	check_process("2:cpu:/kubepods/pod" POD "\n1:name=systemd:/x\n", "", POD);
	check_process("1:name=a:b:/x\n0::/system.slice/a:b/docker-" ID ".scope\n", ID, "");
	check_process("0::/system.slice/cron.service\n", "", "");
	check_process("docker/" ID "\n", "", "");
	check_process("0:" ID "\n", "", "");
	check_process("", "", "");
	check_process("\n\n", "", "");
}

static void unified_path(void **state)
{
	const char *text = "9:name=systemd:/a\n0::/b:c\n", *path;
	size_t len = 0;

	(void)state;
	path = container_unified_path(text, &len);
	assert_ptr_equal(path, text + 21);
	assert_int_equal(len, 4);
	assert_null(container_unified_path("10::/x\n", &len));
	assert_null(container_unified_path("", &len));
}

static void names(void **state)
{
	static const struct container c = { .id = ID, .pod = POD }, none = { "", "" };

	(void)state;
	assert_true(container_has_name(&c, "0123456789ab"));
	assert_true(container_has_name(&c, ID));
	assert_true(container_has_name(&c, POD));
	assert_false(container_has_name(&c, "123456789abc"));
	assert_false(container_has_name(&c, ID "0"));
	assert_false(container_has_name(&c, "01234567-89a"));
	assert_false(container_has_name(&none, "0123456789ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path),
		cmocka_unit_test(process),
		cmocka_unit_test(unified_path),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
