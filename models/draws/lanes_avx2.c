/* The scheme sfc64x8-icdf4-1 on processors with AVX2; see lanes.h.
 *
 * Nothing here may be contracted to fused multiply-adds (-ffp-contract=off): they round otherwise. */

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include "lanes.h"

#define WITH_AVX2 __attribute__((target("avx2")))

#define CHUNK 64 /* blocks whose words are made together */

/* Unpacking takes every second word of the vector first. */
static const int ORDER_256[LANES] = {0, 4, 1, 5, 2, 6, 3, 7};

/* Registers hold eight numbers: those of the upper eight octaves, from where all but one in 256
 * values come. Values are computed as if all did, and the others are mended. */
#define UPPER 8
#define LEAST_EXPONENT (127 + 15) /* of 2^16 / 2 */

typedef struct {
    float upper[POWERS][UPPER], lower[POWERS][UPPER];
} halves;

static halves halves_of(const float *table) {
    halves split;
    for (int power = 0; power < POWERS; power++)
        for (int octave = 0; octave < UPPER; octave++) {
            const float *const row = table + OCTAVES * power;
            const int low = LEAST_EXPONENT + octave, high = low + UPPER;
            split.lower[power][low % UPPER] = row[low % OCTAVES];
            split.upper[power][high % UPPER] = row[high % OCTAVES];
        }
    return split;
}

/* Words of all lanes, block by block. Apart from the values, so that all stays in registers. */
WITH_AVX2 static void words_256(lanes *state, uint64_t *words, size_t blocks) {
    __m256i a[2], b[2], c[2];
    for (int i = 0; i < 2; i++) {
        a[i] = _mm256_loadu_si256((const __m256i *)state->a + i);
        b[i] = _mm256_loadu_si256((const __m256i *)state->b + i);
        c[i] = _mm256_loadu_si256((const __m256i *)state->c + i);
    }
    __m256i counter = _mm256_set1_epi64x((long long)state->counter);
    for (size_t block = 0; block < blocks; block++) {
        for (int i = 0; i < 2; i++) {
            const __m256i word = _mm256_add_epi64(_mm256_add_epi64(a[i], b[i]), counter);
            const __m256i turned =
                _mm256_or_si256(_mm256_slli_epi64(c[i], 24), _mm256_srli_epi64(c[i], 40));
            a[i] = _mm256_xor_si256(b[i], _mm256_srli_epi64(b[i], 11));
            b[i] = _mm256_add_epi64(c[i], _mm256_slli_epi64(c[i], 3));
            c[i] = _mm256_add_epi64(turned, word);
            _mm256_storeu_si256((__m256i *)words + 2 * block + i, word);
        }
        counter = _mm256_add_epi64(counter, _mm256_set1_epi64x(1));
    }
    for (int i = 0; i < 2; i++) {
        _mm256_storeu_si256((__m256i *)state->a + i, a[i]);
        _mm256_storeu_si256((__m256i *)state->b + i, b[i]);
        _mm256_storeu_si256((__m256i *)state->c + i, c[i]);
    }
    state->counter += blocks;
}

WITH_AVX2 static inline __m256 polynomial_256(__m256i bits, const float (*powers)[UPPER]) {
    const __m256i octave = _mm256_srli_epi32(bits, EXPONENT_AT); /* its last three bits are taken */
    const __m256 of = _mm256_castsi256_ps(_mm256_or_si256(
        _mm256_and_si256(bits, _mm256_set1_epi32(MANTISSA)), _mm256_set1_epi32(ONE)));
    __m256 value = _mm256_loadu_ps(powers[0]); /* of all octaves */
    for (int power = 1; power < POWERS; power++)
        value = _mm256_add_ps(
            _mm256_mul_ps(value, of),
            _mm256_permutevar8x32_ps(_mm256_loadu_ps(powers[power]), octave));
    return value;
}

