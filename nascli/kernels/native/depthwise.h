/* Depthwise convolutions of one sample with a margin of zeros around it, (rows, columns, CP).
 *
 * Along one side, with stride s, dilation d and a kernel w of k taps; x begins where the first tap
 * of the first output reads:
 *
 *     y[p] = sum over t of w[t] x[s p + d t]                                               (1)
 *     dL/dw[t] = sum over p of g[p] x[s p + d t],  g = dL/dy                               (2)
 *     dL/dx[q] = sum of w[t] g[p] where s p + d t = q                                      (3)
 *
 * (3) at stride 1 is (1) of g, with a margin, and the kernel from end to end.
 */

struct N(window) {
    int64_t kernel, dilation, stride;
    int64_t height, width; /* of y and g */
    int64_t pitch;         /* pixels from one row of x to the next */
};

/* weight (k * k, CP) of (C, k, k); `reversed` from end to end. */
static void N(pack)(const REAL *weight, REAL *packed, int64_t kernel, int64_t channels, int64_t cp,
                    int reversed)
{
    int64_t taps = kernel * kernel;
    memset(packed, 0, taps * cp * sizeof(REAL));
    for (int64_t c = 0; c < channels; c++)
        for (int64_t t = 0; t < taps; t++)
            packed[(reversed ? taps - 1 - t : t) * cp + c] = weight[c * taps + t];
}

/* `count` neighbours in a row of y. */
INLINE void N(taps)(const REAL *x, const REAL *weight, REAL *y, const struct N(window) * w,
                    const int64_t cp, const int64_t stride, const int count, const int add)
{
    VEC sum[8];
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
        sum[j] = add ? READ(y + j * cp) : (VEC){0};
    for (int64_t row = 0; row < w->kernel; row++)
        for (int64_t column = 0; column < w->kernel; column++) {
            VEC tap = READ(weight + (row * w->kernel + column) * cp);
            const REAL *from = x + (row * w->pitch + column) * w->dilation * cp;
#pragma GCC unroll 8
            for (int j = 0; j < count; j++)
                sum[j] += tap * READ(from + j * stride * cp);
        }
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
        AT(y + j * cp) = sum[j];
}

INLINE void N(convolve_rows)(const REAL *x, const REAL *weight, REAL *y, int64_t y_pitch,
                             const struct N(window) * w, const int64_t cp, const int64_t stride,
                             const int add)
{
    for (int64_t i = 0; i < w->height; i++)
        for (int64_t v = 0; v < cp; v += LANES) {
            const REAL *from = x + i * stride * w->pitch * cp + v;
            REAL *to = y + i * y_pitch * cp + v;
            int64_t j = 0;
            for (; j + 8 <= w->width; j += 8)
                N(taps)(from + j * stride * cp, weight + v, to + j * cp, w, cp, stride, 8, add);
            for (; j + 2 <= w->width; j += 2)
                N(taps)(from + j * stride * cp, weight + v, to + j * cp, w, cp, stride, 2, add);
            if (j < w->width)
                N(taps)(from + j * stride * cp, weight + v, to + j * cp, w, cp, stride, 1, add);
        }
}

/* (1); y has `y_pitch` pixels a row. Its most frequent widths have code of their own. */
INLINE void N(convolve_any)(const REAL *x, const REAL *weight, REAL *y, int64_t y_pitch,
                            const struct N(window) * w, int64_t cp, const int add)
{
    if (w->stride == 2)
        N(convolve_rows)(x, weight, y, y_pitch, w, cp, 2, add);
    else if (cp == LANES)
        N(convolve_rows)(x, weight, y, y_pitch, w, LANES, 1, add);
    else if (cp == 2 * LANES)
        N(convolve_rows)(x, weight, y, y_pitch, w, 2 * LANES, 1, add);
    else if (cp == 4 * LANES)
        N(convolve_rows)(x, weight, y, y_pitch, w, 4 * LANES, 1, add);
    else
        N(convolve_rows)(x, weight, y, y_pitch, w, cp, 1, add);
}

static void N(convolve)(const REAL *x, const REAL *weight, REAL *y, int64_t y_pitch,
                        const struct N(window) * w, int64_t cp)
{
    N(convolve_any)(x, weight, y, y_pitch, w, cp, 0);
}

/* (3), added to `to_x`. Stride 1: `g` begins a margin before its first pixel and `weight` is
 * reversed; the other strides take g without a margin and the weight as it is. */
static void N(add_to_images)(const REAL *g, const REAL *weight, REAL *to_x, int64_t x_pitch,
                             const struct N(window) * w, int64_t cp)
{
    if (w->stride == 1) {
        N(convolve_any)(g, weight, to_x, x_pitch, w, cp, 1);
        return;
    }
    for (int64_t i = 0; i < w->height; i++)
        for (int64_t j = 0; j < w->width; j++)
            for (int64_t t = 0; t < w->kernel * w->kernel; t++) {
                int64_t row = i * w->stride + t / w->kernel * w->dilation;
                int64_t column = j * w->stride + t % w->kernel * w->dilation;
                const REAL *from = g + (i * w->pitch + j) * cp, *tap = weight + t * cp;
                REAL *to = to_x + (row * x_pitch + column) * cp;
                for (int64_t c = 0; c < cp; c += LANES)
                    AT(to + c) += READ(tap + c) * READ(from + c);
            }
}

