/* The forward pass of a layer, and what the noise does to its gradient on the way back. */

#define BLOCK (2 * VW)


/* The streams of noise differ in their point's seed, chunk, row and map. */
TARGET static void draw(void *to, const void *factors, size_t count, uint64_t seed,
                            size_t stream) {
    item *const values = to;
    const item *const table = factors;
    uint64_t state = scrambled(seed ^ scrambled(stream + 1));
    for (size_t i = 0; i < count; i += 4) {
        const uint64_t word = scrambled(state += GOLDEN);
        values[i] = table[word & 0xffff];
        values[i + 1] = table[(word >> 16) & 0xffff];
        values[i + 2] = table[(word >> 32) & 0xffff];
        values[i + 3] = table[word >> 48];
    }
}

/* Batch norm and ReLU of a block of the maps read together; 0 where there is no such map or row. */
INLINE void activated(const layer *l, const item *row_of_first, int inside, size_t first,
                          size_t row, vec to[PAIR][2]) {
    for (size_t p = 0; p < PAIR; p++) {
        if (!inside || first + p >= l->inputs) {
            to[p][0] = to[p][1] = all(0.0f);
            continue;
        }
        const vec scale = all(l->scale[first + p]), shift = all(l->shift[first + p]);
        get(row_of_first + p * row, to[p]);
        for (int i = 0; i < 2; i++) {
            to[p][i] = to[p][i] * scale + shift;
            if (l->active) to[p][i] = relu(to[p][i]);
        }
    }
}

/* Activates units [first, first + count) of rows [top, top + rows) of a chunk, transformed for the
 * products: to[two rows][part][unit][column + 2], or to[row][unit][column + 2] of a kernel 1x1.
 */
TARGET static void spread(const layer *l, size_t chunk, size_t top, size_t rows, size_t first,
                              size_t count, float *to) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES, part = count * padded;
    const size_t step = l->maps_width * row;
    const int parts = l->kernel == 3 ? 4 : 1;
    for (size_t u = 0; u < count; u++) {
        const size_t map = (first + u) * PAIR;
        const item *const x = (const item *)l->maps + (chunk * l->side * l->maps_width + map) * row;
        float *const unit = to + u * padded;
        for (size_t i = 0; i < rows / (parts == 4 ? 2 : 1) * parts; i++) {
            memset(unit + i * part, 0, LANES * sizeof(float));
            memset(unit + i * part + LANES + row, 0, LANES * sizeof(float));
        }
        for (size_t b = 0; b < row; b += BLOCK) {
            float *out = unit + LANES + b;
            vec d[4][PAIR][2];
            if (parts == 1) {
                for (size_t y = top; y < top + rows; y++, out += part) {
                    activated(l, x + y * step + b, 1, map, row, d[0]);
                    put_units(out, d[0]);
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
                put_units(out, m);
                EACH(p, i) m[p][i] = d[1][p][i] + d[2][p][i];
                put_units(out + part, m);
                EACH(p, i) m[p][i] = d[2][p][i] - d[1][p][i];
                put_units(out + 2 * part, m);
                EACH(p, i) m[p][i] = d[1][p][i] - d[3][p][i];
                put_units(out + 3 * part, m);
                EACH(p, i) d[0][p][i] = d[2][p][i], d[1][p][i] = d[3][p][i];
            }
        }
    }
}

/* Puts the parts of a block of one map together to rows; adds them if this is not the first. */
INLINE void combined(const float *parts, size_t stride, int count, int i, vec rows[2]) {
    rows[0] = load(parts + i * VW);
    if (count == 1) return;
    const vec second = load(parts + stride + i * VW);
    const vec third = load(parts + 2 * stride + i * VW);
    rows[0] = rows[0] + second + third;
    rows[1] = second - third - load(parts + 3 * stride + i * VW);
}

/* Convolves `rows` rows with `maps` maps: y[map][row]. */
TARGET static void convolve(const float *in, size_t row, size_t rows, size_t units, size_t kernel,
                                const float *weights, size_t weights_of_part, size_t maps, int add,
                                float *y, size_t y_stride) {
    const size_t padded = row + 2 * LANES, parts = kernel == 3 ? 4 : 1, high = kernel == 3 ? 2 : 1;
    float made[4 * WIDE * BLOCK] __attribute__((aligned(64)));
    for (size_t r = 0; r < rows; r += high)
        for (size_t b = 0; b < row; b += BLOCK) {
            const float *from = in + r / high * parts * units * padded + b + (kernel == 1) * LANES;
            for (size_t j = 0; j < parts; j++)
                multiply(made + j * WIDE * BLOCK, BLOCK, from + j * units * padded, padded,
                             weights + j * weights_of_part, units, maps, kernel);
            for (size_t m = 0; m < maps; m++)
                for (int i = 0; i < 2; i++) {
                    vec out[2] = {all(0.0f), all(0.0f)};
                    float *const at = y + m * y_stride + r * row + b + i * VW;
                    combined(made + m * BLOCK, WIDE * BLOCK, (int)parts, i, out);
                    for (size_t h = 0; h < high; h++) {
                        if (add) out[h] += load(at + h * row);
                        store(at + h * row, out[h]);
                    }
                }
        }
}

