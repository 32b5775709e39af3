/* SPDX-License-Identifier: Apache-2.0 */
/* A /proc/PID/cgroup: what is found must be an ID and a UID that are there. */
#include "fuzz.h"

#include "host/container.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size), pod[37];
	struct container c = container_from_process(text);
	const char *path;
	size_t len = 0;

	expect(!*c.id || (strlen(c.id) == 64 && strspn(c.id, "0123456789abcdef") == 64 && strstr(text, c.id)));
	expect(!*c.pod || strlen(c.pod) == 32 || strlen(c.pod) == 36);
	expect(strspn(c.pod, "0123456789abcdef-") == strlen(c.pod));
	for (size_t i = 0; i < sizeof(pod); i++)
		pod[i] = (char)(c.pod[i] == '-' ? '_' : c.pod[i]);
	expect(strstr(text, c.pod) || strstr(text, pod) || (strchr(text, '_') && strchr(text, '-')));
	path = container_unified_path(text, &len);
	expect(!path || (path >= text && path + len <= text + strlen(text)));
	if (path)
		(void)container_from_path(path, len);
	free(text);
	return 0;
}
