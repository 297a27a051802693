/* The backward pass by tiles: the gradient of a group of maps, from all layers that read them. */

#define MOST_FLOATS 300000 /* that a strip may take, to stay in the second cache */

/* What a strip of rows needs. */
typedef struct {
    float *units; /* gradients, to multiply with weights, and */
    float *pairs; /* to multiply with maps; see `lay_out_gradient` */
    float *made;  /* products: [COLUMNS][TILE maps] */
    item *active; /* a row of maps past batch norm and ReLU: [column][TILE maps] */
    float *dx;    /* gradient of the maps: [maps at once][row][column][map] */
} bench;

/* A layer that reads the group. */
typedef struct {
    const layer *of;
    size_t units, tiles; /* of its outputs */
    size_t edge, width;  /* columns beside a pixel that its kernel reads; columns of a row */
    run run;
    size_t weights_size, sums_size; /* for the maps made at once */
    item *weights; /* [maps at once][row of the kernel][tile of the run] */
    float *sums;   /* gradients of weights: [maps at once][row][tile of maps][column] tiles */
    int order;     /* IS_FIRST, IS_LAST of all that read the group, or both */
} reader;

#define IS_FIRST 1
#define IS_LAST 2
#define IS_ACTIVE 4

/* Past the ReLU and the batch norm, for one map at `columns` columns.
 *
 * at: number of its first value there; made: its products; sums: added to.
 */
INLINE void past_relu(const layer *l, const group *g, size_t channel, size_t at,
                      const float *made, item *active, float *dx, size_t dx_column,
                      size_t columns, vec sums[2], const int how) {
    const vec scale = all(l->scale[channel]), shift = all(l->shift[channel]);
    const item *const x = (const item *)g->maps + at;
    const item *const below = x + g->maps_width * g->side * LANES; /* the next row */
    item *const gradient = (item *)g->gradient + at;
    vec sum = sums[0], with_x = sums[1];
    for (size_t j = 0; j < columns; j++, active += TILE * LANES, dx += dx_column) {
        vec values[2], a[2], d[2] = {all(0.0f), all(0.0f)};
        get(x + j * LANES, values);
        if (how & IS_FIRST) WILL_READ(below + j * LANES);
        if (how & IS_FIRST && !g->fresh) get(gradient + j * LANES, d);
        for (int i = 0; i < 2; i++) {
            const vec z = values[i] * scale + shift;
            const vec product = load(made + j * TILE * BLOCK + i * VW);
            const vec v = how & IS_ACTIVE ? where_positive(product, z) : product;
            a[i] = how & IS_ACTIVE ? relu(z) : z;
            if (!(how & IS_FIRST)) d[i] = load(dx + i * VW);
            d[i] += scale * v;
            if (!(how & IS_LAST)) store(dx + i * VW, d[i]);
            sum += v;
            with_x += v * values[i];
        }
        put(active, a);
        if (how & IS_LAST) put(gradient + j * LANES, d);
    }
    sums[0] = sum, sums[1] = with_x;
}

/* The share of a layer in the gradient of row i of a strip, row y of all chunks' rows, for `count`
 * maps from number c0 of the group.
 */
INLINE void share_of_row(const reader *r, const group *g, size_t i, size_t y, size_t c0,
                         size_t count, float *dx, reading *ahead, const bench *on,
                         vec sums[TILE][2], const int how) {
    const size_t row = g->side * LANES, column = r->units * VW;
    const size_t first = (y * g->maps_width + g->first + c0) * row;
    const size_t valid = count < g->count - c0 ? count : g->count - c0;
    const item *const weights = r->weights + c0 / count * r->weights_size;
    const float *rows[3] = {NULL, NULL, NULL};
    for (size_t k = 0; k < r->of->kernel; k++)
        rows[k] = on->units + (i + k) * 2 * r->width * column;
    for (size_t x = 0, now; x < g->side; x += now) {
        now = convolve(on->made, TILE * BLOCK, rows, r->of->kernel, r->width, column, weights,
                       r->run, ahead, x, g->side);
        for (size_t c = 0; c < valid; c++)
            past_relu(r->of, g, g->first + c0 + c, first + c * row + x * LANES,
                      on->made + c * BLOCK, on->active + (x * TILE + c) * LANES,
                      dx + (x * count + c) * BLOCK, count * BLOCK, now, sums[c], how);
    }
}

