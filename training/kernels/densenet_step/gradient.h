/* The gradient of what a convolution gave: past the noise, and on its way into products. */

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

/* Stores a transformed block of PAIR maps, as units and, where that differs, map by map. */
INLINE void put_both(float *units, size_t second, item *maps, size_t padded,
                     const vec values[PAIR][2]) {
    put_units(units, second, values);
    if (PAIR == 1) return;
    for (size_t p = 0; p < PAIR; p++) put(maps + p * padded, values[p]);
}

INLINE void read_gradient(const layer *l, size_t chunk, size_t y, size_t map, size_t b,
                              vec to[PAIR][2]) {
    const size_t row = l->side * LANES;
    const item *const from =
        (const item *)l->gradient + ((chunk * l->side + y) * l->outputs + map) * row + b;
    for (size_t p = 0; p < PAIR; p++)
        if (y < l->side && map + p < l->outputs) {
            WILL_READ(from + (PAIR + p) * row); /* the maps that come next */
            get(from + p * row, to[p]);
        } else {
            to[p][0] = to[p][1] = all(0.0f);
        }
}

/* Transforms the gradients of rows [top, top + rows) as `spread` does the maps: to units as there,
 * and to maps [two rows][part][map][column + 2] where a unit is not a number of one map.
 */
TARGET static void spread_gradient(const layer *l, size_t chunk, size_t top, size_t rows,
                                   size_t maps, float *units, item *natural) {
    const size_t row = l->side * LANES, padded = row + 2 * LANES, of_maps = maps * padded;
    const size_t column = maps / PAIR * LANES, part = (l->side + 2) * column;
    const size_t second = SECOND(column);
    const int is_wide = l->kernel == 3;
    clear_edges(units, is_wide ? 2 * rows : rows, l->side, column);
    for (size_t m = 0; PAIR > 1 && m < (is_wide ? 2 * rows : rows) * maps; m++) {
        memset(natural + m * padded, 0, LANES * sizeof(item));
        memset(natural + m * padded + LANES + row, 0, LANES * sizeof(item));
    }
    for (size_t m = 0; m < maps; m += PAIR)
        for (size_t b = 0; b < row; b += BLOCK) {
            float *out = units + (b / LANES + 1) * column + m / PAIR * LANES + b % LANES;
            item *map = natural + m * padded + LANES + b;
            vec d[4][PAIR][2];
            if (!is_wide) {
                for (size_t y = top; y < top + rows; y++, out += part, map += of_maps) {
                    read_gradient(l, chunk, y, m, b, d[0]);
                    put_both(out, second, map, padded, d[0]);
                }
                continue;
            }
            read_gradient(l, chunk, top - 1, m, b, d[0]);
            read_gradient(l, chunk, top, m, b, d[1]);
            for (size_t y = top; y < top + rows; y += 2, out += 4 * part, map += 4 * of_maps) {
                vec t[PAIR][2];
                read_gradient(l, chunk, y + 1, m, b, d[2]);
                read_gradient(l, chunk, y + 2, m, b, d[3]);
                EACH(p, i) t[p][i] = d[0][p][i] - d[2][p][i];
                put_both(out, second, map, padded, t);
                EACH(p, i) t[p][i] = d[1][p][i] + d[2][p][i];
                put_both(out + part, second, map + of_maps, padded, t);
                EACH(p, i) t[p][i] = d[2][p][i] - d[1][p][i];
                put_both(out + 2 * part, second, map + 2 * of_maps, padded, t);
                EACH(p, i) t[p][i] = d[1][p][i] - d[3][p][i];
                put_both(out + 3 * part, second, map + 3 * of_maps, padded, t);
                EACH(p, i) d[0][p][i] = d[2][p][i], d[1][p][i] = d[3][p][i];
            }
        }
}