WITH_AVX2 static __m256 mended_256(__m256 value, __m256i bits, const halves *split) {
    const __m256i octave =
        _mm256_and_si256(_mm256_srli_epi32(bits, EXPONENT_AT), _mm256_set1_epi32(0xff));
    const __m256i is_upper =
        _mm256_cmpgt_epi32(octave, _mm256_set1_epi32(LEAST_EXPONENT + UPPER - 1));
    const __m256 lower = polynomial_256(bits, split->lower);
    return _mm256_blendv_ps(lower, value, _mm256_castsi256_ps(is_upper));
}

WITH_AVX2 static inline __m256 finished_256(__m256 value, __m256i bits, __m256 neutral) {
    const __m256i sign = _mm256_and_si256(bits, _mm256_set1_epi32(SIGN));
    return _mm256_add_ps(_mm256_xor_ps(value, _mm256_castsi256_ps(sign)), neutral);
}

WITH_AVX2 static inline __m256i rounded_256(__m256 values) { /* as in short_512 */
    const __m256i bits = _mm256_castps_si256(values);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    return _mm256_srli_epi32(_mm256_add_epi32(bits, up), 16);
}

/* The values of four lanes; those of the lanes that come first in a block, and the others. */
WITH_AVX2 static inline void values_256(const uint64_t *words, const halves *split, __m256 neutral,
                                        __m256 *first, __m256 *second) {
    const __m256i half = _mm256_set1_epi16(HALF), word = _mm256_loadu_si256((const __m256i *)words);
    const __m256i low = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_unpacklo_epi16(half, word)));
    const __m256i high = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_unpackhi_epi16(half, word)));
    __m256 of_low = polynomial_256(low, split->upper), of_high = polynomial_256(high, split->upper);
    const __m256i is_lower = _mm256_cmpgt_epi16(_mm256_set1_epi16((1 << (UPPER - 1)) + 1),
                                                _mm256_abs_epi16(word));
    if (__builtin_expect(!_mm256_testz_si256(is_lower, is_lower), 0)) {
        of_low = mended_256(of_low, low, split);
        of_high = mended_256(of_high, high, split);
    }
    *first = finished_256(of_low, low, neutral);
    *second = finished_256(of_high, high, neutral);
}

WITH_AVX2 static inline void store_256(float *at, __m256 left, __m256 right) {
    _mm256_storeu_ps(at, left);
    _mm256_storeu_ps(at + UPPER, right);
}

WITH_AVX2 static inline void store_short_256(uint16_t *at, __m256 left, __m256 right) {
    const __m256i packed = _mm256_packus_epi32(rounded_256(left), rounded_256(right));
    _mm256_storeu_si256((__m256i *)at, _mm256_permute4x64_epi64(packed, 0xD8));
}

#define DEFINE_BLOCKS_256(NAME, NUMBER, STORE)                                                     \
    WITH_AVX2 static void NAME(lanes *state, const float *table, NUMBER *values, size_t blocks) {  \
        const halves split = halves_of(table);                                                     \
        const __m256 neutral = _mm256_set1_ps(table[NEUTRAL]);                                     \
        uint64_t words[LANES * CHUNK];                                                             \
        while (blocks > 0) {                                                                       \
            const size_t count = blocks < CHUNK ? blocks : CHUNK;                                  \
            words_256(state, words, count);                                                        \
            for (size_t block = 0; block < count; block++, values += BLOCK) {                      \
                __m256 first[2], second[2];                                                        \
                for (int i = 0; i < 2; i++)                                                        \
                    values_256(words + LANES * block + 4 * i, &split, neutral, first + i,          \
                               second + i);                                                        \
                STORE(values, first[0], first[1]);                                                 \
                STORE(values + BLOCK / 2, second[0], second[1]);                                   \
            }                                                                                      \
            blocks -= count;                                                                       \
        }                                                                                          \
    }

DEFINE_BLOCKS_256(blocks_256, float, store_256)
DEFINE_BLOCKS_256(blocks_short_256, uint16_t, store_short_256)
DEFINE_FILL(noisevote_lanes_256, float, float, blocks_256, ORDER_256)
DEFINE_FILL(noisevote_lanes_short_256, uint16_t, float, blocks_short_256, ORDER_256)

#endif
