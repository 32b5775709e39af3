/* SPDX-License-Identifier: Apache-2.0 */
#include "build/programs.h"

#include "base/log.h"
#include "build/cache.h"
#include "host/distro.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 64

static int begin_compile(struct programs *p, const char *fallback)
{
	const char *flags[FLAGS_MAX];
	size_t n = p->text.n_flags;
	int err;

	if (n)
		memcpy(flags, p->text.flags, n * sizeof(flags[0]));
	if (fallback)
		flags[n++] = fallback;
	err = compiler_start(&p->compiler, p->host->libbcc, p->text.text, flags, n);
	if (err)
		snprintf(p->errmsg, sizeof(p->errmsg), "cannot start the compiler's process: %s",
			 strerror(-err));
	return err;
}

static int find_saved(struct programs *p)
{
	const struct saved *saved = p->text.saved;
	int err = saved_find(saved, p->text.kind, p->key, &p->object, p->errmsg, sizeof(p->errmsg));

	if (err)
		return err;
	log_debug("%s: from %s", p->text.kind, saved->path);
	p->ready = true;
	return 0;
}

int programs_start(struct programs *p, const struct host *h, const struct programs_text *text,
		   const char *cache_dir)
{
	char why[256];

	p->text = *text;
	p->host = h;
	p->cache_dir = cache_dir;
	p->key = text->saved ? saved_key(text->text, text->flags, text->n_flags) :
			       cache_key(h, text->text, text->flags, text->n_flags);
	if (!p->key || text->n_flags >= FLAGS_MAX) {
		snprintf(p->errmsg, sizeof(p->errmsg), "out of memory");
		return -ENOMEM;
	}
	if (text->saved)
		return find_saved(p);
	if (cache_dir) {
		if (!cache_load(cache_dir, text->kind, p->key, &p->object, why, sizeof(why))) {
			log_debug("%s: from the cache in %s", text->kind, cache_dir);
			p->ready = true;
			return 0;
		}
		if (*why)
			log_debug("%s", why);
	}
	log_debug("%s: compiling with %s", text->kind, h->libbcc);
	return begin_compile(p, NULL);
}

/* True if libbcc is too old for the headers of this kernel: its messages name syntax that it does not know. */
static bool is_libbcc_too_old(const char *words, char *line, size_t len)
{
	if (words && strstr(words, "asm_inline"))
		snprintf(line, len, "libbcc before 0.12 compiles nothing for kernels from 5.4 on; update BCC");
	else if (words && strstr(words, "asm goto"))
		snprintf(line, len, "this libbcc's LLVM compiles nothing for kernels from 5.0 on; update BCC");
	else
		return false;
	return true;
}

static int explain_compile(struct programs *p, int err)
{
	char errmsg[256], hint[160];

	if (!is_libbcc_too_old(p->compiler.words, errmsg, sizeof(errmsg)))
		compiler_cause(&p->compiler, errmsg, sizeof(errmsg));
	switch (err) {
	case -ENOENT:
		distro_libbcc_hint(hint, sizeof(hint));
		snprintf(p->errmsg, sizeof(p->errmsg), "cannot load libbcc (%s); run: %s; or bring the programs: --programs FILE",
			 errmsg, hint);
		break;
	case -ENOSYS:
		snprintf(p->errmsg, sizeof(p->errmsg), "this libbcc is too old, or not from BCC: %s", errmsg);
		break;
	case -EINVAL:
		snprintf(p->errmsg, sizeof(p->errmsg),
			 "%.99s cannot compile the programs for kernel %s with headers %.99s: %s (-v shows all)",
			 p->host->libbcc, p->host->uts.release, p->host->headers, errmsg);
		break;
	default:
		snprintf(p->errmsg, sizeof(p->errmsg), "the compiler's process ended early (%s): %s",
			 strerror(-err), *errmsg ? errmsg : "out of memory?");
	}
	return err;
}

static void store(struct programs *p)
{
	char why[256];

	p->ready = true;
	if (p->cache_dir && cache_store(p->cache_dir, p->text.kind, p->key, p->host, &p->object,
					why, sizeof(why)))
		log_debug("%s", why);
}

int programs_step(struct programs *p, bool wait)
{
	int err;

	if (p->ready)
		return 0;
	if (!compiler_step(&p->compiler, wait))
		return wait ? -EINTR : 0;
	err = compiler_finish(&p->compiler, &p->object);
	if (err && p->compiler.words)
		log_debug("%s: libbcc says:\n%s", p->text.kind, p->compiler.words);
	if (err == -EINVAL && p->text.fallback) {
		const char *fallback = p->text.fallback;

		p->text.fallback = NULL;
		compiler_stop(&p->compiler);
		err = begin_compile(p, fallback);
		return err ? err : programs_step(p, wait);
	}
	if (err == -EINVAL && p->text.optional) {
		explain_compile(p, err);
		log_warning("%s", p->errmsg);
		err = 0;
	}
	if (err)
		return explain_compile(p, err);
	compiler_stop(&p->compiler);
	store(p);
	return 0;
}

void programs_close(struct programs *p)
{
	compiler_stop(&p->compiler);
	object_free(&p->object);
	free(p->key);
	p->key = NULL;
}
