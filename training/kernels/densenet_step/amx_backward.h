/* The backward pass by tiles: the gradient of a group of maps, from all layers that read them. */

#define MOST_FLOATS 300000 /* that a strip may take, to stay in the second cache */

typedef struct {
    float *units; /* gradients, to multiply with weights: [row][half][column][unit] */
    float *pairs; /* the same, to multiply with maps: [row][column][tile of maps][pair][map] */
    float *made;  /* products: [COLUMNS][TILE maps] */
    item *active; /* a row of maps past batch norm and ReLU: [column][TILE maps] */
    float *dx;    /* gradient of the maps: [maps at once][row][column][map] */
} bench;

/* What a layer and a strip of its rows are in the backward pass. */
typedef struct {
    const layer *of;
    const item *packed; /* weights */
    float *sums;        /* gradients of weights: [maps at once][tiles of all taps][channel][map] */
    size_t units, tiles; /* of its outputs */
    size_t edge, width;  /* columns and rows beside a pixel that count; columns of a row */
    run run;
    int is_first, is_last; /* of all that read the group */
} reader;

/* Transposes up to 16 rows of 16 numbers: to[number][row]. */
TARGET static void transpose(const item *from, size_t step, size_t rows, float *to) {
    __m512i a[TILE], b[TILE];
    _Pragma("GCC unroll 16") for (size_t i = 0; i < TILE; i++)
        a[i] = i < rows ? _mm512_loadu_si512(from + i * step) : _mm512_setzero_si512();
    _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    /* of rows i..i+3, number 4 q + j in place q of the j-th */
    _Pragma("GCC unroll 4") for (int i = 0; i < TILE; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) {
        const __m512i even = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
        const __m512i odd = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        const __m512i even_2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
        const __m512i odd_2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        float *const at = to + j * TILE;
        _mm512_storeu_si512(at, _mm512_shuffle_i32x4(even, even_2, 0x88));
        _mm512_storeu_si512(at + 4 * TILE, _mm512_shuffle_i32x4(odd, odd_2, 0x88));
        _mm512_storeu_si512(at + 8 * TILE, _mm512_shuffle_i32x4(even, even_2, 0xdd));
        _mm512_storeu_si512(at + 12 * TILE, _mm512_shuffle_i32x4(odd, odd_2, 0xdd));
    }
}

/* Lays out a layer's gradients at one pixel, as units and as pairs. */
INLINE void lay_out_pixel(const layer *l, const item *from, float *units, size_t half,
                          float *pairs) {
    const size_t row = l->side * LANES;
    for (size_t m = 0; m < l->outputs; m++) WILL_READ(from + (l->outputs + m) * row); /* below */
    for (size_t m = 0; m < l->outputs; m += PAIR, units += VW) {
        const __m512i low = _mm512_loadu_si512(from + m * row);
        const __m512i high = m + 1 < l->outputs ? _mm512_loadu_si512(from + (m + 1) * row)
                                                : _mm512_setzero_si512();
        /* as `get` parts the pictures: the even ones and the odd ones */
        _mm512_storeu_si512(units, _mm512_mask_blend_epi16(0xaaaaaaaa, low,
                                                           _mm512_slli_epi32(high, 16)));
        _mm512_storeu_si512(units + half, _mm512_mask_blend_epi16(
                                            0xaaaaaaaa, _mm512_srli_epi32(low, 16), high));
    }
    for (size_t m = 0; m < l->outputs; m += TILE, pairs += TILE_SIZE)
        transpose(from + m * row, row, l->outputs - m < TILE ? l->outputs - m : TILE, pairs);
}

/* Lays out the gradients of rows [top, top + rows) and of those beside them. */
TARGET static void lay_out_gradient(const reader *r, size_t chunk, size_t top, size_t rows,
                                    const bench *on) {
    const layer *const l = r->of;
    const size_t unit = r->units * VW, half = r->width * unit, pair = r->tiles * TILE_SIZE;
    float *units = on->units, *pairs = on->pairs;
    for (size_t i = 0; i < rows + 2 * r->edge; i++, units += half) {
        const size_t y = top + i - r->edge;
        const item *const from =
            (const item *)l->gradient + (chunk * l->side + y) * l->outputs * l->side * LANES;
        for (size_t x = 0; x < r->width; x++, units += unit, pairs += pair) {
            if (y < l->side && x - r->edge < l->side) {
                lay_out_pixel(l, from + (x - r->edge) * LANES, units, half, pairs);
            } else {
                memset(units, 0, unit * sizeof(float));
                memset(units + half, 0, unit * sizeof(float));
                memset(pairs, 0, pair * sizeof(float));
            }
        }
    }
}

