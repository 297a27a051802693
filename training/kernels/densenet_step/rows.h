/* What is done to rows of maps, whatever multiplies them: batch norm, noise, averages, sums. */

/* The streams of noise differ in their point's seed, chunk, row and map. */
static void draw_row(item *values, const void *factors, size_t count, uint64_t seed,
                     size_t stream) {
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

/* Draws all rows of a noise point: to[stream][count]. */
static void draw(void *to, const void *factors, size_t count, uint64_t seed, size_t streams) {
    for (size_t s = 0; s < streams; s++)
        draw_row((item *)to + s * count, factors, count, seed, s);
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
        WILL_READ(row_of_first + (PAIR + p) * row); /* the maps that come next */
        get(row_of_first + p * row, to[p]);
        for (int i = 0; i < 2; i++) {
            to[p][i] = to[p][i] * scale + shift;
            if (l->active) to[p][i] = relu(to[p][i]);
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

/* Noise, average, rounding and sums of `maps` maps from number `first`: y[row][block][width]. */
TARGET static void finish(const layer *l, size_t chunk, size_t top, size_t rows, size_t first,
                          size_t maps, const float *y, size_t width) {
    const size_t row = l->side * LANES, high = l->pooled ? 2 : 1, made_side = l->side / high;
    float made[2 * MOST_SIDE * LANES] __attribute__((aligned(64)));
    for (size_t r = 0; r < rows; r += high)
        for (size_t m = first; m < first + maps && m < l->outputs; m++) {
            for (size_t h = 0; h < high; h++) {
                const float *const from = y + (r + h) * row * width + (m - first) * BLOCK;
                for (size_t b = 0; b < row; b += BLOCK)
                    memcpy(made + h * row + b, from + b * width, BLOCK * sizeof(float));
                if (!l->noise) continue;
                const size_t stream = (chunk * l->side + top + r + h) * l->outputs + m;
                item *const noise = (item *)l->noise + stream * row;
                draw_row(noise, l->factors, row, l->seed, stream);
                times_noise(made + h * row, noise, row);
            }
            if (l->pooled) pool(made, row);
            const size_t place = (chunk * made_side + (top + r) / high) * l->made_width;
            item *const to = (item *)l->made + (place + l->made_first + m) * (row / high);
            keep(made, to, row / high, l->sums + m, l->sums + l->outputs + m);
        }
}

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
