/* The products, on sums in registers, and the short transforms that spare a third of them.
 *
 * A convolution 3x3 is taken two rows at a time. With the rows d0..d3 that they read, and the
 * weights g0..g2 of one column of the kernel, four products stand for six:
 *     m0 = (d0 - d2) g0          m1 = (d1 + d2) (g0 + g1 + g2) / 2
 *     m3 = (d1 - d3) g2          m2 = (d2 - d1) (g0 - g1 + g2) / 2
 * and the rows are m0 + m1 + m2 and m1 - m2 - m3. The columns of the kernel are shifts.
 *
 * Source: A. Lavin & S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv
 * 1509.09308: F(2,3), in one dimension.
 */

/* Rows of a strip: an even number of them. */
static size_t strip_rows(size_t side, size_t row) {
    const size_t rows = STRIP / sizeof(item) / row / 2 * 2;
    return rows < 2 ? 2 : rows > side ? side : rows;
}

/* Sums over units and columns of the kernel: out[map][block].
 *
 * in: units of the block; column: from there to those of the next column.
 */
INLINE void products(float *out, const float *in, size_t column, const float *weights,
                     size_t units, const int maps, const int columns) {
    const float *const second = in + SECOND(column);
    vec sums[WIDE][2];
    _Pragma("GCC unroll 12") for (int m = 0; m < maps; m++) sums[m][0] = sums[m][1] = all(0.0f);
    for (size_t u = 0; u < units * LANES; u += LANES) {
        _Pragma("GCC unroll 3") for (int k = 0; k < columns; k++, weights += maps) {
            const vec v0 = load(in + u + k * column), v1 = load(second + u + k * column);
            _Pragma("GCC unroll 12") for (int m = 0; m < maps; m++) {
                const vec weight = all(weights[m]);
                sums[m][0] = dot(sums[m][0], v0, weight);
                sums[m][1] = dot(sums[m][1], v1, weight);
            }
        }
    }
    _Pragma("GCC unroll 12") for (int m = 0; m < maps; m++) {
        store(out + m * BLOCK, sums[m][0]);
        store(out + m * BLOCK + VW, sums[m][1]);
    }
}

#define PRODUCTS(maps, columns) \
    TARGET static __attribute__((noinline)) void products_##maps##_##columns( \
        float *out, const float *in, size_t column, const float *weights, size_t units) { \
        products(out, in, column, weights, units, maps, columns); \
    }

PRODUCTS(WIDE, 3)
PRODUCTS(WIDE, 1)
PRODUCTS(MIDDLE, 3)
PRODUCTS(MIDDLE, 1)
PRODUCTS(NARROW, 3)
PRODUCTS(NARROW, 1)

typedef void (*product)(float *, const float *, size_t, const float *, size_t);

/* Which of them makes `maps` maps with a kernel of `columns`. */
static product product_for(size_t maps, size_t columns) {
    if (columns == 3)
        return maps == WIDE ? products_WIDE_3 : maps == MIDDLE ? products_MIDDLE_3
                                                               : products_NARROW_3;
    return maps == WIDE ? products_WIDE_1 : maps == MIDDLE ? products_MIDDLE_1 : products_NARROW_1;
}

/* What a weight gradient sums over: `strips` strips of `blocks` blocks. */
typedef struct {
    size_t strips, blocks;
    size_t a_strip, g_strip; /* from strip to strip of the maps read, and of the gradients */
    size_t g_block, g_second, g_column, g_map; /* within a strip of the gradients */
    size_t maps, channel; /* from column to column, and from channel to channel, of the sums */
} sum_range;

/* Sums over pixels and pictures, added to out[channel][column][map].
 *
 * a: [block][WIDE channels] of the maps read; g: gradients, one column to the left.
 */
