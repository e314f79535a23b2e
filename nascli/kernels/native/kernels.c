/* The kernels of every number type: each header below is read once a type. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDEST 64 /* bytes of a vector */
#define TILE 8    /* rows of a matrix product that stay in registers */
#elif defined(__AVX__)
#define WIDEST 32
#define TILE 4
#else
#define WIDEST 16
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

#define BYTES WIDEST
#define REAL double
#define WHOLE int64_t
#define N(name) name##_f64
#include "every.h"

#define REAL float
#define WHOLE int32_t
#if WIDEST < 64
#define N(name) name##_f32
#include "every.h"
#else
#define N(name) name##_wide_f32
#include "every.h"

/* Up to eight channels would leave half of each vector empty. */
#undef BYTES
#define BYTES 32
#define REAL float
#define WHOLE int32_t
#define N(name) name##_narrow_f32
#include "every.h"

#define CHOSEN(name, type)                                                                         \
    int name##_f32(const struct type *call)                                                        \
    {                                                                                              \
        return call->channels > 8 ? name##_wide_f32(call) : name##_narrow_f32(call);               \
    }
CHOSEN(nas_leaving_forward, leaving)
CHOSEN(nas_leaving_backward, leaving)
CHOSEN(nas_residual_forward, residual)
CHOSEN(nas_residual_backward, residual)
#endif
