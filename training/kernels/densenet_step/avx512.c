/* 32-bit floats: AVX-512. */

#include "layer.h"

#if HAS_AVX512

#include "common.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#define LANES 16
#define PAIR 1
#define VW 16
#define WIDE 12
#define MIDDLE 8
#define NARROW 4
#define OF_CHANNELS 2
#define OF_MAPS 4
typedef __m512 vec;
typedef float item;

#include "avx512_vectors.h"

INLINE vec dot(vec sum, vec a, vec b) { return _mm512_fmadd_ps(a, b, sum); }

#include "float_items.h"

#include "rows.h"
#include "tiles.h"
#include "forward.h"
#include "gradient.h"
#include "backward.h"
#include "head.h"

static int is_supported(void) { return has_avx512(); }

const variant noisevote_avx512 = {
    "avx512", LANES, sizeof(item), is_supported, forward, behind_noise, backward, head_forward,
    head_backward, draw,
};

#endif
