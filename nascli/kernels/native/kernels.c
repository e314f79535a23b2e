/* The kernels of every number type: each header below is read once a type. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64 /* of a vector */
#define TILE 8   /* rows of a matrix product that stay in registers */
#elif defined(__AVX__)
#define BYTES 32
#define TILE 4
#else
#define BYTES 16
#define TILE 4
#endif
#define INLINE static inline __attribute__((always_inline))

#define LANES ((int64_t)(BYTES / sizeof(REAL)))
#define VEC N(vec)
#define AT(pointer) (*(VEC *)(pointer))
#define READ(pointer) (*(const VEC *)(pointer))

#include "leaving.h"
#include "residual.h"

/* Memory that begins where a vector may, all zeros if `zeros`; where none is left, NULL, and
 * `*failed` is set. */
static void *take(int *failed, int64_t bytes, int zeros)
{
    void *found = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (found && zeros)
        memset(found, 0, bytes);
    if (!found) {
#pragma omp atomic write
        *failed = 1;
    }
    return found;
}

#define REAL float
#define WHOLE int32_t
#define N(name) name##_f32
#include "products.h"
#include "depthwise.h"
#include "norms.h"
#include "pools.h"
#include "forward.h"
#include "lines.h"
#include "backward.h"
#include "activations.h"
#include "residual_forward.h"
#include "residual_backward.h"
#undef REAL
#undef WHOLE
#undef N

#define REAL double
#define WHOLE int64_t
#define N(name) name##_f64
#include "products.h"
#include "depthwise.h"
#include "norms.h"
#include "pools.h"
#include "forward.h"
#include "lines.h"
#include "backward.h"
#include "activations.h"
#include "residual_forward.h"
#include "residual_backward.h"