/* Past the ReLU and the batch norm, for one map at `columns` columns. */
INLINE void past_relu(const reader *r, size_t channel, const float *made, const item *x, item *a,
                      float *dx, size_t step, item *gradient, size_t below_step, int is_fresh, size_t columns,
                      vec sums[2], const int is_active, const int is_first, const int is_last) {
    const layer *const l = r->of;
    const vec scale = all(l->scale[channel]), shift = all(l->shift[channel]);
    const item *const below = x + below_step;
    vec sum = sums[0], with_x = sums[1];
    for (size_t j = 0; j < columns; j++) {
        vec values[2], active[2], d[2] = {all(0.0f), all(0.0f)};
        get(x + j * LANES, values);
        if (is_first) WILL_READ(below + j * LANES);
        if (is_first && !is_fresh) get(gradient + j * LANES, d);
        for (int i = 0; i < 2; i++) {
            const vec z = values[i] * scale + shift;
            vec v = load(made + j * TILE * BLOCK + i * VW);
            if (is_active) v = where_positive(v, z);
            active[i] = is_active ? relu(z) : z;
            if (!is_first) d[i] = load(dx + j * step + i * VW);
            d[i] += scale * v;
            if (!is_last) store(dx + j * step + i * VW, d[i]);
            sum += v;
            with_x += v * values[i];
        }
        put(a + j * TILE * LANES, active);
        if (is_last) put(gradient + j * LANES, d);
    }
    sums[0] = sum, sums[1] = with_x;
}

/* The share of a layer in the gradient of row i of a strip, for `count` maps from number c0. */
INLINE void share_of_row(const reader *r, const group *g, size_t y, size_t i, size_t c0,
                         size_t count, const item *weights, float *dx, const bench *on,
                         vec sums[TILE][2], const int is_active, const int is_first,
                         const int is_last) {
    const size_t row = g->side * LANES, column = r->units * VW;
    const size_t first = (y * g->maps_width + g->first + c0) * row;
    const size_t valid = count < g->count - c0 ? count : g->count - c0;
    const float *rows[3];
    for (size_t k = 0; k < r->of->kernel; k++) rows[k] = on->units + (i + k) * 2 * r->width * column;
    for (size_t x = 0, now; x < g->side; x += now) {
        now = convolve(on->made, TILE * BLOCK, rows, r->of->kernel, r->width, column, weights,
                       r->run, x, g->side);
        for (size_t c = 0; c < valid; c++) {
            const size_t at = first + c * row + x * LANES;
            past_relu(r, g->first + c0 + c, on->made + c * BLOCK, (const item *)g->maps + at,
                      on->active + (x * TILE + c) * LANES, dx + (x * count + c) * BLOCK,
                      count * BLOCK, (item *)g->gradient + at, g->maps_width * row, (int)g->fresh, now, sums[c],
                      is_active, is_first, is_last);
        }
    }
}

/* The share of row i of a strip in the gradient of a layer's weights. */
TARGET static void share_of_weights(const reader *r, size_t i, float *sums, const bench *on) {
    const size_t column = r->tiles * TILE_SIZE, side = r->of->side;
    const size_t taps = r->of->kernel;
    for (size_t k = 0; k < taps; k++) {
        const float *const pairs = on->pairs + (i + k) * r->width * column;
        if (taps == 3) {
            for (size_t t = 0; t < r->tiles; t++, sums += 3 * TILE_SIZE)
                correlate(sums, on->active, pairs + t * TILE_SIZE, column, column, side, 3);
            continue;
        }
        for (size_t t = 0, now; t < r->tiles; t += now) {
            now = r->tiles - t < 4 ? r->tiles - t : 4;
            correlate(sums + t * TILE_SIZE, on->active, pairs + t * TILE_SIZE, TILE_SIZE, column,
                      side, now);
        }
    }
}

/* Writes the gradient of weights from its tiles: [maps at once][row][tile][column]. */
static void unfold(const reader *r, const group *g) {
    const layer *const l = r->of;
    const size_t size = l->kernel, share = even_share(g->count);
    for (size_t c = 0; c < g->count; c++)
        for (size_t m = 0; m < l->outputs; m++)
            for (size_t k = 0; k < size * size; k++) {
                size_t tile = c / share * size * size * r->tiles;
                tile += (k / size * r->tiles + m / TILE) * size + k % size;
                const size_t to = (m * l->inputs + g->first + c) * size * size;
                l->weight_gradient[to + size * size - 1 - k] =
                    r->sums[tile * TILE_SIZE + c % share * TILE + m % TILE];
            }
}

