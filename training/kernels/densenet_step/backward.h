/* The backward pass: the gradient of a group of maps, from all layers that read them. */

/* Where the shares of all layers in the gradient of a group are put together, strip by strip. All
 * that is read and written block by block lies as [row][block][WIDE channels].
 */
typedef struct {
    float *units;  /* transformed gradients, to multiply with weights */
    item *natural; /* the same, to multiply with `active`, where a unit is not a number */
    item *x;       /* the maps */
    item *active;  /* the maps past batch norm and ReLU, transformed: [two rows][part] for rows */
    float *dx;     /* gradient of the maps */
    float *weights; /* gradient of the transformed weights: [channel][part][column][map] */
} bench;

/* Past the ReLU and the batch norm, for one map in a block of `high` rows.
 *
 * parts: of the block's gradient, as products give them.
 * row: from row to row of x and dx, and from part to part of a.
 */
INLINE void past_relu(const layer *l, size_t channel, const float *parts, const item *x, item *a,
                      float *dx, size_t row, vec sums[2], const int high, const int is_active) {
    const vec scale = all(l->scale[channel]), shift = all(l->shift[channel]);
    vec active[2][2], rows[2][2];
    for (int i = 0; i < 2; i++) combined(parts + i * VW, high == 2 ? 4 : 1, rows[i]);
    for (int h = 0; h < high; h++) {
        vec values[2];
        get(x + h * row, values);
        for (int i = 0; i < 2; i++) {
            const vec z = values[i] * scale + shift;
            const vec v = is_active ? where_positive(rows[i][h], z) : rows[i][h];
            active[h][i] = is_active ? relu(z) : z;
            float *const at = dx + h * row + i * VW;
            store(at, load(at) + scale * v);
            sums[0] += v;
            sums[1] += v * values[i];
        }
    }
    put(a, active[0]);
    if (high == 1) return;
    vec made[2];
    for (int i = 0; i < 2; i++) made[i] = active[0][i] + active[1][i];
    put(a + row, made);
    for (int i = 0; i < 2; i++) made[i] = active[0][i] - active[1][i];
    put(a + 2 * row, made);
    for (int i = 0; i < 2; i++) made[i] = -active[1][i];
    put(a + 3 * row, made);
}

/* The share of a layer in the gradient of `count` maps from number c0 of the group. */
INLINE void share_of_maps(const layer *l, const group *g, size_t rows, size_t c0, size_t count,
                          size_t units, const float *packed, const bench *on, const int high,
                          const int is_active) {
    const size_t row = l->side * LANES, column = units * LANES, part = (l->side + 2) * column;
    const size_t of_part = units * l->kernel * count, parts = high == 2 ? 4 : 1;
    const size_t valid = count < g->count - c0 ? count : g->count - c0;
    const product make = product_for(count, l->kernel);
    float made[4 * WIDE * BLOCK] __attribute__((aligned(64)));
    vec sums[WIDE][2];
    for (size_t c = 0; c < WIDE; c++) sums[c][0] = sums[c][1] = all(0.0f);
    for (size_t r = 0; r < rows; r += high)
        for (size_t b = 0; b < row; b += BLOCK) {
            const float *from = on->units + r / high * parts * part;
            from += (b / LANES + (high == 1)) * column + b % LANES;
            for (size_t j = 0; j < parts; j++)
                make(made + j * WIDE * BLOCK, from + j * part, column, packed + j * of_part, units);
            const size_t at = (r * row + b) * WIDE, a = (r / high * parts * row + b) * WIDE;
            for (size_t c = 0; c < valid; c++)
                past_relu(l, g->first + c0 + c, made + c * BLOCK, on->x + at + c * BLOCK,
                          on->active + a + c * BLOCK, on->dx + at + c * BLOCK, row * WIDE, sums[c],
                          high, is_active);
        }
    for (size_t c = 0; c < valid; c++)
        for (int i = 0; i < 2; i++)
            l->input_sums[i * l->inputs + g->first + c0 + c] += total(sums[c][i]);
}

TARGET static void share(const layer *l, const group *g, size_t rows, size_t c0, size_t count,
                         size_t units, const float *packed, const bench *on) {
    if (!l->active) /* the first convolution */
        share_of_maps(l, g, rows, c0, count, units, packed, on, 2, 0);
    else if (l->kernel == 3)
        share_of_maps(l, g, rows, c0, count, units, packed, on, 2, 1);
    else
        share_of_maps(l, g, rows, c0, count, units, packed, on, 1, 1);
}

