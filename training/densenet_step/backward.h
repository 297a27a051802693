/* The backward pass: the gradient of a group of maps, from all layers that read them. */

/* The gradient of what the layer's convolution gave, from that of what the layer made. */
TARGET static void behind_noise(const layer *l) {
    const size_t row = l->side * LANES, high = l->pooled ? 2 : 1, made_row = row / high;
    float u[2 * MOST_SIDE * LANES] __attribute__((aligned(64)));
    for (size_t chunk = 0; chunk < l->chunks; chunk++)
        for (size_t y = 0; y < l->side; y++)
            for (size_t m = 0; m < l->outputs; m++) {
                const size_t from = chunk * (l->side / high) + y / high;
                const size_t at = (from * l->made_width + l->made_first + m) * made_row;
                const size_t stream = (chunk * l->side + y) * l->outputs + m;
                const item *const made = (const item *)l->made + at;
                const item *const gradient = (const item *)l->made_gradient + at;
                const vec constant = all(l->constant[m]), slope = all(l->slope[m]);
                const vec share = all(l->pooled ? 0.25f : 1.0f);
                float *const own = u + (l->pooled ? row : 0);
                for (size_t b = 0; b < made_row; b += BLOCK) {
                    vec x[2], d[2];
                    get(made + b, x);
                    get(gradient + b, d);
                    for (int i = 0; i < 2; i++)
                        store(own + b + i * VW, share * (d[i] - constant - slope * x[i]));
                }
                for (size_t x = 0; l->pooled && x < row; x += LANES)
                    memcpy(u + x, own + x / (2 * LANES) * LANES, LANES * sizeof(float));
                if (l->noise) times_noise(u, (const item *)l->noise + stream * row, row);
                for (size_t b = 0; b < row; b += BLOCK) {
                    const vec values[2] = {load(u + b), load(u + b + VW)};
                    put((item *)l->gradient + stream * row + b, values);
                }
            }
}

/* Stores a transformed block of PAIR maps, as units and map by map. */
INLINE void put_both(float *units, item *maps, size_t padded, const vec values[PAIR][2]) {
    put_units(units, values);
    if (PAIR > 1)
        for (size_t p = 0; p < PAIR; p++) put(maps + p * padded, values[p]);
}

INLINE void read_gradient(const layer *l, size_t chunk, size_t y, size_t map, size_t b,
                              vec to[PAIR][2]) {
    const size_t row = l->side * LANES;
    const item *const from =
        (const item *)l->gradient + ((chunk * l->side + y) * l->outputs + map) * row + b;
    for (size_t p = 0; p < PAIR; p++)
        if (y < l->side && map + p < l->outputs)
            get(from + p * row, to[p]);
        else
            to[p][0] = to[p][1] = all(0.0f);
}

/* Transforms the gradients of rows [top, top + rows) as `spread` does the maps: to units, and to
 * maps [two rows][part][map][column + 2]. Where items are units both are the same.
 */
