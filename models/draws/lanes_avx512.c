/* The scheme sfc64x8-icdf4-1 on processors with AVX-512 (F and BW); see lanes.h.
 *
 * Nothing here may be contracted to fused multiply-adds (-ffp-contract=off): they round otherwise. */

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include "lanes.h"

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw")))

/* Unpacking takes every second word of the vector first. */
static const int ORDER_512[LANES] = {0, 4, 1, 5, 2, 6, 3, 7};

WITH_AVX512 static inline __m512 values_512(__m512i scaled, const __m512 *powers, __m512 neutral) {
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(scaled));
    const __m512i octave = _mm512_srli_epi32(bits, EXPONENT_AT); /* its last four bits are taken */
    const __m512i mantissa = _mm512_ternarylogic_epi32( /* (bits & MANTISSA) | ONE */
        bits, _mm512_set1_epi32(MANTISSA), _mm512_set1_epi32(ONE), 0xEA);
    const __m512 of = _mm512_castsi512_ps(mantissa);
    __m512 value = powers[0]; /* of all octaves */
    for (int power = 1; power < POWERS; power++)
        value = _mm512_add_ps(_mm512_mul_ps(value, of),
                              _mm512_permutexvar_ps(octave, powers[power]));
    const __m512i is_signed = _mm512_ternarylogic_epi32( /* value ^ (bits & SIGN) */
        _mm512_castps_si512(value), bits, _mm512_set1_epi32(SIGN), 0x78);
    return _mm512_add_ps(_mm512_castsi512_ps(is_signed), neutral);
}

/* The nearest of bfloat16, of two the even one, in the upper half of each number; none is NaN. */
WITH_AVX512 static inline __m512i rounded_512(__m512 values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
}

WITH_AVX512 static inline void store_512(float *at, __m512 first, __m512 second) {
    _mm512_storeu_ps(at, first);
    _mm512_storeu_ps(at + BLOCK / 2, second);
}

WITH_AVX512 static inline void store_short_512(uint16_t *at, __m512 first, __m512 second) {
    static const uint16_t UPPER_HALVES[BLOCK] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    const __m512i chosen = _mm512_loadu_si512(UPPER_HALVES);
    _mm512_storeu_si512(
        at, _mm512_permutex2var_epi16(rounded_512(first), chosen, rounded_512(second)));
}

#define DEFINE_BLOCKS_512(NAME, NUMBER, STORE)                                                     \
    WITH_AVX512 static void NAME(lanes *state, const float *table, NUMBER *values,                 \
                                 size_t blocks) {                                                  \
        __m512i a = _mm512_loadu_si512(state->a), b = _mm512_loadu_si512(state->b);                \
        __m512i c = _mm512_loadu_si512(state->c);                                                  \
        __m512i counter = _mm512_set1_epi64((long long)state->counter);                            \
        __m512 powers[POWERS];                                                                     \
        for (int i = 0; i < POWERS; i++) powers[i] = _mm512_loadu_ps(table + OCTAVES * i);         \
        const __m512 neutral = _mm512_set1_ps(table[NEUTRAL]);                                     \
        const __m512i half = _mm512_set1_epi16(HALF);                                              \
        for (size_t block = 0; block < blocks; block++, values += BLOCK) {                         \
            const __m512i word = _mm512_add_epi64(_mm512_add_epi64(a, b), counter);                \
            counter = _mm512_add_epi64(counter, _mm512_set1_epi64(1));                             \
            a = _mm512_xor_si512(b, _mm512_srli_epi64(b, 11));                                     \
            b = _mm512_add_epi64(c, _mm512_slli_epi64(c, 3));                                      \
            c = _mm512_add_epi64(_mm512_rol_epi64(c, 24), word);                                   \
            STORE(values, values_512(_mm512_unpacklo_epi16(half, word), powers, neutral),          \
                  values_512(_mm512_unpackhi_epi16(half, word), powers, neutral));                 \
        }                                                                                          \
        _mm512_storeu_si512(state->a, a);                                                          \
        _mm512_storeu_si512(state->b, b);                                                          \
        _mm512_storeu_si512(state->c, c);                                                          \
        state->counter += blocks;                                                                  \
    }

DEFINE_BLOCKS_512(blocks_512, float, store_512)
DEFINE_BLOCKS_512(blocks_short_512, uint16_t, store_short_512)
DEFINE_FILL(noisevote_lanes_512, float, float, blocks_512, ORDER_512)
DEFINE_FILL(noisevote_lanes_short_512, uint16_t, float, blocks_short_512, ORDER_512)

#endif