/* `count` every second neighbours in a row of dL/dx, of taps `first`, `first` + 2, ... of both
 * sides. */
INLINE void N(taps_back)(const REAL *g, const REAL *weight, REAL *to, const struct N(window) * w,
                         int64_t first_row, int64_t first_column, int64_t cp, const int count)
{
    VEC sum[8] = {0};
    for (int64_t row = first_row; row < w->kernel; row += 2)
        for (int64_t column = first_column; column < w->kernel; column += 2) {
            VEC tap = READ(weight + (row * w->kernel + column) * cp);
            const REAL *from = g - (row / 2 * w->pitch + column / 2) * cp;
#pragma GCC unroll 8
            for (int j = 0; j < count; j++)
                sum[j] += tap * READ(from + j * cp);
        }
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
        AT(to + 2 * j * cp) = sum[j];
}

/* (3) at stride 2 without dilation, for the rows of x from `start` on, without its margin; `w` is of
 * them. g begins inside of a margin as wide as that of x. Place q + k / 2 = 2 u + a of a padded x is
 * read by taps t = 2 i + a alone, of g[u - i]. */
static void N(convolve_back)(const REAL *g, const REAL *weight, REAL *to, int64_t start,
                             const struct N(window) * w, int64_t cp)
{
    int64_t margin = w->kernel / 2;
    for (int64_t i = 0; i < w->height; i++, to += w->width * cp)
        for (int64_t half = 0; half < 2; half++)
            for (int64_t v = 0; v < cp; v += LANES) {
                int64_t row = start + i + margin, column = half + margin, j = half;
                const REAL *from = g + (row / 2 * w->pitch + column / 2) * cp + v;
                REAL *at = to + half * cp + v;
                for (; j + 6 < w->width; j += 8, from += 4 * cp, at += 8 * cp)
                    N(taps_back)(from, weight + v, at, w, row % 2, column % 2, cp, 4);
                for (; j < w->width; j += 2, from += cp, at += 2 * cp)
                    N(taps_back)(from, weight + v, at, w, row % 2, column % 2, cp, 1);
            }
}

/* (2) of `count` neighbouring taps, added to `to_weight`. */
INLINE void N(tap_gradients)(const REAL *x, const REAL *g, int64_t g_pitch, REAL *to_weight,
                             const struct N(window) * w, const int64_t cp, const int count)
{
    VEC even[5], odd[5]; /* pixels of even and odd columns: twice as many independent sums */
#pragma GCC unroll 5
    for (int t = 0; t < count; t++)
        even[t] = odd[t] = (VEC){0};
    int64_t step = w->stride * cp, next = w->dilation * cp;
    for (int64_t i = 0; i < w->height; i++) {
        const REAL *from = x + i * w->stride * w->pitch * cp, *row = g + i * g_pitch * cp;
        int64_t j = 0;
        for (; j + 2 <= w->width; j += 2) {
            VEC one = READ(row + j * cp), other = READ(row + (j + 1) * cp);
#pragma GCC unroll 5
            for (int t = 0; t < count; t++) {
                even[t] += one * READ(from + j * step + t * next);
                odd[t] += other * READ(from + (j + 1) * step + t * next);
            }
        }
        if (j < w->width)
#pragma GCC unroll 5
            for (int t = 0; t < count; t++)
                even[t] += READ(row + j * cp) * READ(from + j * step + t * next);
    }
#pragma GCC unroll 5
    for (int t = 0; t < count; t++)
        AT(to_weight + t * cp) += even[t] + odd[t];
}

/* (2), added to `to_weight` (k * k, CP). */
static void N(add_to_weight)(const REAL *x, const REAL *g, int64_t g_pitch, REAL *to_weight,
                             const struct N(window) * w, int64_t cp)
{
    for (int64_t v = 0; v < cp; v += LANES)
        for (int64_t row = 0; row < w->kernel; row++) {
            const REAL *from = x + row * w->dilation * w->pitch * cp + v;
            REAL *to = to_weight + row * w->kernel * cp + v;
            int64_t t = 0, next = w->dilation * cp;
            for (; t + 5 <= w->kernel; t += 5)
                N(tap_gradients)(from + t * next, g + v, g_pitch, to + t * cp, w, cp, 5);
            for (; t + 3 <= w->kernel; t += 3)
                N(tap_gradients)(from + t * next, g + v, g_pitch, to + t * cp, w, cp, 3);
            for (; t < w->kernel; t++)
                N(tap_gradients)(from + t * next, g + v, g_pitch, to + t * cp, w, cp, 1);
        }
}
