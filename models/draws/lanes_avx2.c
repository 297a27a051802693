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

/* Registers hold eight numbers: the coefficients of the upper eight octaves, from where all but one
 * in 256 values come. Those of the lower ones are computed again, one by one, after their chunk:
 * a branch for each would be guessed wrong too often. */
#define UPPER 8
#define LEAST_EXPONENT (127 + 15) /* of 2^16 / 2 */
#define LEAST_UPPER (1 << (UPPER - 1)) /* of the words of the upper octaves, but for their sign */

typedef struct {
    float powers[POWERS][UPPER];
} upper_octaves;

static upper_octaves upper_of(const float *table) {
    upper_octaves upper;
    for (int power = 0; power < POWERS; power++)
        for (int octave = 0; octave < UPPER; octave++) {
            const int exponent = LEAST_EXPONENT + UPPER + octave;
            upper.powers[power][exponent % UPPER] = table[OCTAVES * power + exponent % OCTAVES];
        }
    return upper;
}

/* The value of one word, of any octave. */
static float value_of(uint16_t word, const float *table) {
    const float scaled = (float)(int32_t)((uint32_t)word << 16 | 0x8000);
    uint32_t bits, finished;
    memcpy(&bits, &scaled, sizeof bits);
    const uint32_t octave = (bits >> EXPONENT_AT) % OCTAVES, mantissa = (bits & MANTISSA) | ONE;
    float of, value = table[octave];
    memcpy(&of, &mantissa, sizeof of);
    for (int power = 1; power < POWERS; power++)
        value = value * of + table[OCTAVES * power + octave];
    memcpy(&finished, &value, sizeof finished);
    finished ^= bits & (uint32_t)SIGN;
    memcpy(&value, &finished, sizeof value);
    return value + table[NEUTRAL];
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

WITH_AVX2 static inline __m256 polynomial_256(__m256i bits, const upper_octaves *upper) {
    const __m256i octave = _mm256_srli_epi32(bits, EXPONENT_AT); /* its last three bits are taken */
    const __m256 of = _mm256_castsi256_ps(_mm256_or_si256(
        _mm256_and_si256(bits, _mm256_set1_epi32(MANTISSA)), _mm256_set1_epi32(ONE)));
    __m256 value = _mm256_loadu_ps(upper->powers[0]); /* of all octaves */
    for (int power = 1; power < POWERS; power++)
        value = _mm256_add_ps(
            _mm256_mul_ps(value, of),
            _mm256_permutevar8x32_ps(_mm256_loadu_ps(upper->powers[power]), octave));
    return value;
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

/* The values of four lanes, all as if of the upper octaves; those of the lanes that come first in a
 * block, and the others. */
WITH_AVX2 static inline void values_256(__m256i word, const upper_octaves *upper, __m256 neutral,
                                        __m256 *first, __m256 *second) {
    const __m256i half = _mm256_set1_epi16(HALF);
    const __m256i low = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_unpacklo_epi16(half, word)));
    const __m256i high = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_unpackhi_epi16(half, word)));
    *first = finished_256(polynomial_256(low, upper), low, neutral);
    *second = finished_256(polynomial_256(high, upper), high, neutral);
}

/* Which of the 32 words of a block are of lower octaves, or may be: a bit each. */
WITH_AVX2 static inline uint32_t lower_256(__m256i left, __m256i right) {
    const __m256i least = _mm256_set1_epi16(LEAST_UPPER + 1);
    const __m256i packed = _mm256_packs_epi16(_mm256_cmpgt_epi16(least, _mm256_abs_epi16(left)),
                                              _mm256_cmpgt_epi16(least, _mm256_abs_epi16(right)));
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(packed, 0xD8));
}

WITH_AVX2 static inline void store_256(float *at, __m256 left, __m256 right) {
    _mm256_storeu_ps(at, left);
    _mm256_storeu_ps(at + UPPER, right);
}

WITH_AVX2 static inline void store_short_256(uint16_t *at, __m256 left, __m256 right) {
    const __m256i packed = _mm256_packus_epi32(rounded_256(left), rounded_256(right));
    _mm256_storeu_si256((__m256i *)at, _mm256_permute4x64_epi64(packed, 0xD8));
}

static float as_float(float value) { return value; }

static uint16_t as_short(float value) { /* none is NaN */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#define DEFINE_BLOCKS_256(NAME, NUMBER, STORE, AS_NUMBER)                                          \
    WITH_AVX2 static void NAME(lanes *state, const float *table, NUMBER *values, size_t blocks) {  \
        const upper_octaves upper = upper_of(table);                                               \
        const __m256 neutral = _mm256_set1_ps(table[NEUTRAL]);                                     \
        uint64_t words[LANES * CHUNK];                                                             \
        struct {                                                                                   \
            uint32_t lower, block;                                                                 \
        } left[CHUNK]; /* blocks with values of lower octaves */                                   \
        while (blocks > 0) {                                                                       \
            const uint32_t count = blocks < CHUNK ? (uint32_t)blocks : CHUNK;                      \
            uint32_t found = 0;                                                                    \
            words_256(state, words, count);                                                        \
            for (uint32_t block = 0; block < count; block++) {                                     \
                const __m256i *const two = (const __m256i *)(words + LANES * block);               \
                const __m256i word[2] = {_mm256_loadu_si256(two), _mm256_loadu_si256(two + 1)};    \
                __m256 first[2], second[2];                                                        \
                for (int i = 0; i < 2; i++)                                                        \
                    values_256(word[i], &upper, neutral, first + i, second + i);                   \
                STORE(values + BLOCK * block, first[0], first[1]);                                 \
                STORE(values + BLOCK * block + BLOCK / 2, second[0], second[1]);                   \
                left[found].lower = lower_256(word[0], word[1]);                                   \
                left[found].block = block;                                                         \
                found += left[found].lower != 0;                                                   \
            }                                                                                      \
            for (uint32_t i = 0; i < found; i++)                                                   \
                for (uint32_t lower = left[i].lower; lower != 0; lower &= lower - 1) {             \
                    const int at = __builtin_ctz(lower);                                           \
                    const uint16_t word =                                                          \
                        (uint16_t)(words[LANES * left[i].block + at / 4] >> (16 * (at % 4)));      \
                    values[BLOCK * left[i].block + 4 * ORDER_256[at / 4] + at % 4] =               \
                        AS_NUMBER(value_of(word, table));                                          \
                }                                                                                  \
            values += BLOCK * count;                                                               \
            blocks -= count;                                                                       \
        }                                                                                          \
    }

DEFINE_BLOCKS_256(blocks_256, float, store_256, as_float)
DEFINE_BLOCKS_256(blocks_short_256, uint16_t, store_short_256, as_short)
DEFINE_FILL(noisevote_lanes_256, float, float, blocks_256, ORDER_256)
DEFINE_FILL(noisevote_lanes_short_256, uint16_t, float, blocks_short_256, ORDER_256)

#endif
