/* SPDX-License-Identifier: Apache-2.0 */
/* From the texts to programs: the main text, and beside it the one that tells the layout where the kernel's types do not. */
#ifndef COMPILE_H
#define COMPILE_H

#include "trace/kernel.h"

/**
 * compile_programs - get the programs from the cache or by compiling, and begin with the layout, if it is not known
 * @layout: PROGRAMS_NONE; may still be compiling afterwards: see compile_follow(); programs_close() it
 * @main:   the programs, or @main->cause
 * Waits for @main, and for the layout with --hooks raw, which cannot do without.
 * Return: 0 or a negative errno.
 */
int compile_programs(struct kernel *k, struct programs *layout, struct programs *main);

/**
 * compile_follow - take over the layout once it is there, and hand it to the programs
 * Return: true if there is nothing more to wait for.
 */
bool compile_follow(struct kernel *k, struct programs *layout);

#endif