TARGET static void spread_gradient(const layer *l, size_t chunk, size_t top, size_t rows,
                                       size_t maps, float *units, item *natural) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES;
    const size_t part = maps / PAIR * padded, of_maps = maps * padded;
    const int is_wide = l->kernel == 3;
    for (size_t m = 0; m < maps; m += PAIR) {
        float *unit = units + m / PAIR * padded;
        item *map = natural + m * padded;
        for (size_t i = 0; i < (is_wide ? 2 * rows : rows); i++)
            for (size_t side = 0; side < 2; side++) {
                const size_t at = side * (LANES + row);
                memset(unit + i * part + at, 0, LANES * sizeof(float));
                for (size_t p = 0; p < PAIR; p++)
                    memset(map + i * of_maps + p * padded + at, 0, LANES * sizeof(item));
            }
        for (size_t b = 0; b < row; b += BLOCK) {
            float *out = unit + LANES + b;
            item *out_map = map + LANES + b;
            vec d[4][PAIR][2];
            if (!is_wide) {
                for (size_t y = top; y < top + rows; y++, out += part, out_map += of_maps) {
                    read_gradient(l, chunk, y, m, b, d[0]);
                    put_both(out, out_map, padded, d[0]);
                }
                continue;
            }
            read_gradient(l, chunk, top - 1, m, b, d[0]);
            read_gradient(l, chunk, top, m, b, d[1]);
            for (size_t y = top; y < top + rows; y += 2, out += 4 * part, out_map += 4 * of_maps) {
                vec t[PAIR][2];
                read_gradient(l, chunk, y + 1, m, b, d[2]);
                read_gradient(l, chunk, y + 2, m, b, d[3]);
                EACH(p, i) t[p][i] = d[0][p][i] - d[2][p][i];
                put_both(out, out_map, padded, t);
                EACH(p, i) t[p][i] = d[1][p][i] + d[2][p][i];
                put_both(out + part, out_map + of_maps, padded, t);
                EACH(p, i) t[p][i] = d[2][p][i] - d[1][p][i];
                put_both(out + 2 * part, out_map + 2 * of_maps, padded, t);
                EACH(p, i) t[p][i] = d[1][p][i] - d[3][p][i];
                put_both(out + 3 * part, out_map + 3 * of_maps, padded, t);
                EACH(p, i) d[0][p][i] = d[2][p][i], d[1][p][i] = d[3][p][i];
            }
        }
    }
}

/* Past the ReLU and the batch norm, for one map in a block of one or two rows.
 *
 * parts: of the block's gradient, as `convolve` makes them.
 * x: the map; a: where its transform for the weight gradient goes; dx: its gradient, added to.
 */
INLINE void past_relu(const layer *l, size_t channel, const float *parts, const item *x,
                          size_t x_step, item *a, size_t a_step, float *dx, size_t dx_step,
                          vec sums[2], const int high) {
    const vec scale = all(l->scale[channel]), shift = all(l->shift[channel]);
    vec v[2][2], active[2][2];
    for (int i = 0; i < 2; i++) {
        vec rows[2];
        combined(parts, WIDE * BLOCK, high == 2 ? 4 : 1, i, rows);
        for (int h = 0; h < high; h++) v[h][i] = rows[h];
    }
    for (int h = 0; h < high; h++) {
        vec values[2];
        get(x + h * x_step, values);
        for (int i = 0; i < 2; i++) {
            vec z = values[i] * scale + shift;
            if (l->active) {
                v[h][i] = where_positive(v[h][i], z);
                z = relu(z);
            }
            active[h][i] = z;
            float *const at = dx + h * dx_step + i * VW;
            store(at, load(at) + scale * v[h][i]);
            sums[0] += v[h][i];
            sums[1] += v[h][i] * values[i];
        }
    }
    put(a, active[0]);
    if (high == 1) return;
    const vec sum[2] = {active[0][0] + active[1][0], active[0][1] + active[1][1]};
    const vec difference[2] = {active[0][0] - active[1][0], active[0][1] - active[1][1]};
    put(a + a_step, sum);
    put(a + 2 * a_step, difference);
    const vec last[2] = {-active[1][0], -active[1][1]};
    put(a + 3 * a_step, last);
}

/* Where one layer's share in the gradient of a group is put together. */
typedef struct {
    float *packed, *units; /* weights, transformed gradients */
    item *natural, *active; /* transformed gradients and maps, to multiply with one another */
    float *dx, *weights; /* [channel][row] gradient; [channel][part][column][map] of the weights */
} bench;

