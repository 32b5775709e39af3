/* SPDX-License-Identifier: Apache-2.0 */
#include "build/btf.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0xeb9f

struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len, type_off, type_len, str_off, str_len;
};

struct type {
	uint32_t name_off, info, size;
};

struct member {
	uint32_t name_off, type, offset;
};

enum { KIND_STRUCT = 4, KIND_UNION = 5 };

struct strings {
	const char *base, *own;		/* offsets in own continue those in base */
	uint32_t base_len, own_len;
};

/* Number of bytes after a type, for each kind: a fixed part, and a part for each member. */
static const struct {
	uint8_t fixed, each;
} tails[] = {
	[1] = { 4, 0 },	  /* INT */
	[2] = { 0, 0 },	  /* PTR */
	[3] = { 12, 0 },  /* ARRAY */
	[KIND_STRUCT] = { 0, 12 },
	[KIND_UNION] = { 0, 12 },
	[6] = { 0, 8 },	  /* ENUM */
	[7] = { 0, 0 },	  /* FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC */
	[13] = { 0, 8 },  /* FUNC_PROTO */
	[14] = { 4, 0 },  /* VAR */
	[15] = { 0, 12 }, /* DATASEC */
	[16] = { 0, 0 },  /* FLOAT */
	[17] = { 4, 0 },  /* DECL_TAG */
	[18] = { 0, 0 },  /* TYPE_TAG */
	[19] = { 0, 12 }, /* ENUM64 */
};

static int read_header(struct header *h, const void *btf, size_t len)
{
	if (len < sizeof(*h))
		return -EBADMSG;
	memcpy(h, btf, sizeof(*h));
	if (h->magic != MAGIC || h->version != 1 || h->hdr_len < sizeof(*h) || h->hdr_len > len)
		return -EBADMSG;
	len -= h->hdr_len;
	if (h->type_off > len || h->type_len > len - h->type_off || h->str_off > len ||
	    h->str_len > len - h->str_off || !h->str_len)
		return -EBADMSG;
	if (((const char *)btf)[h->hdr_len + h->str_off + h->str_len - 1])
		return -EBADMSG;	/* the last string has no NUL */
	return 0;
}

static const char *string_at(const struct strings *s, uint32_t offset)
{
	if (offset < s->base_len)
		return s->base + offset;
	offset -= s->base_len;
	return offset < s->own_len ? s->own + offset : "";
}

static void find_in_struct(const struct strings *s, const char *at, uint32_t n, bool kind_flag,
			   struct btf_member *wanted)
{
	for (uint32_t i = 0; i < n; i++) {
		struct member m;

		memcpy(&m, at + i * sizeof(m), sizeof(m));
		if (strcmp(string_at(s, m.name_off), wanted->name))
			continue;
		/* If this flag is set, the upper 8 bits are the size of a bitfield. */
		wanted->bitfield = kind_flag && m.offset >> 24;
		wanted->offset = (kind_flag ? m.offset & 0xffffff : m.offset) / 8;
		wanted->found = true;
		return;
	}
}

static int walk(const struct strings *s, const char *at, size_t left, struct btf_member *members,
		size_t n)
{
	while (left >= sizeof(struct type)) {
		struct type t;
		uint32_t kind, vlen;
		size_t tail;

		memcpy(&t, at, sizeof(t));
		kind = t.info >> 24 & 0x1f;
		vlen = t.info & 0xffff;
		if (!kind || kind >= sizeof(tails) / sizeof(tails[0]))
			return -EBADMSG;
		tail = tails[kind].fixed + (size_t)tails[kind].each * vlen;
		at += sizeof(t);
		left -= sizeof(t);
		if (tail > left)
			return -EBADMSG;
		for (size_t i = 0; i < n && kind == KIND_STRUCT; i++)
			if (!members[i].found && !strcmp(string_at(s, t.name_off), members[i].type))
				find_in_struct(s, at, vlen, t.info >> 31, &members[i]);
		at += tail;
		left -= tail;
	}
	return left ? -EBADMSG : 0;
}

int btf_find(const void *btf, size_t len, const void *base, size_t base_len,
	     struct btf_member *members, size_t n)
{
	struct strings s = { 0 };
	struct header h;

	if (base) {
		if (read_header(&h, base, base_len))
			return -EBADMSG;
		s.base = (const char *)base + h.hdr_len + h.str_off;
		s.base_len = h.str_len;
	}
	if (read_header(&h, btf, len))
		return -EBADMSG;
	s.own = (const char *)btf + h.hdr_len + h.str_off;
	s.own_len = h.str_len;
	return walk(&s, (const char *)btf + h.hdr_len + h.type_off, h.type_len, members, n);
}
