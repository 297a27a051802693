/* Fills the noise tensors of a forward pass: the scheme sfc64x8-icdf4-1 of models/draws/lanes.py.
 *
 * By tables of finished values: any distribution, any machine. lanes_avx2.c and lanes_avx512.c
 * compute normals instead; all give the same bits, as NumPy does.
 */

#include "lanes.h"

static const int IN_ORDER[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};

static void next_words(lanes *state, uint64_t *words) {
    for (int lane = 0; lane < LANES; lane++) {
        const uint64_t word = state->a[lane] + state->b[lane] + state->counter;
        state->a[lane] = state->b[lane] ^ (state->b[lane] >> 11);
        state->b[lane] = state->c[lane] + (state->c[lane] << 3);
        state->c[lane] = ((state->c[lane] << 24) | (state->c[lane] >> 40)) + word;
        words[lane] = word;
    }
    state->counter++;
}

#define DEFINE_LOOK_UP(NAME, NUMBER)                                                               \
    static void NAME(lanes *state, const NUMBER *table, NUMBER *values, size_t blocks) {           \
        for (; blocks > 0; blocks--) {                                                             \
            uint64_t words[LANES];                                                                 \
            next_words(state, words);                                                              \
            for (int lane = 0; lane < LANES; lane++)                                               \
                for (int i = 0; i < 4; i++)                                                        \
                    *values++ = table[(words[lane] >> (16 * i)) & 0xffff];                         \
        }                                                                                          \
    }

DEFINE_LOOK_UP(look_up, float)
DEFINE_LOOK_UP(look_up_short, uint16_t) /* bfloat16 */
DEFINE_FILL(noisevote_lanes, float, float, look_up, IN_ORDER)
DEFINE_FILL(noisevote_lanes_short, uint16_t, uint16_t, look_up_short, IN_ORDER)

/* Which variant computes values here: 512, 256, or 0 for none. */
int noisevote_lanes_width(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return 512;
    if (__builtin_cpu_supports("avx2")) return 256;
#endif
    return 0;
}
