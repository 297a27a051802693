/* Fills the noise tensors of a forward pass: the scheme sfc64-icdf16-1 of models/noise.py.
 *
 * models/noise_fill.py loads this library if it was built; NumPy does the same otherwise, to the bit,
 * at two and a half times the cost. No Python header is needed to build it.
 *
 * Sources: SFC64, C. Doty-Humphrey, PractRand; seed sequence, M. E. O'Neill, "Developing a
 * seed_seq Alternative" (2015), with the constants of numpy.random.SeedSequence.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WILL_WRITE(address) __builtin_prefetch((address), 1)
#else
#define WILL_WRITE(address) ((void)(address))
#endif

#define AHEAD 512 /* values; without fetching lines that far ahead, writing waits for them */

#define POOL 4 /* 32-bit words of the pool; a key fills it exactly */

typedef struct {
    uint64_t a, b, c, counter;
} sfc64;

static inline uint64_t next_word(sfc64 *state) {
    const uint64_t word = state->a + state->b + state->counter++;
    state->a = state->b ^ (state->b >> 11);
    state->b = state->c + (state->c << 3);
    state->c = ((state->c << 24) | (state->c >> 40)) + word;
    return word;
}

static uint32_t hashed(uint32_t value, uint32_t *constant) {
    value ^= *constant;
    *constant *= 0x931e8875u;
    value *= *constant;
    return value ^ (value >> 16);
}

static uint32_t mixed(uint32_t x, uint32_t y) {
    const uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
    return result ^ (result >> 16);
}

/* What numpy.random.SFC64(seed + (position << 64) + (vote << 96)) starts from. */
static sfc64 seeded(uint64_t seed, uint32_t position, uint32_t vote) {
    const uint32_t entropy[POOL] = {(uint32_t)seed, (uint32_t)(seed >> 32), position, vote};
    uint32_t pool[POOL], constant = 0x43b0d7e5u;
    for (int i = 0; i < POOL; i++) pool[i] = hashed(entropy[i], &constant);
    for (int source = 0; source < POOL; source++)
        for (int target = 0; target < POOL; target++)
            if (source != target)
                pool[target] = mixed(pool[target], hashed(pool[source], &constant));

    uint64_t words[3] = {0, 0, 0};
    constant = 0x8b51f9ddu;
    for (int i = 0; i < 6; i++) {
        uint32_t value = pool[i % POOL] ^ constant;
        constant *= 0x58f38dedu;
        value *= constant;
        words[i / 2] |= (uint64_t)(value ^ (value >> 16)) << (32 * (i % 2));
    }
    sfc64 state = {words[0], words[1], words[2], 1};
    for (int i = 0; i < 12; i++) next_word(&state);
    return state;
}

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
            sfc64 state = seeded(key[0], (uint32_t)key[1], (uint32_t)key[2]);                      \
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
