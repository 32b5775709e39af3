/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants and structs of the kernel that older system headers lack, only those that this program uses. So it builds with
 * the headers of 3.10 and with today's. Do not include linux/bpf.h or linux/perf_event.h beside this file: they define the
 * same names. "from 4.17" is the kernel release that introduced it. An earlier kernel refuses it, unless its vendor has
 * backported it.
 * Source: Documentation/bpf, bpf(2), perf_event_open(2), capabilities(7), prctl(2); tests/unit/base/test_abi.c compares all
 *	of it with the headers of the machine
 */
#ifndef ABI_H
#define ABI_H

#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- bpf(2), from 3.18 */

/* Commands. */
enum {
	BPF_MAP_CREATE = 0,		/* these from 3.18 */
	BPF_MAP_LOOKUP_ELEM = 1,
	BPF_MAP_UPDATE_ELEM = 2,
	BPF_MAP_DELETE_ELEM = 3,
	BPF_MAP_GET_NEXT_KEY = 4,
	BPF_PROG_LOAD = 5,
	BPF_PROG_TEST_RUN = 10,		/* from 4.12; for raw tracepoints from 5.10 */
	BPF_OBJ_GET_INFO_BY_FD = 15,	/* from 4.13; for links from 5.8 */
	BPF_RAW_TRACEPOINT_OPEN = 17,	/* from 4.17 */
	BPF_LINK_CREATE = 28		/* from 5.7; for perf events from 5.15 */
};

enum {
	BPF_MAP_TYPE_HASH = 1,			/* from 3.19 */
	BPF_MAP_TYPE_ARRAY = 2,			/* from 3.19 */
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,	/* from 4.3 */
	BPF_MAP_TYPE_LRU_HASH = 9		/* from 4.10 */
};

enum bpf_prog_type {
	BPF_PROG_TYPE_KPROBE = 2,		/* from 4.1 */
	BPF_PROG_TYPE_TRACEPOINT = 5,		/* from 4.7 */
	BPF_PROG_TYPE_RAW_TRACEPOINT = 17	/* from 4.17 */
};

/* Flags of BPF_MAP_UPDATE_ELEM. */
enum {
	BPF_ANY = 0,			/* these from 3.19 */
	BPF_NOEXIST = 1,
	BPF_EXIST = 2
};

/* Helpers: kernel functions that BPF programs call. */
enum {
	BPF_FUNC_map_lookup_elem = 1,	/* from 3.19 */
	BPF_FUNC_probe_read = 4,	/* from 4.1 */
	BPF_FUNC_get_current_cgroup_id = 80, /* from 4.18 */
	BPF_FUNC_probe_read_kernel = 113, /* from 5.5 */
	BPF_FUNC_jiffies64 = 118, /* from 5.6; for tracing from 5.9 */
	BPF_FUNC_get_ns_current_pid_tgid = 120 /* from 5.7 */
};

#define BPF_OBJ_NAME_LEN 16U		/* from 4.15 */
enum { BPF_PERF_EVENT = 41 };		/* a link's attach_type, from 5.15 */
enum { BPF_PERF_EVENT_KPROBE = 3 };	/* a link's perf_event.type, from 6.6 */

/* Pointers have 64 bits and are aligned to 8 bytes. A kernel accepts a larger union than it knows if the rest is 0. */
union bpf_attr {
	uint64_t room[20];		/* the size in today's kernels */
	struct {			/* BPF_MAP_CREATE */
		uint32_t map_type, key_size, value_size, max_entries;
		uint32_t map_flags;			/* from 4.6 */
		uint32_t inner_map_fd, numa_node;	/* from 4.12, 4.14 */
		char map_name[BPF_OBJ_NAME_LEN];	/* from 4.15 */
	};
	struct {			/* BPF_MAP_LOOKUP_ELEM, _UPDATE_ELEM, _DELETE_ELEM, _GET_NEXT_KEY */
		uint32_t map_fd, elem_pad;
		uint64_t key;
		union {
			uint64_t value, next_key;
		};
		uint64_t flags;
	};
	struct {			/* BPF_PROG_LOAD */
		uint32_t prog_type, insn_cnt;
		uint64_t insns, license;
		uint32_t log_level, log_size;
		uint64_t log_buf;
		uint32_t kern_version;			/* from 4.1; checked before 5.0 only */
		uint32_t prog_flags;			/* from 4.12 */
		char prog_name[BPF_OBJ_NAME_LEN];	/* from 4.15 */
	};
	struct {			/* BPF_OBJ_GET_INFO_BY_FD */
		uint32_t bpf_fd, info_len;
		uint64_t info;
	} info;
	struct {			/* BPF_RAW_TRACEPOINT_OPEN */
		uint64_t name;
		uint32_t prog_fd, pad;
	} raw_tracepoint;
	struct {			/* BPF_LINK_CREATE */
		uint32_t prog_fd, target_fd, attach_type, flags;
	} link_create;
};

/* The answer of BPF_OBJ_GET_INFO_BY_FD for a link to a kprobe. Members that the kernel does not know stay 0. */
struct bpf_link_info {
	uint32_t type, id, prog_id, pad;	/* from 5.8 */
	struct {
		uint32_t type, pad;		/* these from 6.6 */
		struct {
			uint64_t func_name;
			uint32_t name_len, offset;
			uint64_t addr;
			uint64_t missed;	/* from 6.7 */
		} kprobe;
	} perf_event;
};