/* The share of row i of a strip in the gradient of a layer's weights: added to sums. */
TARGET static void share_of_weights(const reader *r, size_t i, float *sums, const bench *on) {
    const size_t column = r->tiles * TILE_SIZE, side = r->of->side, kernel = r->of->kernel;
    for (size_t k = 0; k < kernel; k++) {
        const float *pairs = on->pairs + (i + k) * r->width * column;
        /* tiles that are summed at once: of the kernel's columns, or of neighbouring maps */
        for (size_t t = 0, now; t < r->tiles; t += now, pairs += now * TILE_SIZE) {
            now = kernel == 3 ? 1 : r->tiles - t < 4 ? r->tiles - t : 4;
            correlate(sums, on->active, pairs, kernel == 3 ? column : TILE_SIZE, column, side,
                      kernel == 3 ? 3 : now);
            sums += kernel * now * TILE_SIZE;
        }
    }
}

/* Writes the gradient of a layer's weights. */
static void unfold(const reader *r, const group *g) {
    const layer *const l = r->of;
    const size_t kernel = l->kernel, size = kernel * kernel, share = even_share(g->count);
    for (size_t m = 0; m < l->outputs; m++)
        for (size_t c = 0; c < g->count; c++) {
            const float *from = r->sums + c / share * r->sums_size;
            from += m / TILE * kernel * TILE_SIZE + c % share * TILE + m % TILE;
            float *const to = l->weight_gradient + (m * l->inputs + g->first + c) * size;
            for (size_t k = 0; k < size; k++) { /* the kernel is turned */
                const size_t tile = k / kernel * r->tiles * kernel + k % kernel;
                to[size - 1 - k] = from[tile * TILE_SIZE];
            }
        }
}

/* A layer's share in one strip of all maps of the group. */
TARGET static void strip(const reader *r, const group *g, size_t chunk, size_t top, size_t rows,
                         reading ahead, const bench *on) {
    const layer *const l = r->of;
    const size_t count = even_share(g->count), row = g->side * LANES;
    float *of_weights = r->sums, *dx = on->dx;
    lay_out_gradient(l, chunk, top, rows, on->units, on->pairs);
    set_tiles(count, r->run);
    for (size_t c0 = 0; c0 < g->count; c0 += count, of_weights += r->sums_size) {
        vec sums[TILE][2];
        for (size_t c = 0; c < TILE; c++) sums[c][0] = sums[c][1] = all(0.0f);
        for (size_t i = 0; i < rows; i++) {
            const size_t y = chunk * g->side + top + i;
#define SHARE(how) share_of_row(r, g, i, y, c0, count, dx, &ahead, on, sums, how)
            if (!l->active) SHARE(IS_FIRST | IS_LAST); /* nothing but it reads the pictures */
            else if (r->order == (IS_FIRST | IS_LAST)) SHARE(IS_ACTIVE | IS_FIRST | IS_LAST);
            else if (r->order == IS_FIRST) SHARE(IS_ACTIVE | IS_FIRST);
            else if (r->order == IS_LAST) SHARE(IS_ACTIVE | IS_LAST);
            else SHARE(IS_ACTIVE);
#undef SHARE
            share_of_weights(r, i, of_weights, on);
            if (r->order != (IS_FIRST | IS_LAST)) dx += row * count;
        }
        for (size_t c = 0; c < count && c0 + c < g->count; c++)
            for (int i = 0; i < 2; i++)
                l->input_sums[i * l->inputs + g->first + c0 + c] += total(sums[c][i]);
    }
}

