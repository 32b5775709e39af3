/* SPDX-License-Identifier: Apache-2.0 */
/* The build ID among the notes of a kernel. */
#include "../unit.h"

#include "host/host.h"

#include <string.h>

#define NOTE(name_size, size, type, name) name_size "\0\0\0" size "\0\0\0" type "\0\0\0" name
#define XEN NOTE("\4", "\6", "\3", "Xen\0") "2.6.32\0\0"	/* type 3, but of another name; contents padded */
#define LINUX NOTE("\6", "\1", "\1", "Linux\0\0\0") "\0\0\0\0"
#define GNU NOTE("\4", "\4", "\3", "GNU\0") "\x01\xab\xff\x20"

#define FIND(bytes) find(bytes, sizeof(bytes) - 1)

static const char *find(const char *bytes, size_t len)
{
	static char hex[HOST_BUILD_ID_SIZE];

	strcpy(hex, "untouched");
	host_build_id(bytes, len, hex);
	return hex;
}

static void found(void **state)
{
	(void)state;
	assert_string_equal(FIND(GNU), "01abff20");
	assert_string_equal(FIND(XEN LINUX GNU), "01abff20");
	assert_string_equal(FIND(LINUX GNU XEN), "01abff20");
	assert_string_equal(FIND(NOTE("\4", "\24", "\3", "GNU\0") "aaaaabbbbbcccccddddd"),
			    "6161616161626262626263636363636464646464");
}

static void not_found(void **state)
{
	static const char longest[12 + 4 + 33] = NOTE("\4", "\41", "\3", "GNU\0");

	(void)state;
	assert_string_equal(find(NULL, 0), "");
	assert_string_equal(FIND(XEN LINUX), "");
	assert_string_equal(FIND(NOTE("\4", "\4", "\1", "GNU\0") "\x01\xab\xff\x20"), "");	/* another type: the ABI */
	for (size_t len = 0; len < sizeof(GNU) - 1; len++)
		assert_string_equal(find(GNU, len), "");
	assert_string_equal(FIND("\xff\xff\xff\xff\4\0\0\0\3\0\0\0GNU\0abcd"), "");
	assert_string_equal(FIND("\4\0\0\0\xff\xff\xff\xff\3\0\0\0GNU\0abcd"), "");
	assert_string_equal(find(longest, sizeof(longest)), "");	/* 33 bytes; the longest build ID that is known has 32 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
