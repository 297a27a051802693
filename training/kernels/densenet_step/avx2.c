/* 32-bit floats: AVX2, with half the registers of half the width. */

#include "layer.h"

#if HAS_AVX2

#include "common.h"

#define TARGET __attribute__((target("avx2,fma")))
#define LANES 16
#define PAIR 1
#define VW 8
#define WIDE 6
#define MIDDLE 4
#define NARROW 2
#define OF_CHANNELS 2
#define OF_MAPS 2
typedef __m256 vec;
typedef float item;

INLINE vec load(const float *from) { return _mm256_loadu_ps(from); }
INLINE void store(float *to, vec value) { _mm256_storeu_ps(to, value); }
INLINE vec all(float value) { return _mm256_set1_ps(value); }
INLINE vec dot(vec sum, vec a, vec b) { return _mm256_fmadd_ps(a, b, sum); }
INLINE vec relu(vec value) { return _mm256_max_ps(value, _mm256_setzero_ps()); }

INLINE vec where_positive(vec value, vec other) {
    return _mm256_and_ps(_mm256_cmp_ps(other, _mm256_setzero_ps(), _CMP_GT_OQ), value);
}

INLINE float total(vec value) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}

#include "float_items.h"

#include "rows.h"
#include "tiles.h"
#include "forward.h"
#include "gradient.h"
#include "backward.h"
#include "head.h"

static int is_supported(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const variant noisevote_avx2 = {
    "avx2", LANES, sizeof(item), is_supported, forward, behind_noise, backward, head_forward,
    head_backward, draw,
};

#endif
