/* The gradient of what a convolution gave, on its way into tiles. */

/* Transposes up to 16 rows of 16 numbers: to[number][row]. */
TARGET static void transpose(const item *from, size_t step, size_t rows, float *to) {
    __m512i a[TILE], b[TILE];
    _Pragma("GCC unroll 16") for (size_t i = 0; i < TILE; i++)
        a[i] = i < rows ? _mm512_loadu_si512(from + i * step) : _mm512_setzero_si512();
    _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    /* of rows i..i+3, number 4 q + j in place q of the j-th */
    _Pragma("GCC unroll 4") for (int i = 0; i < TILE; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) {
        const __m512i even = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
        const __m512i odd = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        const __m512i even_2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
        const __m512i odd_2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        float *const at = to + j * TILE;
        _mm512_storeu_si512(at, _mm512_shuffle_i32x4(even, even_2, 0x88));
        _mm512_storeu_si512(at + 4 * TILE, _mm512_shuffle_i32x4(odd, odd_2, 0x88));
        _mm512_storeu_si512(at + 8 * TILE, _mm512_shuffle_i32x4(even, even_2, 0xdd));
        _mm512_storeu_si512(at + 12 * TILE, _mm512_shuffle_i32x4(odd, odd_2, 0xdd));
    }
}

/* Lays out a layer's gradients at one pixel.
 *
 * half: from the units of the even pictures to those of the odd ones.
 */
INLINE void lay_out_pixel(const layer *l, const item *from, float *units, size_t half,
                          float *pairs) {
    const size_t row = l->side * LANES;
    for (size_t m = 0; m < l->outputs; m += PAIR, units += VW) {
        const __m512i low = _mm512_loadu_si512(from + m * row);
        const __m512i high = m + 1 < l->outputs ? _mm512_loadu_si512(from + (m + 1) * row)
                                                : _mm512_setzero_si512();
        /* as `get` parts the pictures: the even ones and the odd ones */
        _mm512_storeu_si512(units, _mm512_mask_blend_epi16(0xaaaaaaaa, low,
                                                           _mm512_slli_epi32(high, 16)));
        _mm512_storeu_si512(units + half, _mm512_mask_blend_epi16(
                                            0xaaaaaaaa, _mm512_srli_epi32(low, 16), high));
    }
    for (size_t m = 0; m < l->outputs; m += TILE, pairs += TILE_SIZE)
        transpose(from + m * row, row, l->outputs - m < TILE ? l->outputs - m : TILE, pairs);
}

/* Lays out the gradients of rows [top, top + rows) and of those beside them that the kernel reads:
 * units [row][half][column][unit] and pairs [row][column][tile of maps][pair of pictures][map].
 */
TARGET static void lay_out_gradient(const layer *l, size_t chunk, size_t top, size_t rows,
                                    float *units, float *pairs) {
    const size_t edge = l->kernel / 2, width = l->side + 2 * edge;
    const size_t unit = units_of(l->outputs) * VW, pair = tiles_of(l->outputs) * TILE_SIZE;
    const size_t half = width * unit;
    for (size_t i = 0; i < rows + 2 * edge; i++, units += half) {
        const size_t y = top + i - edge, row = (chunk * l->side + y) * l->outputs * l->side;
        for (size_t column = 0; column < width; column++, units += unit, pairs += pair) {
            const size_t x = column - edge;
            if (y < l->side && x < l->side) {
                const item *const from = (const item *)l->gradient + (row + x) * LANES;
                lay_out_pixel(l, from, units, half, pairs);
            } else {
                memset(units, 0, unit * sizeof(float));
                memset(units + half, 0, unit * sizeof(float));
                memset(pairs, 0, pair * sizeof(float));
            }
        }
    }
}
