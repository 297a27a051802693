/* Products by tiles of AMX.
 *
 * A tile is up to 16 rows of 16 numbers of 32 bits. One instruction multiplies two of them, each
 * number a pair of 16-bit floats, and adds to a tile of sums:
 *     weights [map][unit]           x  units [unit][picture]          to  [map][picture]
 *     maps [map][pair of pictures]  x  pairs [pair of pictures][map]  to  [map][map]
 * A unit is two maps of one picture. Products are so cheap here that a convolution 3x3 is taken as
 * it is, without the transforms of `tiles.h`.
 */

#define TILE 16 /* rows of a tile, and numbers in a row */
#define TILE_SIZE (TILE * TILE)
#define COLUMNS 4 /* whose sums are in tiles at once */

/* The eight tiles. A load gives a tile anew: the next one waits for no product. */
#define SUMS_0 0
#define SUMS_1 1
#define SUMS_2 2
#define SUMS_3 3
#define WEIGHTS 4
#define UNITS 5
#define MAPS 6
#define PAIRS 7

/* The compiler does not know what tiles read: all must be in memory before. */
#define ALL_IS_STORED() __asm__ volatile("" ::: "memory")

/* What is read next from memory, a few lines with each tile: products wait for none of them. */
typedef struct {
    const char *next, *end;
    size_t lines;
} reading;

/* Of `items` from there, while `tiles` are multiplied. */
static reading reading_of(const item *from, size_t items, size_t tiles) {
    const size_t lines = ceiling(items * sizeof(item), 64) / 64;
    return (reading){(const char *)from, (const char *)(from + items), (lines + tiles - 1) / tiles};
}

INLINE void read_ahead(reading *of) {
    for (size_t i = 0; i < of->lines && of->next < of->end; i++, of->next += 64)
        _mm_prefetch(of->next, _MM_HINT_T1);
}

/* All units that a row of a kernel reads lie side by side. They are taken as `count` tiles; what
 * the last of them holds too much meets weights of 0.
 */
typedef struct {
    size_t count, units; /* tiles; units in each */
} run;

static run run_of(const layer *l, size_t units) {
    const size_t all_units = units * l->kernel, count = ceiling(all_units, TILE) / TILE;
    return (run){count, (all_units + count - 1) / count};
}

static size_t units_of(size_t maps) { return ceiling(maps, PAIR) / PAIR; }

static size_t tiles_of(size_t maps) { return ceiling(maps, TILE) / TILE; }

/* Maps that are made at once of `count`: of all tiles the same. */
static size_t even_share(size_t count) {
    return (count + tiles_of(count) - 1) / tiles_of(count);
}

/* Shapes the tiles of this thread, for `maps` maps at once. */
TARGET static void set_tiles(size_t maps, run of) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shapes = {.palette = 1};
    for (int t = 0; t < 8; t++) shapes.rows[t] = (uint8_t)maps, shapes.row_bytes[t] = 64;
    shapes.row_bytes[WEIGHTS] = (uint16_t)(of.units * sizeof(float));
    shapes.rows[UNITS] = (uint8_t)of.units;
    shapes.rows[PAIRS] = TILE;
    __asm__ volatile("" ::"r"(&shapes) : "memory");
    _tile_loadconfig(&shapes);
}

/* Packs weights as tiles: [maps made at once][row of the kernel][tile of the run].
 *
 * units: in a column of what is read; the other arguments are those of `pack`.
 */
TARGET static void pack_tiles(const layer *l, int back, size_t first, size_t count, run of,
                              size_t units, item *packed) {
    const size_t size = l->kernel, read = back ? l->outputs : l->inputs, share = even_share(count);
    const size_t of_row = of.count * 2 * TILE_SIZE, of_maps = size * of_row;
    memset(packed, 0, tiles_of(count) * of_maps * sizeof(item));
    for (size_t r = 0; r < read; r++)
        for (size_t k = 0; k < size; k++) { /* columns of the kernel */
            const size_t unit = k * units + r / PAIR;
            item *to = packed + unit / of.units * 2 * TILE_SIZE;
            to += unit % of.units * PAIR + r % PAIR;
            for (size_t m0 = 0; m0 < count; m0 += share, to += of_maps)
                for (size_t m = m0; m < m0 + share && m < count; m++) {
                    const float *kernel = l->weights + (back ? size * size - 1 - k : k);
                    kernel += (back ? r * l->inputs + first + m : m * read + r) * size * size;
                    for (size_t j = 0; j < size; j++)
                        to[j * of_row + (m - m0) * TILE * PAIR] =
                            rounded(back ? *(kernel - j * size) : kernel[j * size]);
                }
        }
}

/* Convolves one vector of pictures at `columns` neighbouring columns: out[column][map][BLOCK].
 *
 * in: the first unit read, of each of `rows` rows of the kernel; column: from one to the next.
 * weights: of those rows.
 */
