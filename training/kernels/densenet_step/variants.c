/* Names the instruction sets that this library was compiled for, the best first. */

#include "layer.h"

static const variant *const VARIANTS[] = {
#if HAS_AMX
    &noisevote_amx,
#endif
#if HAS_AVX512_BF16
    &noisevote_avx512_bf16,
#endif
#if HAS_AVX512
    &noisevote_avx512,
#endif
#if HAS_AVX2
    &noisevote_avx2,
#endif
    NULL,
};

/* Returns the variant of that number, from 0, or NULL behind the last. */
const variant *noisevote_variant(size_t number) { return VARIANTS[number]; }
