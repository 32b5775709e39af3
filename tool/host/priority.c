/* SPDX-License-Identifier: Apache-2.0 */
#include "host/priority.h"

#include "base/abi.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#define NICE (-20)

static void sample(struct priority *p)
{
	p->looked_ns = clock_ns(CLOCK_MONOTONIC);
	p->used_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int set_policy(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param);
}

void priority_raise(struct priority *p, bool realtime)
{
	if (setpriority(PRIO_PROCESS, 0, NICE))
		log_debug("cannot set priority %d: %s", NICE, strerror(errno));
	p->realtime = realtime && !set_policy(SCHED_RR, 1);
	if (realtime && !p->realtime)
		log_debug("cannot run at a realtime priority: %s", strerror(errno));
	sample(p);
}

void priority_check(struct priority *p)
{
	const struct priority before = *p;

	if (!p->realtime)
		return;
	sample(p);
	if ((p->used_ns - before.used_ns) * 2 <= p->looked_ns - before.looked_ns)
		return;
	if (set_policy(SCHED_OTHER, 0))
		return;		/* tries again at the next call */
	log_debug("used more than half of a CPU: gave up the realtime priority");
	p->realtime = false;
}
