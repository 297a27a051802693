/* 16-bit floats in memory, products of pairs: AVX512-BF16.
 *
 * A block is 32 floats in two vectors: those of the even pictures and those of the odd ones, since
 * a 32-bit lane splits into them without a permutation. Only joining them needs one.
 */

#include "layer.h"

#if HAS_AVX512_BF16

#include "common.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define LANES 32
#define PAIR 2 /* factors in a 32-bit unit of a product */
#define VW 16  /* floats in a vector */
#define WIDE 12 /* maps that a product makes at a time: 24 sums of the 32 registers */
#define MIDDLE 8
#define NARROW 4
#define OF_CHANNELS 2 /* weight gradients of 3x3 at a time: 2 x 4 x 3 sums */
#define OF_MAPS 4
typedef __m512 vec;
typedef uint16_t item;

#include "avx512_vectors.h"

INLINE vec dot(vec sum, vec a, vec b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* Joins two vectors of floats to pairs of 16-bit floats. */
INLINE vec joined(vec low, vec high) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
        19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return (vec)_mm512_permutexvar_epi16(order, halves);
}

INLINE void get(const item *from, vec *to) {
    const __m512i both = _mm512_loadu_si512(from);
    to[0] = (vec)_mm512_slli_epi32(both, 16);
    to[1] = (vec)_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000u));
}

INLINE void put(item *to, const vec *from) {
    _mm512_storeu_ps(to, joined(from[0], from[1]));
}

INLINE void put_units(float *to, size_t second, const vec from[PAIR][2]) {
    _mm512_storeu_ps(to, joined(from[0][0], from[1][0]));
    _mm512_storeu_ps(to + second, joined(from[0][1], from[1][1]));
}

INLINE item rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (item)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

#include "tiles.h"
#include "forward.h"
#include "gradient.h"
#include "backward.h"
#include "head.h"

static int is_supported(void) { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

const variant noisevote_avx512_bf16 = {
    "avx512_bf16", LANES, sizeof(item), is_supported, forward, behind_noise, backward, head_forward,
    head_backward, draw,
};

#endif
