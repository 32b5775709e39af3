/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/parse.h"

#include "cli/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONNS_MAX 16777216
#define BUFFER_MAX (64 * 1024 * 1024)
#define FAILURES_DEFAULT 3
#define FAILURES_MAX 1000000
#define LABELS_MAX 65536
#define CONTAINER_MIN 12	/* digits; fewer are not unique */
#define CONTAINER_MAX 64

int parse_error(struct options *o, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->error, sizeof(o->error), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* Returns the next entry of a list, without the blanks around it: tcpstates accepts them too. */
static const char *next_port(const char **rest, size_t *len)
{
	const char *entry = *rest + strspn(*rest, " ");

	*len = strcspn(entry, ",");
	*rest = entry + *len;
	while (*len && entry[*len - 1] == ' ')
		--*len;
	return entry;
}

static int parse_ports(struct options *o, const struct option_row *row, const char *text)
{
	struct port_list *list = (struct port_list *)((char *)o + row->offset);
	const char *rest = text;

	for (;;) {
		uint64_t port;
		size_t len;
		const char *from = next_port(&rest, &len);

		if (!len)
			return parse_error(o, "--%s '%.64s': empty entry; give ports as 80,443", row->name, text);
		if (value_number(from, len, 65535, &port) || !port)
			return parse_error(o, "--%s '%.*s': not a port; give numbers from 1 to 65535",
				    row->name, (int)(len < 64 ? len : 64), from);
		if (list->n == FILTER_PORTS_MAX)
			return parse_error(o, "--%s: more than %d ports; give fewer", row->name,
				    FILTER_PORTS_MAX);
		list->port[list->n++] = (uint16_t)port;
		if (!*rest)
			return 0;
		rest++;
	}
}

static int parse_addresses(struct options *o, const struct option_row *row, const char *text)
{
	struct address_list *list = (struct address_list *)((char *)o + row->offset);

	for (const char *from = text;; from++) {
		size_t len = strcspn(from, ",");

		if (list->n == FILTER_ADDRESSES_MAX)
			return parse_error(o, "--%s: more than %d addresses; give fewer", row->name,
				    FILTER_ADDRESSES_MAX);
		if (value_address(from, len, list->end[list->n].addr, &list->end[list->n].port))
			return parse_error(o, "--%s '%.*s': not an address; give them as 10.0.0.1:80,[fd00::1]:80",
				    row->name, (int)(len < 64 ? len : 64), from);
		list->n++;
		from += len;
		if (!*from)
			return 0;
	}
}

static int parse_file(struct options *o, const struct option_row *row, const char *text)
{
	struct file_list *list = (struct file_list *)((char *)o + row->offset);

	if (!*text)
		return parse_error(o, "--%s '': give a %s", row->name, row->value);
	if (list->n == FILTER_FILES_MAX)
		return parse_error(o, "--%s: more than %d files; give fewer", row->name, FILTER_FILES_MAX);
	list->path[list->n++] = text;
	return 0;
}

#define PID_MAX 4194304	/* PID_MAX_LIMIT, include/linux/threads.h; inode numbers of namespaces are far above */

static int parse_netns(struct options *o, const struct option_row *row, const char *text)
{
	uint64_t number;

	if (!value_number(text, strlen(text), UINT32_MAX, &number) && number) {
		if (number > PID_MAX)
			o->netns_inum = (uint32_t)number;
	} else if (!strchr(text, '/')) {
		return parse_error(o, "--%s '%.64s': give an inode number, a PID or a path, as /run/netns/NAME", row->name, text);
	}
	o->netns = text;
	return 0;
}

static int parse_container(struct options *o, const struct option_row *row, const char *text)
{
	size_t len = strlen(text);

	if (len < CONTAINER_MIN || len > CONTAINER_MAX || strspn(text, "0123456789abcdef-") != len)
		return parse_error(o, "--%s '%.64s': give the first %d digits of a container's ID, or more, or the UID of a pod",
				   row->name, text, CONTAINER_MIN);
	o->container = text;
	return 0;
}

/* @text: NULL: none given, where that is allowed */
static int parse_word(struct options *o, enum value_kind kind, const char *text)
{
	switch (kind) {
	case DIRECTOR:
		if (text && strcmp(text, "ends") != 0 && strcmp(text, "states") != 0)
			return parse_error(o, "--director='%.64s': give states or ends", text);
		o->director = !text ? DIRECTOR_DEFAULT : *text == 'e' ? DIRECTOR_ENDS : DIRECTOR_STATES;
		return 0;
	case FORM:
		if (text && strcmp(text, "whole") != 0 && strcmp(text, "end") != 0)
			return parse_error(o, "--failures='%.64s': give whole or end", text);
		o->failures = text && *text == 'e' ? FAILURES_END : FAILURES_WHOLE;
		return 0;
	case HOOKS:
		if (!strcmp(text, "raw"))
			o->hooks = HOOK_CHOICE_RAW;
		else if (!strcmp(text, "tracepoint"))
			o->hooks = HOOK_CHOICE_TRACEPOINT;
		else if (!strcmp(text, "kprobe"))
			o->hooks = HOOK_CHOICE_KPROBE;
		else
			return parse_error(o, "--hooks '%.64s': give raw, tracepoint or kprobe", text);
		return 0;
	case LABELS:
		if (strcmp(text, "vip") != 0 && strcmp(text, "real") != 0 && strcmp(text, "both") != 0)
			return parse_error(o, "--labels '%.64s': give vip, real or both", text);
		o->labels = *text == 'v' ? LABELS_VIP : *text == 'r' ? LABELS_REAL : LABELS_BOTH;
		return 0;
	default:
		return 0;
	}
}

int parse_value(struct options *o, const struct option_row *row, const char *text)
{
	void *target = (char *)o + row->offset;
	uint64_t number;
	unsigned max;

	switch (row->kind) {
	case FLAG:
		*(bool *)target = true;
		return 0;
	case PORTS:
		return parse_ports(o, row, text);
	case ENDS:
		return parse_addresses(o, row, text);
	case NUMBER:
		if (value_number(text, strlen(text), UINT32_MAX, &number) || !number)
			return parse_error(o, "--%s '%.64s': give a whole number from 1 to %u", row->name,
				    text, UINT32_MAX);
		*(uint64_t *)target = number;
		return 0;
	case FAILURES:
		if (!text)
			*(uint64_t *)target = FAILURES_DEFAULT;
		else if (value_number(text, strlen(text), FAILURES_MAX, target) || !*(uint64_t *)target)
			return parse_error(o, "--%s='%.64s': give a whole number from 1 to %d", row->name, text,
				    FAILURES_MAX);
		return 0;
	case CONNS:
	case SETS:
		max = row->kind == CONNS ? CONNS_MAX : LABELS_MAX;
		if (value_number(text, strlen(text), max, &number) || !number)
			return parse_error(o, "--%s '%.64s': give a whole number from 1 to %u", row->name, text, max);
		*(uint64_t *)target = number;
		return 0;
	case SIZE:
		if (value_size(text, BUFFER_MAX, &number) || number < VALUE_PAGE || number & (number - 1))
			return parse_error(o, "--%s '%.64s': give a power of two, in pages of 4 KiB from 1 to %d, or with a suffix "
				    "from %dK to %dM", row->name, text, BUFFER_MAX / VALUE_PAGE, VALUE_PAGE >> 10, BUFFER_MAX >> 20);
		*(uint64_t *)target = number;
		return 0;
	case STRING:
		if (!*text)
			return parse_error(o, "--%s '': give a %s", row->name, row->value);
		*(const char **)target = text;
		return 0;
	case FILES:
		return parse_file(o, row, text);
	case NETNS:
		return parse_netns(o, row, text);
	case CONTAINER:
		return parse_container(o, row, text);
	case DIRECTOR:
	case FORM:
	case HOOKS:
	case LABELS:
		return parse_word(o, row->kind, text);
	}
	return 0;
}
