/* 16-bit floats in memory, products of pairs: AVX512-BF16. */

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

#include "bf16_items.h"

#include "rows.h"
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