/* The share of a strip in the gradient of a layer's weights, for `count` maps from number c0. */
TARGET static void share_of_weights(const layer *l, size_t rows, size_t c0, size_t count,
                                    size_t maps, const bench *on) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES;
    const size_t high = l->kernel == 3 ? 2 : 1, parts = l->kernel == 3 ? 4 : 1;
    const size_t of_maps = l->kernel == 3 ? OF_MAPS : 4;
    const size_t column = PAIR == 1 ? maps * LANES : LANES, map = PAIR == 1 ? LANES : padded;
    const sum_range over = {
        rows / high, row / BLOCK, parts * row * WIDE, parts * maps * padded, BLOCK / LANES * column,
        SECOND(column), column, map, maps, parts * l->kernel * maps,
    };
    const item *g = PAIR == 1 ? (const item *)on->units : on->natural;
    if (l->kernel == 1) g += column;
    for (size_t j = 0; j < parts; j++)
        for (size_t m = 0; m < maps; m += of_maps)
            for (size_t c = 0; c < count; c += OF_CHANNELS) {
                float *const out = on->weights + (c0 + c) * over.channel + j * l->kernel * maps + m;
                const item *const a = on->active + j * row * WIDE + c * BLOCK;
                const item *const made = g + j * maps * padded + m * map;
                if (l->kernel == 3)
                    correlate_3(out, a, made, &over);
                else
                    correlate_1(out, a, made, &over);
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

/* Reads maps and their gradient, or clears it, in a strip. */
TARGET static void fetch(const group *g, size_t chunk, size_t top, size_t rows, size_t c0,
                         size_t count, const bench *on) {
    const size_t row = g->side * LANES;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < count && c0 + c < g->count; c++) {
            const size_t y = chunk * g->side + top + r;
            const size_t from = (y * g->maps_width + g->first + c0 + c) * row;
            const size_t to = (r * row * WIDE + c * BLOCK);
            for (size_t b = 0; b < row; b += BLOCK) {
                vec values[2] = {all(0.0f), all(0.0f)};
                memcpy(on->x + to + b * WIDE, (const item *)g->maps + from + b,
                       BLOCK * sizeof(item));
                if (!g->fresh) get((const item *)g->gradient + from + b, values);
                store(on->dx + to + b * WIDE, values[0]);
                store(on->dx + to + b * WIDE + VW, values[1]);
            }
        }
}

/* Rounds and stores the gradient of maps in a strip. */
TARGET static void put_back(const group *g, size_t chunk, size_t top, size_t rows, size_t c0,
                            size_t count, const bench *on) {
    const size_t row = g->side * LANES;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < count && c0 + c < g->count; c++) {
            const size_t y = chunk * g->side + top + r;
            const size_t to = (y * g->maps_width + g->first + c0 + c) * row;
            const float *const from = on->dx + r * row * WIDE + c * BLOCK;
            for (size_t b = 0; b < row; b += BLOCK) {
                const vec values[2] = {load(from + b * WIDE), load(from + b * WIDE + VW)};
                put((item *)g->gradient + to + b, values);
            }
        }
}

static size_t padded_maps(const layer *l) { return ceiling(l->outputs, 4); }

/* All layers' shares in one strip. packed[l], weights[l]: of each layer. */
TARGET static void strip(const layer *layers, size_t number, const group *g, size_t chunk,
                         size_t top, size_t rows, size_t of_maps_at_once, float *const *packed,
                         float *const *weights, const bench *on) {
    for (size_t n = 0; n < number; n++) {
        const layer *const l = layers + n;
        const size_t maps = padded_maps(l), parts = l->kernel == 3 ? 4 : 1;
        const float *of_maps = packed[n];
        bench here = *on;
        here.weights = weights[n];
        spread_gradient(l, chunk, top, rows, maps, here.units, here.natural);
        for (size_t c = 0, count; c < g->count; c += count) {
            count = maps_at_once(g->count - c);
            if (n == 0) fetch(g, chunk, top, rows, c, count, &here);
            share(l, g, rows, c, count, maps / PAIR, of_maps, &here);
            share_of_weights(l, rows, c, count, maps, &here);
            if (n + 1 == number) put_back(g, chunk, top, rows, c, count, &here);
            of_maps += parts * maps / PAIR * l->kernel * count;
            if (number > 1) here.x += of_maps_at_once, here.dx += of_maps_at_once;
        }
    }
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int backward(const layer *layers, size_t number, const group *g) {
    const size_t row = g->side * LANES, padded = row + 2 * LANES, channels = g->count + WIDE;
    size_t most = strip_rows(g->side, row), widest = 0, weights_size = 0;
    for (size_t n = 0; n < number; n++) {
        const size_t maps = padded_maps(layers + n), parts = layers[n].kernel == 3 ? 4 : 1;
        if (parts == 1 && maps * padded * most > LARGE) most = number == 1 ? 1 : 2;
        if (parts * maps > widest) widest = parts * maps;
        weights_size += parts * maps * layers[n].kernel * channels;
    }
    const size_t of_maps = most * row * WIDE, groups = number > 1 ? channels / NARROW : 1;
    float **const at = malloc(2 * number * sizeof *at);
    float *const packed = room(weights_size), *const weights = room(weights_size);
    const bench on = {
        room(most * widest * padded), (item *)room(most * widest * padded),
        (item *)room(groups * of_maps), (item *)room(2 * of_maps), room(groups * of_maps), NULL,
    };
    const int is_room = at && packed && weights && on.units && on.natural && on.x && on.active &&
                        on.dx;
    if (is_room) {
        memset(weights, 0, weights_size * sizeof(float));
        memset(on.active, 0, 2 * of_maps * sizeof(item));
        size_t next = 0;
        for (size_t n = 0; n < number; n++) {
            const size_t maps = padded_maps(layers + n), parts = layers[n].kernel == 3 ? 4 : 1;
            at[n] = packed + next, at[number + n] = weights + next;
            pack(layers + n, 1, g->first, g->count, maps / PAIR, at[n]);
            next += parts * maps * layers[n].kernel * channels;
        }
        for (size_t chunk = 0; chunk < g->chunks; chunk++)
            for (size_t top = 0, rows; top < g->side; top += rows) {
                rows = most < g->side - top ? most : g->side - top;
                strip(layers, number, g, chunk, top, rows, of_maps, at, at + number, &on);
            }
        for (size_t n = 0; n < number; n++)
            unfold(layers + n, g, padded_maps(layers + n), at[number + n]);
    }
    free(at), free(packed), free(weights);
    free(on.units), free(on.natural), free(on.x), free(on.active), free(on.dx);
    return !is_room;
}
