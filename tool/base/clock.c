/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

/* The clocks are read in ns; the kernel rounds each of them. */
#define ROUNDING_NS 1000

void wall_clock_change(struct wall_clock *w, uint64_t changed_ns, int64_t realtime_ns)
{
	w->before_ns = w->realtime_ns;
	w->realtime_ns = realtime_ns;
	w->changed_ns = changed_ns;
}

/* The thread may lose its CPU between two clocks. So the difference is known only within bounds; it is kept for as long as
 * it is within them, and rows of one second do not move against each other. */
bool wall_clock_update(struct wall_clock *w, uint64_t mono_ns, uint64_t real_ns, uint64_t mono_after_ns)
{
	int64_t low = (int64_t)(real_ns - mono_after_ns) - ROUNDING_NS, high = (int64_t)(real_ns - mono_ns) + ROUNDING_NS;
	uint64_t looked_ns = w->looked_ns;

	w->looked_ns = mono_ns;
	if (!looked_ns) {
		w->realtime_ns = low + (high - low) / 2;
		return false;
	}
	if (w->realtime_ns >= low && w->realtime_ns <= high)
		return false;
	wall_clock_change(w, looked_ns, low + (high - low) / 2);
	return true;
}

bool wall_clock_look(struct wall_clock *w)
{
	uint64_t mono_ns = clock_now_ns(), real_ns = clock_ns(CLOCK_REALTIME);

	return wall_clock_update(w, mono_ns, real_ns, clock_now_ns());
}
