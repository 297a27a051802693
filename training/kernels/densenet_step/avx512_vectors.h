/* What the variants with AVX-512 share. */

INLINE vec load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, vec value) { _mm512_storeu_ps(to, value); }
INLINE vec all(float value) { return _mm512_set1_ps(value); }
INLINE vec relu(vec value) { return _mm512_max_ps(value, _mm512_setzero_ps()); }
INLINE float total(vec value) { return _mm512_reduce_add_ps(value); }

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/* The value where the other is positive, 0 elsewhere. */
INLINE vec where_positive(vec value, vec other) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(other, _mm512_setzero_ps(), _CMP_GT_OQ), value);
}