INLINE void multiply(float *out, size_t out_column, const float *const in[3], size_t rows,
                     size_t column, const item *weights, run of, reading *ahead,
                     const int columns) {
    ALL_IS_STORED();
    _tile_zero(SUMS_0);
    _tile_zero(SUMS_1);
    _tile_zero(SUMS_2);
    _tile_zero(SUMS_3);
    for (size_t k = 0; k < rows; k++) {
        const float *from = in[k];
        for (size_t t = 0; t < of.count; t++, weights += 2 * TILE_SIZE, from += of.units * VW) {
            _tile_loadd(WEIGHTS, weights, 64);
            read_ahead(ahead);
            _tile_loadd(UNITS, from, 64);
            _tile_dpbf16ps(SUMS_0, WEIGHTS, UNITS);
            _tile_loadd(UNITS, from + column, 64);
            _tile_dpbf16ps(SUMS_1, WEIGHTS, UNITS);
            if (columns == 2) continue;
            _tile_loadd(UNITS, from + 2 * column, 64);
            _tile_dpbf16ps(SUMS_2, WEIGHTS, UNITS);
            _tile_loadd(UNITS, from + 3 * column, 64);
            _tile_dpbf16ps(SUMS_3, WEIGHTS, UNITS);
        }
    }
    _tile_stored(SUMS_0, out, BLOCK * sizeof(float));
    _tile_stored(SUMS_1, out + out_column, BLOCK * sizeof(float));
    if (columns == 2) return;
    _tile_stored(SUMS_2, out + 2 * out_column, BLOCK * sizeof(float));
    _tile_stored(SUMS_3, out + 3 * out_column, BLOCK * sizeof(float));
}

/* Convolves all pictures at COLUMNS columns from x, or at the 2 that are left; returns how many.
 * The arguments are those of `multiply`; in: the rows, [half][width columns][unit].
 */
TARGET static size_t convolve(float *out, size_t out_column, const float *const in[3], size_t rows,
                              size_t width, size_t column, const item *weights, run of,
                              reading *ahead, size_t x, size_t side) {
    for (size_t half = 0; half < 2; half++) {
        const float *from[3] = {NULL, NULL, NULL};
        for (size_t k = 0; k < rows; k++) from[k] = in[k] + (half * width + x) * column;
        if (side - x >= COLUMNS)
            multiply(out + half * VW, out_column, from, rows, column, weights, of, ahead, COLUMNS);
        else
            multiply(out + half * VW, out_column, from, rows, column, weights, of, ahead, 2);
    }
    return side - x >= COLUMNS ? COLUMNS : 2;
}

/* Adds to `count` tiles of sums [channel][map] the products of `columns` columns.
 *
 * maps: [column][TILE channels]; pairs: those that `count` tiles meet are `step` numbers apart.
 */
INLINE void correlations(float *sums, const item *maps, const float *pairs, size_t step,
                         size_t column, size_t columns, const int count) {
    ALL_IS_STORED();
    _tile_loadd(SUMS_0, sums, 64);
    if (count > 1) _tile_loadd(SUMS_1, sums + TILE_SIZE, 64);
    if (count > 2) _tile_loadd(SUMS_2, sums + 2 * TILE_SIZE, 64);
    if (count > 3) _tile_loadd(SUMS_3, sums + 3 * TILE_SIZE, 64);
    for (size_t x = 0; x < columns; x++, maps += TILE * LANES, pairs += column) {
        _tile_loadd(MAPS, maps, 64);
        _tile_loadd(PAIRS, pairs, 64);
        _tile_dpbf16ps(SUMS_0, MAPS, PAIRS);
        if (count == 1) continue;
        _tile_loadd(PAIRS, pairs + step, 64);
        _tile_dpbf16ps(SUMS_1, MAPS, PAIRS);
        if (count == 2) continue;
        _tile_loadd(PAIRS, pairs + 2 * step, 64);
        _tile_dpbf16ps(SUMS_2, MAPS, PAIRS);
        if (count == 3) continue;
        _tile_loadd(PAIRS, pairs + 3 * step, 64);
        _tile_dpbf16ps(SUMS_3, MAPS, PAIRS);
    }
    _tile_stored(SUMS_0, sums, 64);
    if (count > 1) _tile_stored(SUMS_1, sums + TILE_SIZE, 64);
    if (count > 2) _tile_stored(SUMS_2, sums + 2 * TILE_SIZE, 64);
    if (count > 3) _tile_stored(SUMS_3, sums + 3 * TILE_SIZE, 64);
}

TARGET static void correlate(float *sums, const item *maps, const float *pairs, size_t step,
                             size_t column, size_t columns, size_t count) {
    switch (count) {
    case 1: correlations(sums, maps, pairs, step, column, columns, 1); break;
    case 2: correlations(sums, maps, pairs, step, column, columns, 2); break;
    case 3: correlations(sums, maps, pairs, step, column, columns, 3); break;
    default: correlations(sums, maps, pairs, step, column, columns, 4);
    }
}
