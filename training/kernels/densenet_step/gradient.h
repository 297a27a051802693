/* The gradient of what a convolution gave, on its way into products. */

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