/* ---- membarrier(2) */

#define MEMBARRIER_CMD_SHARED 1		/* from 4.3; linux/membarrier.h calls it MEMBARRIER_CMD_GLOBAL too, from 4.16 on */

/* ---- instructions, from 3.18; linux/bpf_common.h has some of these names */

struct bpf_insn {
	uint8_t code;
	uint8_t dst_reg : 4, src_reg : 4;
	int16_t off;
	int32_t imm;
};

/* Instruction class: the lowest 3 bits of a code. */
#define BPF_CLASS(code) ((code) & 0x07)
#define BPF_LD 0x00
#define BPF_LDX 0x01
#define BPF_STX 0x03
#define BPF_ALU 0x04
#define BPF_JMP 0x05
#define BPF_ALU64 0x07

/* Loads and stores: size and mode. */
#define BPF_W 0x00
#define BPF_DW 0x18
#define BPF_IMM 0x00
#define BPF_ABS 0x20
#define BPF_MEM 0x60

/* Other instructions: the operand (a constant or a register), and the operation. */
#define BPF_K 0x00
#define BPF_X 0x08
#define BPF_ADD 0x00
#define BPF_MOV 0xb0
#define BPF_CALL 0x80
#define BPF_EXIT 0x90

/* Classic BPF, as in seccomp filters. */
#define BPF_RET 0x06
#define BPF_JEQ 0x10
#define BPF_JGT 0x20
#define BPF_JGE 0x30

#define BPF_PSEUDO_MAP_FD 1	/* src_reg: imm is a map's descriptor */

enum {
	BPF_REG_0, BPF_REG_1, BPF_REG_2, BPF_REG_3, BPF_REG_4, BPF_REG_5, BPF_REG_6, BPF_REG_7, BPF_REG_8, BPF_REG_9,
	BPF_REG_10
};

/* ---- perf_event_open(2) */

enum {
	PERF_TYPE_SOFTWARE = 1,		/* these from 2.6.31 */
	PERF_TYPE_TRACEPOINT = 2
};

enum {
	PERF_COUNT_SW_BPF_OUTPUT = 10	/* from 4.4 */
};

enum { PERF_SAMPLE_RAW = 1 << 10 };		/* from 2.6.31 */
enum { PERF_FLAG_FD_CLOEXEC = 1 << 3 };		/* from 3.14 */

#define PERF_EVENT_IOC_ENABLE _IO('$', 0)		/* from 2.6.31 */
#define PERF_EVENT_IOC_SET_BPF _IOW('$', 8, uint32_t)	/* from 4.1 */

/* The size is that of the first release (PERF_ATTR_SIZE_VER0), which every kernel accepts. */
struct perf_event_attr {
	uint32_t type, size;
	uint64_t config;
	uint64_t sample_period, sample_type, read_format;
	uint64_t disabled : 1, other : 13, watermark : 1, more : 49;
	union {
		uint32_t wakeup_events, wakeup_watermark;
	};
	uint32_t bp_type;
	uint64_t kprobe_func;		/* from 4.17 */
};

/* First page of a perf buffer. The kernel's struct has more members, before and after these two. */
struct perf_event_mmap_page {
	char other[1024];
	uint64_t data_head, data_tail;
};

struct perf_event_header {
	uint32_t type;
	uint16_t misc, size;
};

enum { PERF_RECORD_SAMPLE = 9 };	/* from 2.6.31 */

/* ---- macros that the system's headers define too, if they are new enough */

#ifndef CAP_PERFMON
#define CAP_PERFMON 38		/* from 5.8 */
#endif
#ifndef CAP_BPF
#define CAP_BPF 39		/* from 5.8 */
#endif

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47	/* from 4.3 */
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000	/* from 2.6.32 */
#endif

#if defined(__x86_64__)
#define ABI_CALL(x86_64, arm64) x86_64
#elif defined(__aarch64__)
#define ABI_CALL(x86_64, arm64) arm64
#endif

/* On other architectures only the calls that their own headers define. */
#ifdef ABI_CALL
#ifndef __NR_renameat2
#define __NR_renameat2 ABI_CALL(316, 276)	/* from 3.15 */
#endif
#ifndef __NR_getrandom
#define __NR_getrandom ABI_CALL(318, 278)	/* from 3.17 */
#endif
#ifndef __NR_memfd_create
#define __NR_memfd_create ABI_CALL(319, 279)	/* from 3.17 */
#endif
#ifndef __NR_bpf
#define __NR_bpf ABI_CALL(321, 280)		/* from 3.18 */
#endif
#ifndef __NR_membarrier
#define __NR_membarrier ABI_CALL(324, 283)	/* from 4.3 */
#endif
#ifndef __NR_statx
#define __NR_statx ABI_CALL(332, 291)		/* from 4.11 */
#endif
#endif

/* From 5.1 on a new call has the same number on every architecture but Alpha. */
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425			/* from 5.1 */
#endif
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438			/* from 5.6 */
#endif
#ifndef __NR_faccessat2
#define __NR_faccessat2 439			/* from 5.8 */
#endif

#endif