/* What is read next in memory: the gradient of the next layer, or of the first in the strip below,
 * which may lie in the next chunk.
 */
static reading next_gradient(const reader *readers, size_t n, size_t number, size_t y,
                             size_t rows) {
    const reader *const next = n + 1 < number ? readers + n + 1 : readers;
    const layer *const now = readers[n].of;
    const size_t of_row = next->of->outputs * now->side * LANES;
    const item *const from = (const item *)next->of->gradient;
    return reading_of(from + (n + 1 < number ? y : y + rows) * of_row, (rows + next->edge) * of_row,
                      rows * now->side / 2 * now->kernel * readers[n].run.count);
}

/* Prepares a layer for the group; returns whether there was memory. */
TARGET static int prepare(reader *r, const layer *l, const group *g) {
    const size_t at_once = tiles_of(g->count);
    r->of = l;
    r->units = units_of(l->outputs), r->tiles = tiles_of(l->outputs);
    r->edge = l->kernel / 2, r->width = l->side + 2 * r->edge;
    r->run = run_of(l, r->units);
    r->weights_size = l->kernel * r->run.count * 2 * TILE_SIZE;
    r->sums_size = l->kernel * l->kernel * r->tiles * TILE_SIZE;
    r->weights = (item *)room(at_once * r->weights_size / PAIR);
    r->sums = room(at_once * r->sums_size);
    if (!r->weights || !r->sums) return 0;
    pack_tiles(l, 1, g->first, g->count, r->run, r->units, r->weights);
    memset(r->sums, 0, at_once * r->sums_size * sizeof(float));
    return 1;
}

/* Returns 0, or 1 if there is no memory. */
TARGET static int backward(const layer *layers, size_t number, const group *g) {
    const size_t row = g->side * LANES, count = even_share(g->count);
    const size_t dx = number > 1 ? tiles_of(g->count) * count * row : 0; /* of a row */
    size_t units = 0, pairs = 0; /* of a row, in the layer that has most */
    reader *const readers = calloc(number, sizeof *readers);
    int is_room = readers != NULL;
    for (size_t n = 0; is_room && n < number; n++) {
        const reader *const r = readers + n;
        readers[n].order = (n == 0 ? IS_FIRST : 0) | (n + 1 == number ? IS_LAST : 0);
        is_room = prepare(readers + n, layers + n, g);
        if (2 * r->width * r->units * VW > units) units = 2 * r->width * r->units * VW;
        if (r->width * r->tiles * TILE_SIZE > pairs) pairs = r->width * r->tiles * TILE_SIZE;
    }
    size_t most = MOST_FLOATS / (units + pairs + dx); /* rows of a strip, with two beside it */
    most = most < 3 ? 1 : most - 2 < g->side ? most - 2 : g->side;
    const size_t all_units = (most + 2) * units + TILE_SIZE * TILE; /* tiles may read beyond */
    const bench on = {
        room(all_units), room((most + 2) * pairs), room(COLUMNS * TILE * BLOCK),
        (item *)room(row * TILE / PAIR), room(most * dx),
    };
    is_room = is_room && on.units && on.pairs && on.made && on.active && on.dx;
    if (is_room) {
        memset(on.units, 0, all_units * sizeof(float));
        memset(on.active, 0, row * TILE * sizeof(item));
    }
    for (size_t chunk = 0; is_room && chunk < g->chunks; chunk++)
        for (size_t top = 0, rows; top < g->side; top += rows) {
            rows = most < g->side - top ? most : g->side - top;
            for (size_t n = 0; n < number; n++)
                strip(readers + n, g, chunk, top, rows,
                      next_gradient(readers, n, number, chunk * g->side + top, rows), &on);
        }
    if (is_room) _tile_release();
    for (size_t n = 0; readers && n < number; n++) {
        if (is_room) unfold(readers + n, g);
        free(readers[n].weights), free(readers[n].sums);
    }
    free(readers), free(on.units), free(on.pairs), free(on.made), free(on.active), free(on.dx);
    return !is_room;
}
