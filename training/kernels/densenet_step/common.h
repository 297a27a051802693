/* What all variants share: each is compiled for its own instruction set, in a file of its own.
 *
 * The file of a variant defines
 *   TARGET        the instruction set, as an attribute of functions
 *   LANES, PAIR   pictures of a chunk; numbers in a 32-bit unit of a product
 *   VW            floats in a vector
 *   WIDE, MIDDLE, NARROW   maps that a product makes at a time, with two vectors of sums for each
 *   OF_CHANNELS, OF_MAPS   weight gradients of a kernel's row that are summed at a time, by 3
 *   vec, item     a vector of floats; a number as it lies in memory
 * and the operations on them that the files it includes use. `amx.c` needs neither the sizes of
 * products nor the files that hold them: it multiplies by tiles.
 */

#ifndef NOISEVOTE_COMMON_H
#define NOISEVOTE_COMMON_H

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"

#define INLINE TARGET static inline __attribute__((always_inline))
#define EACH(p, i)                    \
    for (int p = 0; p < PAIR; p++)    \
        for (int i = 0; i < 2; i++)

#define BLOCK (2 * VW) /* floats that a product makes of a map at a time */

/* Units lie as [column][unit][picture]. From the first to the second vector of a block's units. */
#define SECOND(column) (LANES < BLOCK ? (column) * (BLOCK - VW) / LANES : VW)

#define WILL_READ(address) __builtin_prefetch(address)

#define MOST_SIDE 32
#define UNITS_AT_ONCE 12 /* read by a product; keeps what a strip needs in the second cache */
#define STRIP 8192       /* bytes of a map in a strip, about at most */
#define LARGE 100000     /* numbers that a strip of a kernel 1x1 may read */
#define GOLDEN 0x9e3779b97f4a7c15u

/* Source: G. Steele, D. Lea & C. Flood, "Fast Splittable Pseudorandom Number Generators" (2014),
 * with the constants of SplitMix64, S. Vigna.
 */
static inline uint64_t scrambled(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Memory for floats, on a cache line; NULL if there is none. */
static inline float *room(size_t floats) {
    return aligned_alloc(64, (floats * sizeof(float) + 127) / 64 * 64);
}

static inline size_t ceiling(size_t value, size_t step) {
    return (value + step - 1) / step * step;
}

#endif
