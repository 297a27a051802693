/* What the variants with 16-bit floats share.
 *
 * A block is 32 floats in two vectors: those of the even pictures and those of the odd ones, since
 * a 32-bit lane splits into them without a permutation. Only joining them needs one.
 */

/* Joins two vectors of floats to pairs of 16-bit floats. */
INLINE vec joined(vec low, vec high) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
        19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return (vec)_mm512_permutexvar_epi16(order, halves);
}

INLINE void get(const item *from, vec *to) {
    const __m512i both = _mm512_loadu_si512(from);
    to[0] = (vec)_mm512_slli_epi32(both, 16);
    to[1] = (vec)_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000u));
}

INLINE void put(item *to, const vec *from) {
    _mm512_storeu_ps(to, joined(from[0], from[1]));
}

INLINE void put_units(float *to, size_t second, const vec from[PAIR][2]) {
    _mm512_storeu_ps(to, joined(from[0][0], from[1][0]));
    _mm512_storeu_ps(to + second, joined(from[0][1], from[1][1]));
}

INLINE item rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (item)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
