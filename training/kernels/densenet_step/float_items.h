/* What the variants with 32-bit floats share. */

INLINE void get(const item *from, vec *to) {
    to[0] = load(from);
    to[1] = load(from + VW);
}

INLINE void put(item *to, const vec *from) {
    store(to, from[0]);
    store(to + VW, from[1]);
}

INLINE void put_units(float *to, size_t second, const vec from[PAIR][2]) {
    store(to, from[0][0]);
    store(to + second, from[0][1]);
}
INLINE item rounded(float value) { return value; }
