/* SPDX-License-Identifier: Apache-2.0 */
/* Type information: alone, or its first part as the kernel's and the rest as a module's, which builds on it. */
#include "fuzz.h"

#include "build/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct btf_member members[] = { { .type = "sock", .name = "sk_err" }, { .type = "ab", .name = "c" },
					{ .type = "", .name = "" } };
	uint8_t *btf, *base = NULL;
	size_t base_len = 0;
	int err;

	if (size < 2)
		return 0;
	memcpy(&base_len, data, 2);
	data += 2;
	size -= 2;
	if (base_len > size)
		base_len = 0;
	btf = fuzz_bytes(data + base_len, size - base_len);
	if (base_len)
		base = fuzz_bytes(data, base_len);
	err = btf_find(btf, size - base_len, base, base_len, members, N_OF(members));
	expect(!err || err == -EBADMSG);
	for (size_t i = 0; i < N_OF(members); i++)
		expect(members[i].found || (!members[i].offset && !members[i].bitfield));
	btf_params(btf, size - base_len, base, base_len, members[0].number);
	free(btf);
	free(base);
	return 0;
}
