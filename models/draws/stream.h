/* The streams of 64-bit words from which noise is drawn: SFC64, seeded as NumPy seeds it.
 *
 * Sources: SFC64, C. Doty-Humphrey, PractRand; seed sequence, M. E. O'Neill, "Developing a
 * seed_seq Alternative" (2015), with the constants of numpy.random.SeedSequence.
 */

#ifndef NOISEVOTE_NOISE_STREAM_H
#define NOISEVOTE_NOISE_STREAM_H

#include <stdint.h>

#define POOL 4 /* 32-bit words of the pool; a key of a vote fills it exactly */

typedef struct {
    uint64_t a, b, c, counter;
} sfc64;

/* A key's words, mixed; further words can be mixed in. */
typedef struct {
    uint32_t words[POOL], constant;
} entropy_pool;

static inline uint64_t next_word(sfc64 *state) {
    const uint64_t word = state->a + state->b + state->counter++;
    state->a = state->b ^ (state->b >> 11);
    state->b = state->c + (state->c << 3);
    state->c = ((state->c << 24) | (state->c >> 40)) + word;
    return word;
}

static inline uint32_t hashed(uint32_t value, uint32_t *constant) {
    value ^= *constant;
    *constant *= 0x931e8875u;
    value *= *constant;
    return value ^ (value >> 16);
}

static inline uint32_t mixed(uint32_t x, uint32_t y) {
    const uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
    return result ^ (result >> 16);
}

/* The pool of seed + (position << 64) + (vote << 96). */
static inline entropy_pool pool_of(uint64_t seed, uint32_t position, uint32_t vote) {
    const uint32_t entropy[POOL] = {(uint32_t)seed, (uint32_t)(seed >> 32), position, vote};
    entropy_pool pool = {{0}, 0x43b0d7e5u};
    for (int i = 0; i < POOL; i++) pool.words[i] = hashed(entropy[i], &pool.constant);
    for (int source = 0; source < POOL; source++)
        for (int target = 0; target < POOL; target++)
            if (source != target)
                pool.words[target] =
                    mixed(pool.words[target], hashed(pool.words[source], &pool.constant));
    return pool;
}

/* The pool with a fifth word of the key: (word << 128). */
static inline entropy_pool with_word(entropy_pool pool, uint32_t word) {
    for (int target = 0; target < POOL; target++)
        pool.words[target] = mixed(pool.words[target], hashed(word, &pool.constant));
    return pool;
}

/* What numpy.random.SFC64 of the key starts from. */
static inline sfc64 started(const entropy_pool *pool) {
    uint64_t words[3] = {0, 0, 0};
    uint32_t constant = 0x8b51f9ddu;
    for (int i = 0; i < 6; i++) {
        uint32_t value = pool->words[i % POOL] ^ constant;
        constant *= 0x58f38dedu;
        value *= constant;
        words[i / 2] |= (uint64_t)(value ^ (value >> 16)) << (32 * (i % 2));
    }
    sfc64 state = {words[0], words[1], words[2], 1};
    for (int i = 0; i < 12; i++) next_word(&state);
    return state;
}

#endif