/* The share of a layer in the gradient of `count` maps from number c0 of the group. */
TARGET static void share(const layer *l, const group *g, size_t chunk, size_t top, size_t rows,
                             size_t c0, size_t count, size_t maps, const float *packed,
                             const bench * on, float *dx, size_t dx_stride) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES, units = maps / PAIR;
    const int high = l->kernel == 3 ? 2 : 1, parts = l->kernel == 3 ? 4 : 1;
    const size_t of_part = units * l->kernel * count, x_step = g->maps_width * row;
    const size_t a_step = WIDE * row;
    const item *const x = (const item *)g->maps + (chunk * l->side + top) * x_step;
    float made[4 * WIDE * BLOCK] __attribute__((aligned(64)));
    vec sums[WIDE][2];
    for (size_t c = 0; c < WIDE; c++) sums[c][0] = sums[c][1] = all(0.0f);
    for (size_t r = 0; r < rows; r += high)
        for (size_t b = 0; b < row; b += BLOCK) {
            const float *from = on->units + r / high * parts * units * padded + b;
            if (l->kernel == 1) from += LANES;
            for (int j = 0; j < parts; j++)
                multiply(made + j * WIDE * BLOCK, BLOCK, from + j * units * padded, padded,
                             packed + j * of_part, units, count, l->kernel);
            for (size_t c = 0; c < count && c0 + c < g->count; c++) {
                const item *const at = x + r * x_step + (g->first + c0 + c) * row + b;
                item *const a = on->active + (r / high * parts * WIDE + c) * row + b;
                float *const to = dx + c * dx_stride + r * row + b;
                const size_t channel = g->first + c0 + c;
                if (high == 2)
                    past_relu(l, channel, made + c * BLOCK, at, x_step, a, a_step, to, row,
                                  sums[c], 2);
                else
                    past_relu(l, channel, made + c * BLOCK, at, x_step, a, a_step, to, row,
                                  sums[c], 1);
            }
        }
    for (size_t c = 0; c < count && c0 + c < g->count; c++)
        for (int i = 0; i < 2; i++)
            l->input_sums[i * l->inputs + g->first + c0 + c] += total(sums[c][i]);
}

/* The share of a strip in the gradient of a layer's weights, for `count` maps from number c0. */
TARGET static void share_of_weights(const layer *l, size_t rows, size_t c0, size_t count,
                                        size_t maps, const bench * on) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES;
    const size_t high = l->kernel == 3 ? 2 : 1, parts = l->kernel == 3 ? 4 : 1;
    const size_t of_maps = l->kernel == 3 ? OF_MAPS : 4, stride = parts * l->kernel * maps;
    for (size_t i = 0; i < rows / high * parts; i++) {
        const size_t j = i % parts;
        for (size_t m = 0; m < maps; m += of_maps)
            for (size_t c = 0; c < count; c += OF_CHANNELS) {
                float *const out = on->weights + (c0 + c) * stride + j * l->kernel * maps + m;
                const item *const a = on->active + (i * WIDE + c) * row;
                const item *const made = on->natural + (i * maps + m) * padded;
                if (l->kernel == 3)
                    correlate_3(out, stride, maps, a, row, made, padded, row);
                else
                    correlate_1(out, stride, maps, a, row, made + LANES, padded, row);
            }
    }
}

/* Writes the gradient of weights from that of their transforms. */
static void unfold(const layer *l, const group *g, size_t maps, const float *parts) {
    const size_t columns = l->kernel;
    for (size_t c = 0; c < g->count; c++)
        for (size_t m = 0; m < l->outputs; m++) {
            float *const to = l->weight_gradient +
                              (m * l->inputs + g->first + c) * columns * columns;
            if (columns == 1) {
                to[0] = parts[c * maps + m];
                continue;
            }
            for (size_t k = 0; k < 3; k++) {
                const float *const from = parts + (c * 12 + k) * maps + m;
                const float second = from[3 * maps], third = from[6 * maps];
                to[8 - k] = from[0] + 0.5f * (second + third);
                to[5 - k] = 0.5f * (second - third);
                to[2 - k] = 0.5f * (second + third) + from[9 * maps];
            }
        }
}

/* Reads (or clears) the gradient of maps in a strip, or rounds and stores it. */
TARGET static void move_gradient(const group *g, size_t chunk, size_t top, size_t rows,
                                     size_t c0, size_t count, float *dx, size_t dx_stride,
                                     int is_read) {
    const size_t row = g->side * LANES;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < count && c0 + c < g->count; c++) {
            const size_t y = chunk * g->side + top + r;
            item *const at = (item *)g->gradient + (y * g->maps_width + g->first + c0 + c) * row;
            float *const here = dx + c * dx_stride + r * row;
            for (size_t b = 0; b < row; b += BLOCK) {
                vec values[2] = {all(0.0f), all(0.0f)};
                if (is_read) {
                    if (!g->fresh) get(at + b, values);
                    store(here + b, values[0]);
                    store(here + b + VW, values[1]);
                } else {
                    values[0] = load(here + b), values[1] = load(here + b + VW);
                    put(at + b, values);
                }
            }
        }
}

