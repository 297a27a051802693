/* Fills the noise tensors of a forward pass: the scheme sfc64-icdf16-1 of models/draws/icdf16.py.
 *
 * models/draws/library.py loads this library if it was built; NumPy does the same otherwise, to the bit,
 * at two and a half times the cost. No Python header is needed to build it.
 */

#include <stddef.h>
#include <stdint.h>

#include "stream.h"

#if defined(__GNUC__)
#define WILL_WRITE(address) __builtin_prefetch((address), 1)
#else
#define WILL_WRITE(address) ((void)(address))
#endif

#define AHEAD 512 /* values; without fetching lines that far ahead, writing waits for them */

/* Defines a function that fills tensors of one type of numbers:
 *
 * rows: forward passes; points: noise points of each.
 * keys: [rows, 3] seed, position, vote.
 * sizes: [points] elements of one row of each point's tensor.
 * tables: [rows, points] the 65,536 finished values to pick from.
 * tensors: [points] each [rows, size], in C order.
 */
#define DEFINE_FILL(NAME, NUMBER)                                                                  \
    void NAME(size_t rows, size_t points, const uint64_t *keys, const size_t *sizes,               \
              const NUMBER *const *tables, NUMBER *const *tensors) {                               \
        for (size_t row = 0; row < rows; row++) {                                                  \
            const uint64_t *key = keys + 3 * row;                                                  \
            const entropy_pool pool = pool_of(key[0], (uint32_t)key[1], (uint32_t)key[2]);         \
            sfc64 state = started(&pool);                                                          \
            uint64_t word = 0; /* its lower 16 bits are the next index */                          \
            unsigned left = 0; /* indices left in it */                                            \
            for (size_t point = 0; point < points; point++) {                                      \
                const NUMBER *const table = tables[row * points + point];                          \
                const size_t size = sizes[point];                                                  \
                NUMBER *const values = tensors[point] + row * size;                                \
                size_t done = 0;                                                                   \
                for (; left > 0 && done < size; left--, word >>= 16)                               \
                    values[done++] = table[word & 0xffff];                                         \
                for (; size - done >= 4; done += 4) {                                              \
                    const uint64_t four = next_word(&state);                                       \
                    WILL_WRITE(values + done + AHEAD);                                             \
                    values[done] = table[four & 0xffff];                                           \
                    values[done + 1] = table[(four >> 16) & 0xffff];                               \
                    values[done + 2] = table[(four >> 32) & 0xffff];                               \
                    values[done + 3] = table[four >> 48];                                          \
                }                                                                                  \
                if (done < size) {                                                                 \
                    word = next_word(&state);                                                      \
                    left = 4;                                                                      \
                    for (; done < size; left--, word >>= 16)                                       \
                        values[done++] = table[word & 0xffff];                                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_FILL(noisevote_fill, float)
DEFINE_FILL(noisevote_fill_short, uint16_t) /* bfloat16 */
