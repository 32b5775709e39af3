/* SPDX-License-Identifier: Apache-2.0 */
/* A command line: words, each with a NUL at its end. */
#include "fuzz.h"

#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 16 };

static void check_ports(const struct port_list *list)
{
	expect(list->n <= FILTER_PORTS_MAX);
	for (size_t i = 0; i < list->n; i++)
		expect(list->port[i]);
}

static void check(const struct options *o)
{
	expect(!*o->error);
	expect(!(o->ipv4 && o->ipv6) && !(o->csv && o->json));
	expect(!(o->replay && (o->all || o->record || o->pid || o->check || o->ebpf || o->seconds)));
	check_ports(&o->lports);
	check_ports(&o->rports);
	expect(o->vips.n <= FILTER_ADDRESSES_MAX && o->reals.n <= FILTER_ADDRESSES_MAX);
	expect(o->count <= UINT32_MAX && o->seconds <= UINT32_MAX && o->pid <= UINT32_MAX);
	expect(o->buffer_bytes >= 4096 && o->buffer_bytes <= 64 << 20 && !(o->buffer_bytes & (o->buffer_bytes - 1)));
	expect(o->max_conns && o->max_conns <= 16777216);
	expect(o->max_labels && o->max_labels <= 65536 && o->names.n <= FILTER_FILES_MAX);
	expect(o->hooks <= HOOK_CHOICE_KPROBE);
	expect(*o->proc_root && (!o->cache_dir || *o->cache_dir) && (!o->record || *o->record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = fuzz_copy(data, size), *argv[WORDS_MAX + 2] = { "ipvs-tcpstate" };
	static struct options o;
	int argc = 1, err;

	for (char *at = words; at < words + size && argc <= WORDS_MAX; at += strlen(at) + 1)
		argv[argc++] = at;
	err = options_parse(&o, argc, argv);
	if (err) {
		expect(err == -EINVAL);
		expect(strnlen(o.error, sizeof(o.error)) - 10 < sizeof(o.error) - 10);
	} else {
		check(&o);
	}
	free(words);
	return 0;
}
