/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles the main text, and at the same time the layout text, if the kernel's types do not give the layout. */
#ifndef COMPILE_H
#define COMPILE_H

#include "trace/kernel.h"

/**
 * compile_start_layout - start to compile the layout, as programs_start() does
 * Refuses headers of another kernel, as wrong offsets would show nonsense.
 */
int compile_start_layout(const struct plan *p, struct programs *layout);

/**
 * compile_programs - get the programs from the cache or compile them, and start on the layout if it is not known
 * @layout: PROGRAMS_NONE; may still be compiling afterwards, see compile_follow(); the caller calls programs_close()
 * @main:   set to the programs, or has @main->errmsg
 * Waits for @main. With --hooks raw, --director and --server it waits for the layout too, as they need it.
 * Return: 0 or a negative errno.
 */
int compile_programs(struct kernel *k, struct programs *layout, struct programs *main);

/**
 * compile_follow - check whether the layout is compiled; if so, give it to the programs
 * Return: true if there is nothing more to wait for.
 */
bool compile_follow(struct kernel *k, struct programs *layout);

#endif
