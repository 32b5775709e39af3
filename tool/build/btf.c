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
	uint32_t name_off, info;
	uint32_t size;		/* or the number of another type, for example of the one that a pointer points to */
};

struct member {
	uint32_t name_off, type, offset;
};

enum { KIND_PTR = 2, KIND_STRUCT = 4, KIND_UNION = 5, KIND_FUNC_PROTO = 13 };

struct strings {
	const char *base, *own;		/* offsets in own continue those in base */
	uint32_t base_len, own_len;
};

/* Number of bytes after a type, for each kind: a fixed part, and a part for each member. */
static const struct {
	uint8_t fixed, each;
} tails[] = {
	[1] = { 4, 0 },	  /* INT */
	[KIND_PTR] = { 0, 0 },
	[3] = { 12, 0 },  /* ARRAY */
	[KIND_STRUCT] = { 0, 12 },
	[KIND_UNION] = { 0, 12 },
	[6] = { 0, 8 },	  /* ENUM */
	[7] = { 0, 0 },	  /* FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC */
	[KIND_FUNC_PROTO] = { 0, 8 },
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

/* A type in the type information, and where the next one begins. */
struct place {
	struct type t;
	uint32_t kind, vlen;
	const char *tail;	/* what follows the type */
	const char *at;
	size_t left;
};

/* Moves to the next type. Returns 1, 0 at the end, or -EBADMSG. */
static int next_type(struct place *p)
{
	size_t tail;

	if (p->left < sizeof(p->t))
		return p->left ? -EBADMSG : 0;
	memcpy(&p->t, p->at, sizeof(p->t));
	p->kind = p->t.info >> 24 & 0x1f;
	p->vlen = p->t.info & 0xffff;
	if (!p->kind || p->kind >= sizeof(tails) / sizeof(tails[0]))
		return -EBADMSG;
	tail = tails[p->kind].fixed + (size_t)tails[p->kind].each * p->vlen;
	p->tail = p->at + sizeof(p->t);
	p->left -= sizeof(p->t);
	if (tail > p->left)
		return -EBADMSG;
	p->at = p->tail + tail;
	p->left -= tail;
	return 1;
}

static struct place first_type(const void *btf, const struct header *h)
{
	return (struct place){ .at = (const char *)btf + h->hdr_len + h->type_off, .left = h->type_len };
}

/* Moves to the type with number @number. @p: at the type before number @first */
static bool find_number(struct place *p, uint32_t first, uint32_t number)
{
	for (uint32_t at = first; next_type(p) > 0; at++)
		if (at == number)
			return true;
	return false;
}

#define NESTED_MAX 32	/* structs and unions without a name that are looked through for a member; sk_buff needs 8 */

static uint32_t byte_offset(const struct member *m, const struct place *in)
{
	/* If this flag is set, the upper 8 bits are the size of a bitfield. */
	return (in->t.info >> 31 ? m->offset & 0xffffff : m->offset) / 8;
}

/* Looks first among the struct's own members, then in those without a name.
 * @left: how many more of these; @begin: the first type; @first: its number; @base: where the struct is in the one that was asked for */
static void find_in_struct(const struct strings *s, const struct place *begin, uint32_t first, const struct place *in,
			   uint32_t base, unsigned *left, struct btf_member *wanted)
{
	struct member m;

	for (uint32_t i = 0; i < in->vlen; i++) {
		memcpy(&m, in->tail + i * sizeof(m), sizeof(m));
		if (strcmp(string_at(s, m.name_off), wanted->name))
			continue;
		wanted->bitfield = in->t.info >> 31 && m.offset >> 24;
		wanted->offset = base + byte_offset(&m, in);
		wanted->number = m.type;
		wanted->found = true;
		return;
	}
	for (uint32_t i = 0; i < in->vlen && *left && !wanted->found; i++) {
		struct place p = *begin;

		memcpy(&m, in->tail + i * sizeof(m), sizeof(m));
		if (*string_at(s, m.name_off))
			continue;
		--*left;
		if (find_number(&p, first, m.type) && (p.kind == KIND_STRUCT || p.kind == KIND_UNION))
			find_in_struct(s, begin, first, &p, base + byte_offset(&m, in), left, wanted);
	}
}

/* @first: number of the first type */
static int walk(const struct strings *s, const struct place *begin, uint32_t first, struct btf_member *members, size_t n)
{
	struct place p = *begin;
	int more;

	while ((more = next_type(&p)) > 0)
		for (size_t i = 0; i < n && p.kind == KIND_STRUCT; i++) {
			unsigned left = NESTED_MAX;

			if (!members[i].found && !strcmp(string_at(s, p.t.name_off), members[i].type))
				find_in_struct(s, begin, first, &p, 0, &left, &members[i]);
		}
	return more;
}

/* Returns the number of the first type of a module: the types of the kernel come before. 0: the kernel's are damaged */
static uint32_t first_number(const void *base, size_t base_len)
{
	struct header h;
	struct place p;
	uint32_t first = 1;

	if (!base)
		return first;
	if (read_header(&h, base, base_len))
		return 0;
	for (p = first_type(base, &h); next_type(&p) > 0;)
		first++;
	return first;
}

int btf_find(const void *btf, size_t len, const void *base, size_t base_len,
	     struct btf_member *members, size_t n)
{
	struct strings s = { 0 };
	struct place begin;
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
	begin = first_type(btf, &h);
	return walk(&s, &begin, first_number(base, base_len), members, n);
}

unsigned btf_params(const void *btf, size_t len, const void *base, size_t base_len, uint32_t pointer)
{
	uint32_t first = first_number(base, base_len);
	struct place begin, p;
	struct header h;

	if (!first || read_header(&h, btf, len))
		return 0;
	begin = p = first_type(btf, &h);
	if (!find_number(&p, first, pointer) || p.kind != KIND_PTR)
		return 0;
	pointer = p.t.size;
	p = begin;
	return find_number(&p, first, pointer) && p.kind == KIND_FUNC_PROTO ? p.vlen : 0;
}
