/* What one layer of the fused DenseNet step is given; training/kernels/library.py mirrors it.
 *
 * Maps lie as [chunk][row][map][column][picture]: a chunk is LANES pictures side by side, so that
 * a shift by one pixel is a shift by whole vectors and no picture needs a mask at its edge.
 */

#ifndef NOISEVOTE_LAYER_H
#define NOISEVOTE_LAYER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && (__GNUC__ >= 11 || __clang_major__ >= 12)
#define HAS_AVX2 1
#define HAS_AVX512 1
#define HAS_AVX512_BF16 1
#endif
#if HAS_AVX512_BF16 && defined(__linux__) /* which must be asked for tiles */
#define HAS_AMX 1
#endif

typedef struct {
    size_t chunks, side, inputs, outputs;
    size_t kernel; /* 3 or 1 */
    size_t pooled; /* whether 2x2 pixels are averaged after the noise */
    size_t active; /* whether batch norm and ReLU stand before the convolution */
    const void *maps; /* read: the first `inputs` of `maps_width` */
    size_t maps_width;
    const float *scale, *shift; /* [inputs] batch norm; 1 and 0 where there is none */
    const float *weights;       /* [outputs][inputs][kernel][kernel] */
    void *made; /* written: `outputs` maps from number `made_first` of `made_width` */
    size_t made_width, made_first;
    void *noise; /* [chunk][row][outputs][column][picture] factors; NULL for none */
    const void *factors; /* table of 65,536 */
    uint64_t seed;
    double *sums; /* [2][outputs] of what is made, and of its squares */
    /* the backward pass */
    const void *made_gradient;             /* laid out as `made` */
    const float *constant, *slope;         /* [outputs] what the batch norms take off it */
    void *gradient; /* of what the convolution gave, laid out as `noise` */
    float *weight_gradient;                /* as `weights` */
    double *input_sums; /* [2][inputs] of the gradient past the ReLU, and of that times the map */
} layer;

/* Maps whose gradient is put together from all layers that read them. */
typedef struct {
    size_t chunks, side;
    const void *maps;
    void *gradient; /* laid out as `maps` */
    size_t maps_width, first, count;
    size_t fresh; /* whether the gradient is set, and not added to what is there */
} group;

/* The mean over the picture of the last maps, after batch norm and ReLU. */
typedef struct {
    size_t chunks, side, count;
    const void *maps;
    const float *scale, *shift; /* [count] */
    float *features;            /* [picture][count] */
    const float *features_gradient;
    void *gradient; /* laid out as `maps`, set */
    double *sums;   /* [2][count] as `input_sums` */
} head;

/* One instruction set. */
typedef struct {
    const char *name;
    size_t lanes, item_bytes;
    int (*is_supported)(void);
    int (*forward)(const layer *);
    void (*behind_noise)(const layer *);
    int (*backward)(const layer *, size_t, const group *);
    void (*head_forward)(const head *);
    void (*head_backward)(const head *);
    void (*draw)(void *, const void *, size_t, uint64_t, size_t);
} variant;

extern const variant noisevote_avx2, noisevote_avx512, noisevote_avx512_bf16, noisevote_amx;

#endif
