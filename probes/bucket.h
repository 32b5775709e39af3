/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of times: values below 8 have one each, then 8 equal ones to each power of two. */
#ifndef IPVS_TCPSTATE_BUCKET_H
#define IPVS_TCPSTATE_BUCKET_H

/* Where @v has more than @bits bits: shift them out, and count them. Without branches: a verifier that knows no
 * better goes each way to the end of the program. */
#define BUCKET_STEP(bits, log2_bits)						\
	do {									\
		shift = ((1ULL << (bits)) - 1 - v) >> 63 << (log2_bits);	\
		v >>= shift;							\
		log += shift;							\
	} while (0)

/* @us: below 2^63 */
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
