/* SPDX-License-Identifier: Apache-2.0 */
#include "host/priority.h"

#include "base/abi.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define NICE (-20)
#define WINDOW_NS 500000000		/* at least */
#define LIMIT_NS 500000000		/* of CPU time, in two windows */
#define WITHOUT_PAUSE_US 400000

static int set_policy(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param);
}

/* Handler of SIGXCPU. */
static void on_limit(int signal)
{
	int err = errno;

	(void)signal;
	set_policy(SCHED_OTHER, 0);
	errno = err;
}

/* Makes the kernel send SIGXCPU, which needs its handler first. At the hard limit, which stays as it is, it would send
 * SIGKILL. */
static int limit_time(void)
{
	const struct sigaction action = { .sa_handler = on_limit, .sa_flags = SA_RESTART };
	struct rlimit limit;

	if (getrlimit(RLIMIT_RTTIME, &limit) || sigaction(SIGXCPU, &action, NULL))
		return -1;
	if (limit.rlim_max <= WITHOUT_PAUSE_US) {
		errno = EPERM;
		return -1;
	}
	if (limit.rlim_cur > WITHOUT_PAUSE_US)
		limit.rlim_cur = WITHOUT_PAUSE_US;
	return setrlimit(RLIMIT_RTTIME, &limit);
}

void priority_raise(struct priority *p, bool realtime)
{
	bool nice = !setpriority(PRIO_PROCESS, 0, NICE);

	p->realtime = realtime && !limit_time() && !set_policy(SCHED_RR, 1);
	if (realtime && !p->realtime)
		log_debug("cannot run at a realtime priority%s: %s; on a busy host rows may be lost", nice ? "" : " or nice -20",
			  strerror(errno));
	else if (!nice)
		log_debug("cannot run at nice %d: %s", NICE, strerror(errno));
	p->since_ns = clock_now_ns();
	p->used_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	p->before_ns = 0;
}

bool priority_is_exceeded(struct priority *p, uint64_t now_ns, uint64_t used_ns)
{
	uint64_t used = used_ns - p->used_ns;

	if (used + p->before_ns > LIMIT_NS)
		return true;
	if (now_ns - p->since_ns >= WINDOW_NS) {
		p->before_ns = used;
		p->since_ns = now_ns;
		p->used_ns = used_ns;
	}
	return false;
}

void priority_check(struct priority *p)
{
	if (!p->realtime)
		return;
	if (priority_is_exceeded(p, clock_now_ns(), clock_ns(CLOCK_PROCESS_CPUTIME_ID)))
		set_policy(SCHED_OTHER, 0);
	if (sched_getscheduler(0) == (SCHED_RR | SCHED_RESET_ON_FORK))
		return;
	log_debug("used more than half of a CPU: gave up the realtime priority");
	p->realtime = false;
}
