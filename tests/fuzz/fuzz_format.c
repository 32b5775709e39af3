/* SPDX-License-Identifier: Apache-2.0 */
/* A byte that selects the field to look for, then a tracepoint's format file. */
#include "fuzz.h"

#include "build/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "skaddr", "oldstate", "protocol", "saddr", "daddr_v6", "err", "" };
	struct format_field field = { 4711, 815 };
	const char *name;
	char *text;
	int err;

	if (!size)
		return 0;
	name = names[data[0] % N_OF(names)];
	text = fuzz_copy(data + 1, size - 1);
	err = format_find(text, name, &field);
	if (!err) {
		expect(field.offset <= 4096 && field.size <= 4096);
		expect(strstr(text, name));
	} else {
		expect(err == -ENOENT || err == -EINVAL);
		expect(field.offset == 4711 && field.size == 815);
	}
	free(text);
	return 0;
}
