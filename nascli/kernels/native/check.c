/* Whether the library computes what it should on this processor: once it is compiled, and whenever
 * it is loaded. */

#include <math.h>
#include <stdint.h>

#include "leaving.h"
#include "residual.h"

enum { BATCH = 3, CHANNELS = 17, FILLED = 32, SIDE = 5, TERMS = 5, ANSWERS = 6 };
enum { MIDDLES = 5 }; /* answers of the middle of an inverted residual */
enum { NUMBERS = BATCH * SIDE * SIDE * CHANNELS };

struct answer {
    double value, size;
};

#define REAL float
#define N(name) name##_f32
#include "check.h"
#include "check_residual.h"
#undef N
#if defined(__AVX512F__)
#define N(name) name##_narrow_f32
#include "check.h"
#include "check_residual.h"
#undef N
#endif
#undef REAL
#define REAL double
#define N(name) name##_f64
#include "check.h"
#include "check_residual.h"

/* At strides 1 and 2: sums, then gradients of images, of the mixture, of depthwise and of pointwise
 * weights, then running statistics, as PyTorch's modules find them in double precision
 * (tests/unit/kernels/native/test_check.py). */
static const double expected[2][ANSWERS] = {
    {-52.9994319396013, -51.2066596476897, -556.8644101508442, 4.5413495603512, 10.5361105573652,
     -1.4651328326955},
    {24.7812258614899, -115.8403447050941, -30.0620794283461, -10.8514302512729, -6.7564782266870,
     -1.7332534849240},
};

/* At strides 1 and 2: what comes out, then gradients of images, of the kernel, of scales and shifts,
 * then running statistics. */
static const double expected_middle[2][MIDDLES] = {
    {8.2917870817127, -10.6365834568538, 7.0463552215507, 10.1502474685370, -1.2359213738388},
    {-8.1056208772017, 3.6849964475478, -1.1755992067165, -0.2698188979310, -1.4454097762945},
};

/* 0 if all is well; `threads`: with the threads of OpenMP, which take time to begin. */
int nas_check(int threads)
{
    int wrong[2] = {0, 0};
    (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(static) if (threads)
    for (int kind = 0; kind < 2; kind++)
        for (int s = 0; s < 2; s++)
            wrong[kind] |= kind ? differs_f64(s + 1, expected[s], 1e-12) ||
                                      middle_differs_f64(s + 1, expected_middle[s], 1e-12)
                                : differs_f32(s + 1, expected[s], 1e-4) ||
                                      middle_differs_f32(s + 1, expected_middle[s], 1e-4);
#if defined(__AVX512F__)
    for (int s = 0; s < 2; s++)
        wrong[0] |= differs_narrow_f32(s + 1, expected[s], 1e-4) ||
                    middle_differs_narrow_f32(s + 1, expected_middle[s], 1e-4);
#endif
    return wrong[0] | wrong[1] << 1;
}
