/* SPDX-License-Identifier: Apache-2.0 */
/* A line of --check. */
#ifndef FINDING_H
#define FINDING_H

#include "output/output.h"

#include <stdbool.h>

enum status { OK, WARNING, MISSING };

struct finding {
	const char *name;
	enum status status;
	char found[768];
	char mend[512];		/* what repairs it; "" if there is nothing to repair */
	bool adds;		/* @mend is not a command to run, but settings to add */
};

/** finding_print - write it as a line of text or JSON */
void finding_print(const struct finding *f, struct output *o, bool json);

#endif
