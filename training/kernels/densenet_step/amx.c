/* 16-bit floats in memory, products by tiles: AMX, beside what AVX512-BF16 needs. */

#include "layer.h"

#if HAS_AMX

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"

#define TARGET \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16")))
#define LANES 32
#define PAIR 2
#define VW 16
typedef __m512 vec;
typedef uint16_t item;

#include "avx512_vectors.h"
#include "bf16_items.h"

#include "rows.h"
#include "amx_tiles.h"
#include "amx_forward.h"
#include "amx_gradient.h"
#include "amx_backward.h"
#include "head.h"

/* Whether the processor has tiles, and Linux lets this process use them: it must be asked once. */
static int are_tiles_permitted(void) {
    const long request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned needed = 1u << 22 | 1u << 24; /* AMX-BF16, AMX-TILE */
    return (d & needed) == needed && syscall(SYS_arch_prctl, request, tile_data) == 0;
}

static int is_supported(void) {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && are_tiles_permitted();
}

const variant noisevote_amx = {
    "amx", LANES, sizeof(item), is_supported, forward, behind_noise, backward, head_forward,
    head_backward, draw,
};

#endif
