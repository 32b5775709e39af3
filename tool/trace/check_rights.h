/* SPDX-License-Identifier: Apache-2.0 */
/*
 * These functions make the lines of --check about what this process may do and sees, as a container's runtime or a service
 * manager may have taken parts away. Each fills @f, which is all zero.
 */
#ifndef CHECK_RIGHTS_H
#define CHECK_RIGHTS_H

#include "trace/finding.h"
#include "trace/plan.h"

void check_privilege(const struct plan *p, struct finding *f);
void check_files(const struct plan *p, struct finding *f);
void check_bpf(const struct plan *p, struct finding *f);
void check_perf(const struct plan *p, struct finding *f);
void check_tracefs(const struct plan *p, struct finding *f);
void check_processes(const struct plan *p, struct finding *f);

/** check_groups - call it only if options_containers() */
void check_groups(const struct plan *p, struct finding *f);

#endif
