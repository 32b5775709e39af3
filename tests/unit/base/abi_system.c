/* SPDX-License-Identifier: Apache-2.0 */
#include "abi_facts.h"

#include <linux/capability.h>
#include <linux/perf_event.h>
#include <linux/prctl.h>
#include <linux/version.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(3, 18, 0)
#include <linux/bpf.h>
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 3, 0)
#include <linux/membarrier.h>
#endif

size_t abi_of_system(const struct abi_fact **facts)
{
	const struct abi_fact now[] = {
#include "abi_list.h"
	};
	static struct abi_fact kept[sizeof(now) / sizeof(now[0])];

	for (size_t i = 0; i < sizeof(now) / sizeof(now[0]); i++)
		kept[i] = now[i];
	*facts = kept;
	return sizeof(now) / sizeof(now[0]);
}
