/* Vectors of channels and matrix products, for one type REAL. */

typedef REAL N(vec) __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef WHOLE N(bits) __attribute__((vector_size(BYTES)));

/* Lane by lane: `one` where the comparison `where` holds, else `other`. */
INLINE VEC N(select)(N(bits) where, VEC one, VEC other)
{
    return (VEC)((where & (N(bits))one) | (~where & (N(bits))other));
}

static int64_t N(filled_up)(int64_t channels)
{
    return (channels + LANES - 1) / LANES * LANES;
}

/* `rows` rows of `columns` vectors, in registers:
 *   c[t][v] (+)= sum over k of a[t * at + k * ak] * b[k * bk + v] */
INLINE void N(tile)(const REAL *a, int64_t at, int64_t ak, const REAL *b, int64_t bk, REAL *c,
                    int64_t ct, int64_t depth, const int rows, const int columns, const int add)
{
    VEC sum[TILE][2];
#pragma GCC unroll 8
    for (int t = 0; t < rows; t++)
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            sum[t][v] = add ? READ(c + t * ct + v * LANES) : (VEC){0};
    for (int64_t k = 0; k < depth; k++) {
        VEC read[2];
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            read[v] = READ(b + k * bk + v * LANES);
#pragma GCC unroll 8
        for (int t = 0; t < rows; t++)
#pragma GCC unroll 2
            for (int v = 0; v < columns; v++)
                sum[t][v] += a[t * at + k * ak] * read[v];
    }
#pragma GCC unroll 8
    for (int t = 0; t < rows; t++)
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            AT(c + t * ct + v * LANES) = sum[t][v];
}

INLINE void N(strip)(const REAL *a, int64_t at, int64_t ak, const REAL *b, int64_t bk, REAL *c,
                     int64_t ct, int64_t rows, int64_t depth, const int columns, const int add)
{
    int64_t t = 0;
    for (; t + TILE <= rows; t += TILE)
        N(tile)(a + t * at, at, ak, b, bk, c + t * ct, ct, depth, TILE, columns, add);
    for (; t + 2 <= rows; t += 2)
        N(tile)(a + t * at, at, ak, b, bk, c + t * ct, ct, depth, 2, columns, add);
    if (t < rows)
        N(tile)(a + t * at, at, ak, b, bk, c + t * ct, ct, depth, 1, columns, add);
}

/* c (rows, width) (+)= a (rows, depth) b (depth, width); at, ak: steps of a by row and by depth. */
INLINE void N(product)(const REAL *a, int64_t at, int64_t ak, const REAL *b, int64_t bk, REAL *c,
                       int64_t ct, int64_t rows, int64_t depth, int64_t width, const int add)
{
    int64_t v = 0;
    for (; v + 2 * LANES <= width; v += 2 * LANES)
        N(strip)(a, at, ak, b + v, bk, c + v, ct, rows, depth, 2, add);
    if (v < width)
        N(strip)(a, at, ak, b + v, bk, c + v, ct, rows, depth, 1, add);
}

/* y (pixels, CP) = x (pixels, CP) m, with m (C, CP). */
static void N(times)(const REAL *x, const REAL *m, REAL *y, int64_t pixels, int64_t channels,
                     int64_t cp)
{
    N(product)(x, cp, 1, m, cp, y, cp, pixels, channels, cp, 0);
}

/* m (C, CP) += x' y, of x and y (pixels, CP). */
static void N(add_outer)(const REAL *x, const REAL *y, REAL *m, int64_t pixels, int64_t channels,
                         int64_t cp)
{
    N(product)(x, 1, cp, y, cp, m, cp, channels, pixels, cp, 1);
}

/* to (pixels, CP) from (pixels, C), zeros in between; and back. */
static void N(spread)(const REAL *from, REAL *to, int64_t pixels, int64_t channels, int64_t cp)
{
    for (int64_t p = 0; p < pixels; p++) {
        memcpy(to + p * cp, from + p * channels, channels * sizeof(REAL));
        memset(to + p * cp + channels, 0, (cp - channels) * sizeof(REAL));
    }
}

static void N(gather)(const REAL *from, REAL *to, int64_t pixels, int64_t channels, int64_t cp)
{
    for (int64_t p = 0; p < pixels; p++)
        memcpy(to + p * channels, from + p * cp, channels * sizeof(REAL));
}
