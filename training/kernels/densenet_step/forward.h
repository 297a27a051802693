/* The forward pass of a layer. */

/* Clears the columns left and right of `strips` strips of units. */
static void clear_edges(float *to, size_t strips, size_t side, size_t column) {
    for (size_t s = 0; s < strips; s++, to += (side + 2) * column) {
        memset(to, 0, column * sizeof(float));
        memset(to + (side + 1) * column, 0, column * sizeof(float));
    }
}

/* Activates units [first, first + count) of rows [top, top + rows) of a chunk, transformed for the
 * products: to[two rows][part][column + 2][unit], or to[row][column + 2][unit] of a kernel 1x1.
 */
TARGET static void spread(const layer *l, size_t chunk, size_t top, size_t rows, size_t first,
                          size_t count, float *to) {
    const size_t row = l->side * LANES, column = count * LANES, part = (l->side + 2) * column;
    const size_t step = l->maps_width * row, second = SECOND(column);
    const int parts = l->kernel == 3 ? 4 : 1;
    clear_edges(to, parts == 4 ? 2 * rows : rows, l->side, column);
    for (size_t u = 0; u < count; u++) {
        const size_t map = (first + u) * PAIR;
        const item *const x = (const item *)l->maps + (chunk * l->side * l->maps_width + map) * row;
        for (size_t b = 0; b < row; b += BLOCK) {
            float *out = to + (b / LANES + 1) * column + u * LANES + b % LANES;
            vec d[4][PAIR][2];
            if (parts == 1) {
                for (size_t y = top; y < top + rows; y++, out += part) {
                    activated(l, x + y * step + b, 1, map, row, d[0]);
                    put_units(out, second, d[0]);
                }
                continue;
            }
            activated(l, x + (top - 1) * step + b, top > 0, map, row, d[0]);
            activated(l, x + top * step + b, 1, map, row, d[1]);
            for (size_t y = top; y < top + rows; y += 2, out += 4 * part) {
                vec m[PAIR][2];
                activated(l, x + (y + 1) * step + b, 1, map, row, d[2]);
                activated(l, x + (y + 2) * step + b, y + 2 < l->side, map, row, d[3]);
                EACH(p, i) m[p][i] = d[0][p][i] - d[2][p][i];
                put_units(out, second, m);
                EACH(p, i) m[p][i] = d[1][p][i] + d[2][p][i];
                put_units(out + part, second, m);
                EACH(p, i) m[p][i] = d[2][p][i] - d[1][p][i];
                put_units(out + 2 * part, second, m);
                EACH(p, i) m[p][i] = d[1][p][i] - d[3][p][i];
                put_units(out + 3 * part, second, m);
                EACH(p, i) d[0][p][i] = d[2][p][i], d[1][p][i] = d[3][p][i];
            }
        }
    }
}

/* Puts the parts of a vector of one map together to rows. */
INLINE void combined(const float *parts, int count, vec rows[2]) {
    rows[0] = load(parts);
    if (count == 1) return;
    const vec second = load(parts + WIDE * BLOCK), third = load(parts + 2 * WIDE * BLOCK);
    rows[0] = rows[0] + second + third;
    rows[1] = second - third - load(parts + 3 * WIDE * BLOCK);
}

/* Convolves `rows` rows with `maps` maps: y[row][block][width maps]. */
TARGET static void convolve(const layer *l, const float *in, size_t rows, size_t units,
                            const float *weights, size_t weights_of_part, size_t maps, int add,
                            float *y, size_t width) {
    const size_t row = l->side * LANES, column = units * LANES, part = (l->side + 2) * column;
    const size_t parts = l->kernel == 3 ? 4 : 1, high = l->kernel == 3 ? 2 : 1;
    const size_t y_row = row * width;
    const product make = product_for(maps, l->kernel);
    float made[4 * WIDE * BLOCK] __attribute__((aligned(64)));
    for (size_t r = 0; r < rows; r += high)
        for (size_t b = 0; b < row; b += BLOCK) {
            const float *from = in + r / high * parts * part + b / LANES * column + b % LANES;
            if (l->kernel == 1) from += column;
            float *to = y + r * y_row + b * width;
            for (size_t j = 0; j < parts; j++)
                make(made + j * WIDE * BLOCK, from + j * part, column,
                     weights + j * weights_of_part, units);
            for (size_t i = 0; i < maps * BLOCK; i += VW) {
                vec out[2] = {all(0.0f), all(0.0f)};
                combined(made + i, (int)parts, out);
                for (size_t h = 0; h < high; h++) {
                    if (add) out[h] += load(to + h * y_row + i);
                    store(to + h * y_row + i, out[h]);
                }
            }
        }
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int forward(const layer *l) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES, parts = l->kernel == 3 ? 4 : 1;
    const size_t units = ceiling(l->inputs, PAIR) / PAIR;
    const size_t at_once = l->kernel == 3 && units > UNITS_AT_ONCE ? UNITS_AT_ONCE : units;
    const size_t most = l->kernel == 3 ? strip_rows(l->side, row) : l->pooled ? 2 : 1;
    const size_t maps = ceiling(l->outputs, NARROW) + WIDE, width = at_once < units ? maps : WIDE;
    memset(l->sums, 0, 2 * l->outputs * sizeof(double));

    float *const packed = room(maps * parts * units * l->kernel);
    float *const in = room((l->kernel == 3 ? 2 * most : most) * at_once * padded);
    float *const y = room(width * most * row);
    const int is_room = packed && in && y;
    if (is_room) pack(l, 0, 0, l->outputs, units, packed);
    for (size_t chunk = 0; is_room && chunk < l->chunks; chunk++)
        for (size_t top = 0, rows; top < l->side; top += rows) {
            rows = most < l->side - top ? most : l->side - top;
            for (size_t u = 0, count; u < units; u += count) {
                count = at_once < units - u ? at_once : units - u;
                spread(l, chunk, top, rows, u, count, in);
                const float *weights = packed;
                for (size_t m = 0, now; m < l->outputs; m += now) {
                    now = maps_at_once(l->outputs - m);
                    float *const to = y + (at_once < units ? m * BLOCK : 0);
                    const size_t of_part = units * l->kernel * now;
                    convolve(l, in, rows, count, weights + u * l->kernel * now, of_part, now, u > 0,
                             to, width);
                    weights += parts * of_part;
                    if (u + count == units) finish(l, chunk, top, rows, m, now, to, width);
                }
            }
        }
    free(packed), free(in), free(y);
    return !is_room;
}
