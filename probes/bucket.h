/* SPDX-License-Identifier: Apache-2.0 */
/* Histogram buckets of times: one for each value below 8, then 8 equal ones for each power of two. */
#ifndef IPVS_TCPSTATE_BUCKET_H
#define IPVS_TCPSTATE_BUCKET_H

/* If @v has more than @bits bits, shifts it right by @bits and adds @bits to log. It has no branches, because a verifier
 * that knows no better follows each way of a branch to the end of the program. */
#define BUCKET_STEP(bits, log2_bits)						\
	do {									\
		shift = ((1ULL << (bits)) - 1 - v) >> 63 << (log2_bits);	\
		v >>= shift;							\
		log += shift;							\
	} while (0)

/* Returns the bucket of time @us, which must be below 2^63. */
static inline __u32 bucket_of(__u64 us)
{
	__u64 v = us | 8, log = 0, shift, bucket;

	BUCKET_STEP(32, 5);
	BUCKET_STEP(16, 4);
	BUCKET_STEP(8, 3);
	BUCKET_STEP(4, 2);
	BUCKET_STEP(2, 1);
	log += v >> 1;
	bucket = (log - 3) * 8 + (us >> (log - 3));
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

#endif