INLINE void correlations(float *out, const item *a, const item *g, const sum_range *over,
                         const int channels, const int of_maps, const int columns) {
    vec sums[OF_CHANNELS][4][3];
    _Pragma("GCC unroll 2") for (int c = 0; c < channels; c++)
        _Pragma("GCC unroll 4") for (int m = 0; m < of_maps; m++)
            _Pragma("GCC unroll 3") for (int k = 0; k < columns; k++) sums[c][m][k] = all(0.0f);
    for (size_t s = 0; s < over->strips; s++, a += over->a_strip, g += over->g_strip) {
        const item *read = a, *made = g;
        for (size_t b = 0; b < over->blocks; b++, read += WIDE * BLOCK, made += over->g_block)
            _Pragma("GCC unroll 2") for (int i = 0; i < 2 / PAIR; i++) {
                vec x[OF_CHANNELS];
                _Pragma("GCC unroll 2") for (int c = 0; c < channels; c++)
                    x[c] = load((const float *)(read + c * BLOCK + i * VW));
                _Pragma("GCC unroll 4") for (int m = 0; m < of_maps; m++)
                    _Pragma("GCC unroll 3") for (int k = 0; k < columns; k++) {
                        const item *const at = made + m * over->g_map + k * over->g_column;
                        const vec y = load((const float *)(at + i * over->g_second));
                        _Pragma("GCC unroll 2") for (int c = 0; c < channels; c++)
                            sums[c][m][k] = dot(sums[c][m][k], x[c], y);
                    }
            }
    }
    _Pragma("GCC unroll 2") for (int c = 0; c < channels; c++)
        _Pragma("GCC unroll 3") for (int k = 0; k < columns; k++)
            _Pragma("GCC unroll 4") for (int m = 0; m < of_maps; m++)
                out[c * over->channel + k * over->maps + m] += total(sums[c][m][k]);
}

TARGET static void correlate_3(float *out, const item *a, const item *g, const sum_range *over) {
    correlations(out, a, g, over, OF_CHANNELS, OF_MAPS, 3);
}

TARGET static void correlate_1(float *out, const item *a, const item *g, const sum_range *over) {
    correlations(out, a, g, over, OF_CHANNELS, 4, 1);
}

/* How many maps the next product makes, of `left`. */
static size_t maps_at_once(size_t left) {
    return left >= WIDE ? WIDE : left > NARROW ? MIDDLE : NARROW;
}

/* Four products of weights of one column of a kernel 3x3; of 1x1 the weight itself. */
static void parts_of_column(const float *kernel, size_t columns, float parts[4]) {
    parts[0] = kernel[0];
    if (columns == 1) return;
    const float outer = kernel[0] + kernel[6];
    parts[1] = 0.5f * (outer + kernel[3]);
    parts[2] = 0.5f * (outer - kernel[3]);
    parts[3] = kernel[6];
}

/* Packs weights in the order in which products read them: [maps at once][part][unit][column][map].
 *
 * back: whether the maps made are the `count` inputs of the layer from number `first`, and what is
 * read its outputs, as in the backward pass; the kernel is then turned by 180 degrees.
 */
TARGET static void pack(const layer *l, int back, size_t first, size_t count, size_t units,
                     float *packed) {
    const size_t columns = l->kernel, size = columns * columns, parts = columns == 3 ? 4 : 1;
    const size_t read = back ? l->outputs : l->inputs;
    for (size_t m0 = 0, at_once; m0 < count; m0 += at_once) {
        at_once = maps_at_once(count - m0);
        memset(packed, 0, parts * units * columns * at_once * sizeof(float));
        for (size_t m = 0; m < at_once && m0 + m < count; m++)
            for (size_t r = 0; r < read; r++) {
                const size_t map = first + m0 + m;
                const float *kernel = l->weights;
                kernel += (back ? r * l->inputs + map : map * read + r) * size;
                for (size_t k = 0; k < columns; k++) {
                    float values[4];
                    parts_of_column(kernel + (back ? columns - 1 - k : k), columns, values);
                    if (back) { /* from below to above */
                        const float top = values[0];
                        values[0] = values[parts - 1], values[parts - 1] = top;
                    }
                    for (size_t j = 0; j < parts; j++) {
                        const item value = rounded(values[j]);
                        const size_t at = ((j * units + r / PAIR) * columns + k) * at_once + m;
                        memcpy((char *)(packed + at) + r % PAIR * sizeof(item), &value,
                               sizeof value);
                    }
                }
            }
        packed += parts * units * columns * at_once;
    }
}
