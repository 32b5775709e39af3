/* SPDX-License-Identifier: Apache-2.0 */
/* Every unit test includes this file first: cmocka, and a skip with a reason. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* tests/unit/run shows the reason in its SKIP line. */
#define skip_because(...)				\
	do {						\
		print_message("# reason: " __VA_ARGS__);	\
		print_message("\n");			\
		skip();					\
	} while (0)

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
