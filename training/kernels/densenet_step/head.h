/* The mean over the picture of the last maps, after batch norm and ReLU, and its way back. */

/* Picture of a place in a block's floats, in the order of `get`. */
static size_t picture(size_t place) {
    return PAIR == 1 ? place % LANES : place % VW * 2 + place / VW;
}

TARGET static void head_forward(const head *h) {
    const size_t row = h->side * LANES;
    for (size_t chunk = 0; chunk < h->chunks; chunk++)
        for (size_t c = 0; c < h->count; c++) {
            const vec scale = all(h->scale[c]), shift = all(h->shift[c]);
            float sums[LANES + BLOCK] = {0};
            for (size_t y = 0; y < h->side; y++) {
                const item *const x =
                    (const item *)h->maps + ((chunk * h->side + y) * h->count + c) * row;
                for (size_t b = 0; b < row; b += BLOCK) {
                    vec values[2];
                    get(x + b, values);
                    for (int i = 0; i < 2; i++) {
                        float *const at = sums + (b + i * VW) % LANES;
                        store(at, load(at) + relu(values[i] * scale + shift));
                    }
                }
            }
            for (size_t p = 0; p < LANES; p++)
                h->features[(chunk * LANES + picture(p)) * h->count + c] =
                    sums[p] / (float)(h->side * h->side);
        }
}

TARGET static void head_backward(const head *h) {
    const size_t row = h->side * LANES;
    memset(h->sums, 0, 2 * h->count * sizeof(double));
    for (size_t chunk = 0; chunk < h->chunks; chunk++)
        for (size_t c = 0; c < h->count; c++) {
            const vec scale = all(h->scale[c]), shift = all(h->shift[c]);
            vec sum = all(0.0f), with_x = all(0.0f);
            float of_pixel[LANES];
            for (size_t p = 0; p < LANES; p++)
                of_pixel[p] =
                    h->features_gradient[(chunk * LANES + picture(p)) * h->count + c] /
                    (float)(h->side * h->side);
            for (size_t y = 0; y < h->side; y++) {
                const size_t at = ((chunk * h->side + y) * h->count + c) * row;
                for (size_t b = 0; b < row; b += BLOCK) {
                    vec x[2], out[2];
                    get((const item *)h->maps + at + b, x);
                    for (int i = 0; i < 2; i++) {
                        const vec v = where_positive(
                            load(of_pixel + (b + i * VW) % LANES), x[i] * scale + shift);
                        sum += v;
                        with_x += v * x[i];
                        out[i] = scale * v;
                    }
                    put((item *)h->gradient + at + b, out);
                }
            }
            h->sums[c] += total(sum);
            h->sums[h->count + c] += total(with_x);
        }
}
