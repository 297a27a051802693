/* The forward pass of a layer, by tiles. */

/* Clears `edge` columns left and right of `rows` rows of units. */
static void clear_edges(float *to, size_t rows, size_t width, size_t edge, size_t column) {
    for (size_t r = 0; r < rows; r++, to += width * column) {
        memset(to, 0, edge * column * sizeof(float));
        memset(to + (width - edge) * column, 0, edge * column * sizeof(float));
    }
}

/* Activates row y of all maps that a layer reads: to[half][column][unit]. */
TARGET static void spread_row(const layer *l, size_t chunk, size_t y, size_t units, size_t half,
                              float *to) {
    const size_t row = l->side * LANES;
    const item *x = (const item *)l->maps + (chunk * l->side + y) * l->maps_width * row;
    for (size_t u = 0; u < units; u++, x += PAIR * row, to += VW)
        for (size_t b = 0; b < row; b += BLOCK) {
            vec values[PAIR][2];
            activated(l, x + b, 1, u * PAIR, row, values);
            put_units(to + b / 2 * units, half, values);
        }
}

/* Convolves row y with the maps made at once: to[column][map][BLOCK].
 *
 * in: `window` rows, row y in place y % window; weights: of these maps.
 */
TARGET static void convolve_row(const layer *l, size_t y, const float *in, size_t window,
                                const item *weights, size_t share, run of, reading *ahead,
                                float *to) {
    const size_t edge = l->kernel / 2, width = l->side + 2 * edge;
    const size_t column = units_of(l->inputs) * VW;
    const size_t first = y < edge ? edge - y : 0; /* row of the kernel */
    const float *rows[3] = {NULL, NULL, NULL};
    size_t count = 0;
    for (size_t k = first; k < l->kernel && y + k - edge < l->side; k++)
        rows[count++] = in + (y + k - edge) % window * 2 * width * column;
    for (size_t x = 0; x < l->side;)
        x += convolve(to + x * share * BLOCK, share * BLOCK, rows, count, width, column,
                      weights + first * of.count * 2 * TILE_SIZE, of, ahead, x, l->side);
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int forward(const layer *l) {
    const size_t row = l->side * LANES, high = l->pooled ? 2 : 1, edge = l->kernel / 2;
    const size_t units = units_of(l->inputs), column = units * VW;
    const size_t width = l->side + 2 * edge, padded = 2 * width * column;
    const size_t window = high + 2 * edge; /* rows that lie in `in`, each in place of an old one */
    const size_t share = even_share(l->outputs);
    const run of = run_of(l, units);
    const size_t of_maps = l->kernel * of.count * 2 * TILE_SIZE;
    const size_t beyond = column; /* what tiles may read too much */
    const size_t tiles = l->side / 2 * high * l->kernel * of.count * tiles_of(l->outputs);
    memset(l->sums, 0, 2 * l->outputs * sizeof(double));

    item *const packed = (item *)room(tiles_of(l->outputs) * of_maps / PAIR);
    float *const in = room(window * padded + beyond), *const y = room(high * row * share);
    const int is_room = packed && in && y;
    if (is_room) {
        pack_tiles(l, 0, 0, l->outputs, of, units, packed);
        clear_edges(in, 2 * window, width, edge, column);
        memset(in + window * padded, 0, beyond * sizeof(float));
        set_tiles(share, of);
    }
    for (size_t chunk = 0; is_room && chunk < l->chunks; chunk++)
        for (size_t top = 0, ready = 0; top < l->side; top += high) {
            for (; ready < l->side && ready < top + high + edge; ready++)
                spread_row(l, chunk, ready, units, padded / 2,
                           in + ready % window * padded + edge * column);
            const item *weights = packed;
            const size_t next = (chunk * l->side + ready) * l->maps_width * row;
            reading ahead = reading_of((const item *)l->maps + next, high * l->inputs * row, tiles);
            for (size_t m = 0; m < l->outputs; m += share, weights += of_maps) {
                for (size_t r = top; r < top + high; r++)
                    convolve_row(l, r, in, window, weights, share, of, &ahead,
                                 y + (r - top) * row * share);
                finish(l, chunk, top, high, m, share, y, share);
            }
        }
    if (is_room) _tile_release();
    free(packed), free(in), free(y);
    return !is_room;
}