/* Averages 2x2 pixels of two rows, in place of the first. */
TARGET static void pool(float *y, size_t row) {
    for (size_t x = 0; x < row; x += 2 * LANES)
        for (size_t i = 0; i < LANES; i += VW) {
            const float *const at = y + x + i;
            const vec upper = load(at) + load(at + LANES);
            const vec lower = load(at + row) + load(at + row + LANES);
            store(y + x / 2 + i, all(0.25f) * (upper + lower));
        }
}

/* Rounds a row, stores it, and adds to the sums of what is stored. */
TARGET static void keep(const float *y, item *to, size_t row, double *sum, double *squares) {
    vec sums[2] = {all(0.0f), all(0.0f)}, of_squares = all(0.0f);
    for (size_t b = 0; b < row; b += BLOCK) {
        vec values[2] = {load(y + b), load(y + b + VW)};
        put(to + b, values);
        get(to + b, values);
        for (int i = 0; i < 2; i++) {
            sums[i] += values[i];
            of_squares += values[i] * values[i];
        }
    }
    *sum += total(sums[0] + sums[1]);
    *squares += total(of_squares);
}

TARGET static void times_noise(float *y, const item *noise, size_t row) {
    for (size_t b = 0; b < row; b += BLOCK) {
        vec factors[2];
        get(noise + b, factors);
        for (int i = 0; i < 2; i++)
            store(y + b + i * VW, load(y + b + i * VW) * factors[i]);
    }
}

/* Noise, average, rounding and sums of `maps` maps from number `first`: y[map][row]. */
TARGET static void finish(const layer *l, size_t chunk, size_t top, size_t rows, size_t first,
                              size_t maps, float *y, size_t y_stride) {
    const size_t row = l->side * LANES, high = l->pooled ? 2 : 1, made_side = l->side / high;
    for (size_t m = first; m < first + maps && m < l->outputs; m++, y += y_stride)
        for (size_t r = 0; r < rows; r += high) {
            float *const at = y + r * row;
            for (size_t h = 0; l->noise && h < high; h++) {
                const size_t stream = (chunk * l->side + top + r + h) * l->outputs + m;
                item *const noise = (item *)l->noise + stream * row;
                draw(noise, l->factors, row, l->seed, stream);
                times_noise(at + h * row, noise, row);
            }
            if (l->pooled) pool(at, row);
            const size_t place = (chunk * made_side + (top + r) / high) * l->made_width;
            item *const to = (item *)l->made + (place + l->made_first + m) * (row / high);
            keep(at, to, row / high, l->sums + m, l->sums + l->outputs + m);
        }
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int forward(const layer *l) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES, parts = l->kernel == 3 ? 4 : 1;
    const size_t units = ceiling(l->inputs, PAIR) / PAIR;
    const size_t at_once = l->kernel == 3 && units > UNITS_AT_ONCE ? UNITS_AT_ONCE : units;
    const size_t most = l->kernel == 3 ? strip_rows(l->side, row) : l->pooled ? 2 : 1;
    const size_t maps = ceiling(l->outputs, NARROW) + WIDE, y_stride = most * row;
    memset(l->sums, 0, 2 * l->outputs * sizeof(double));

    float *const packed = room(maps * parts * units * l->kernel);
    float *const in = room((l->kernel == 3 ? 2 * most : most) * at_once * padded);
    float *const y = room((at_once < units ? maps : WIDE) * y_stride);
    const int is_room = packed && in && y;
    if (is_room) pack(l, 0, 0, l->outputs, units, packed);
    for (size_t chunk = 0; is_room && chunk < l->chunks; chunk++)
        for (size_t top = 0, rows; top < l->side; top += rows) {
            rows = most < l->side - top ? most : l->side - top;
            for (size_t u = 0, count; u < units; u += count) {
                count = at_once < units - u ? at_once : units - u;
                spread(l, chunk, top, rows, u, count, in);
                const float *weights = packed;
                for (size_t m = 0, width; m < l->outputs; m += width) {
                    width = maps_at_once(l->outputs - m);
                    float *const to = y + (at_once < units ? m * y_stride : 0);
                    const size_t of_part = units * l->kernel * width;
                    convolve(in, row, rows, count, l->kernel, weights + u * l->kernel * width,
                                 of_part, width, u > 0, to, y_stride);
                    weights += parts * of_part;
                    if (u + count == units) finish(l, chunk, top, rows, m, width, to, y_stride);
                }
            }
        }
    free(packed), free(in), free(y);
    return !is_room;
}