/* A layer's share in one strip. */
TARGET static void strip(const reader *r, const group *g, size_t chunk, size_t top, size_t rows,
                         const bench *on) {
    const layer *const l = r->of;
    const size_t count = even_share(g->count), row = g->side * LANES;
    const size_t of_weights = l->kernel * r->run.count * 2 * TILE_SIZE;
    const size_t of_sums = l->kernel * l->kernel * r->tiles * TILE_SIZE;
    const item *weights = r->packed;
    float *weight_sums = r->sums, *dx = on->dx;
    lay_out_gradient(r, chunk, top, rows, on);
    set_tiles(count, r->run);
    for (size_t c0 = 0; c0 < g->count; c0 += count) {
        vec sums[TILE][2];
        for (size_t c = 0; c < TILE; c++) sums[c][0] = sums[c][1] = all(0.0f);
        for (size_t i = 0; i < rows; i++) {
            const size_t y = chunk * g->side + top + i;
#define SHARE(is_active, is_first, is_last) \
    share_of_row(r, g, y, i, c0, count, weights, dx, on, sums, is_active, is_first, is_last)
            if (!l->active) SHARE(0, 1, 1);
            else if (r->is_first && r->is_last) SHARE(1, 1, 1);
            else if (r->is_first) SHARE(1, 1, 0);
            else if (r->is_last) SHARE(1, 0, 1);
            else SHARE(1, 0, 0);
            share_of_weights(r, i, weight_sums, on);
            if (!(r->is_first && r->is_last)) dx += row * count;
        }
        for (size_t c = 0; c < count && c0 + c < g->count; c++)
            for (int i = 0; i < 2; i++)
                l->input_sums[i * l->inputs + g->first + c0 + c] += total(sums[c][i]);
        weights += of_weights, weight_sums += of_sums;
    }
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int backward(const layer *layers, size_t number, const group *g) {
    const size_t row = g->side * LANES, share = even_share(g->count), at_once = tiles_of(g->count);
    const size_t dx = number > 1 ? at_once * share * row : 0;
    size_t units = 0, pairs = 0, weights = 0, sums = 0;
    reader *const readers = calloc(number, sizeof *readers);
    if (!readers) return 1;
    for (size_t n = 0; n < number; n++) {
        reader *const r = readers + n;
        const layer *const l = r->of = layers + n;
        r->units = units_of(l->outputs), r->tiles = tiles_of(l->outputs);
        r->edge = l->kernel / 2, r->width = l->side + 2 * r->edge;
        r->run = run_of(l, r->units);
        r->is_first = n == 0, r->is_last = n + 1 == number;
        if (r->width * r->units * LANES > units) units = r->width * r->units * LANES;
        if (r->width * r->tiles * TILE_SIZE > pairs) pairs = r->width * r->tiles * TILE_SIZE;
        weights += at_once * l->kernel * r->run.count * 2 * TILE_SIZE;
        sums += at_once * l->kernel * l->kernel * r->tiles * TILE_SIZE;
    }
    size_t most = MOST_FLOATS / (units + pairs + dx);
    most = most < 3 ? 1 : most - 2 < g->side ? most - 2 : g->side;
    const size_t beyond = 3 * TILE * LANES + units; /* what tiles may read too much */
    item *const packed = (item *)room(weights / PAIR);
    float *const all_sums = room(sums);
    const bench on = {
        room((most + 2) * units + beyond), room((most + 2) * pairs), room(COLUMNS * TILE * BLOCK),
        (item *)room(row * TILE / PAIR), room(most * dx),
    };
    const int is_room =
        packed && all_sums && on.units && on.pairs && on.made && on.active && on.dx;
    if (is_room) {
        memset(all_sums, 0, sums * sizeof(float));
        memset(on.units, 0, ((most + 2) * units + beyond) * sizeof(float));
        memset(on.active, 0, row * TILE * sizeof(item));
        weights = sums = 0;
        for (size_t n = 0; n < number; n++) {
            reader *const r = readers + n;
            const size_t size = r->of->kernel;
            r->packed = packed + weights, r->sums = all_sums + sums;
            pack_tiles(r->of, 1, g->first, g->count, r->run, r->units, packed + weights);
            weights += at_once * size * r->run.count * 2 * TILE_SIZE;
            sums += at_once * size * size * r->tiles * TILE_SIZE;
        }
        for (size_t chunk = 0; chunk < g->chunks; chunk++)
            for (size_t top = 0, rows; top < g->side; top += rows) {
                rows = most < g->side - top ? most : g->side - top;
                for (size_t n = 0; n < number; n++) strip(readers + n, g, chunk, top, rows, &on);
            }
        _tile_release();
        for (size_t n = 0; n < number; n++) unfold(readers + n, g);
    }
    free(readers), free(packed), free(all_sums);
    free(on.units), free(on.pairs), free(on.made), free(on.active), free(on.dx);
    return !is_room;
}