static size_t padded_maps(const layer *l) { return ceiling(l->outputs, 4); }

/* All layers' shares in one strip. packed[l], weights[l]: of each layer. */
TARGET static void strip(const layer *layers, size_t number, const group *g, size_t chunk,
                             size_t top, size_t rows, size_t dx_stride, float *const *packed,
                             float *const *weights, bench on) {
    for (size_t n = 0; n < number; n++) {
        const layer *const l = layers + n;
        const size_t maps = padded_maps(l), parts = l->kernel == 3 ? 4 : 1;
        const float *of_maps = packed[n];
        on.weights = weights[n];
        spread_gradient(l, chunk, top, rows, maps, on.units, on.natural);
        for (size_t c = 0, count; c < g->count; c += count) {
            count = maps_at_once(g->count - c);
            float *const dx = on.dx + (number > 1 ? c * dx_stride : 0);
            if (n == 0) move_gradient(g, chunk, top, rows, c, count, dx, dx_stride, 1);
            share(l, g, chunk, top, rows, c, count, maps, of_maps, &on, dx, dx_stride);
            share_of_weights(l, rows, c, count, maps, &on);
            if (n + 1 == number) move_gradient(g, chunk, top, rows, c, count, dx, dx_stride, 0);
            of_maps += parts * maps / PAIR * l->kernel * count;
        }
    }
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int backward(const layer *layers, size_t number, const group *g) {
    const size_t row = g->side * LANES, padded = row + 2 * LANES, channels = g->count + WIDE;
    size_t most = strip_rows(g->side, row), widest = 0, packed_size = 0, weights_size = 0;
    for (size_t n = 0; n < number; n++) {
        const size_t maps = padded_maps(layers + n), parts = layers[n].kernel == 3 ? 4 : 1;
        if (layers[n].kernel == 1 && maps * padded * most > LARGE) most = number == 1 ? 1 : 2;
        if (parts * maps > widest) widest = parts * maps;
        packed_size += parts * maps * layers[n].kernel * channels;
    }
    weights_size = packed_size;
    float **const at = malloc(2 * number * sizeof *at);
    float *const packed = room(packed_size), *const weights = room(weights_size);
    bench on = {NULL, NULL, NULL, NULL, NULL, NULL};
    on.units = room(most * widest * padded);
    on.natural = PAIR == 1 ? (item *)on.units : (item *)room(most * widest * padded / PAIR);
    on.active = (item *)room(2 * most * WIDE * row);
    on.dx = room((number > 1 ? channels : WIDE) * most * row);
    const int is_room = at && packed && weights && on.units && on.natural && on.active && on.dx;
    if (is_room) {
        memset(weights, 0, weights_size * sizeof(float));
        memset(on.active, 0, 2 * most * WIDE * row * sizeof(item));
        float *next = packed, *next_weights = weights;
        for (size_t n = 0; n < number; n++) {
            const size_t maps = padded_maps(layers + n), parts = layers[n].kernel == 3 ? 4 : 1;
            at[n] = next, at[number + n] = next_weights;
            pack(layers + n, 1, g->first, g->count, maps / PAIR, next);
            next += parts * maps * layers[n].kernel * channels;
            next_weights += parts * maps * layers[n].kernel * channels;
        }
        for (size_t chunk = 0; chunk < g->chunks; chunk++)
            for (size_t top = 0, rows; top < g->side; top += rows) {
                rows = most < g->side - top ? most : g->side - top;
                strip(layers, number, g, chunk, top, rows, most * row, at, at + number, on);
            }
        for (size_t n = 0; n < number; n++)
            unfold(layers + n, g, padded_maps(layers + n), at[number + n]);
    }
    if (PAIR > 1) free(on.natural);
    free(at), free(packed), free(weights), free(on.units), free(on.active), free(on.dx);
    return !is_room;
}
