/* What the variants of the scheme sfc64x8-icdf4-1 have in common.
 *
 * A variant takes:
 * rows: forward passes; points: noise points of each.
 * keys: [rows, 3] seed, position, vote.
 * sizes: [points] elements of one row of each point's tensor.
 * tables: [rows, points] what a word of 16 bits becomes: the 65,536 finished values, or, in the
 *     variants that compute them, the coefficients [5, 16], highest power first, each power by the
 *     last four bits of the exponent, and what the noise is without noise.
 * tensors: [points] each [rows, size], in C order.
 */

#ifndef NOISEVOTE_LANES_H
#define NOISEVOTE_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stream.h"

#ifdef __FAST_MATH__
#error "all variants must give the same bits: build without -ffast-math"
#endif

#define LANES 8
#define BLOCK 32 /* values of one word of each lane */
#define POWERS 5
#define OCTAVES 16
#define NEUTRAL (POWERS * OCTAVES) /* place in a table of coefficients */
#define FIRST_LANE 1               /* 0 would be the stream of the scheme sfc64-icdf16-1 */

typedef struct {
    uint64_t a[LANES], b[LANES], c[LANES], counter;
} lanes;

/* The lanes of a vote; the one at a place of the arrays is that of order[place]. */
static inline lanes lanes_of(const uint64_t *key, const int *order) {
    const entropy_pool pool = pool_of(key[0], (uint32_t)key[1], (uint32_t)key[2]);
    lanes state;
    for (int place = 0; place < LANES; place++) {
        const entropy_pool own = with_word(pool, (uint32_t)(FIRST_LANE + order[place]));
        const sfc64 one = started(&own);
        state.a[place] = one.a;
        state.b[place] = one.b;
        state.c[place] = one.c;
        state.counter = one.counter;
    }
    return state;
}

/* Defines a filler: BLOCKS writes whole blocks of a point, the last one of which may be cut. */
#define DEFINE_FILL(NAME, NUMBER, TABLE, BLOCKS, ORDER)                                            \
    void NAME(size_t rows, size_t points, const uint64_t *keys, const size_t *sizes,               \
              const TABLE *const *tables, NUMBER *const *tensors) {                                \
        for (size_t row = 0; row < rows; row++) {                                                  \
            lanes state = lanes_of(keys + 3 * row, ORDER);                                         \
            for (size_t point = 0; point < points; point++) {                                      \
                const TABLE *const table = tables[row * points + point];                           \
                const size_t size = sizes[point], whole = size / BLOCK, rest = size % BLOCK;       \
                NUMBER *const values = tensors[point] + row * size;                                \
                BLOCKS(&state, table, values, whole);                                              \
                if (rest > 0) {                                                                    \
                    NUMBER last[BLOCK];                                                            \
                    BLOCKS(&state, table, last, 1);                                                \
                    memcpy(values + whole * BLOCK, last, rest * sizeof(NUMBER));                   \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

/* A word w of 16 bits, seen as a signed number, becomes (w + 1/2) 2^16: its exponent chooses the
 * polynomial, its mantissa in [1, 2) is what the polynomial is of, its sign is that of the value. */
#define HALF ((short)0x8000)
#define MANTISSA 0x7fffff
#define ONE 0x3f800000
#define SIGN ((int)0x80000000)
#define EXPONENT_AT 23

#endif
