/* Batch norms: statistics of blocks, their sum, and the factors that they come to. */

/* Of so many values a channel: the mean, and the sum of squares about it. (CP,) */
struct N(moments) {
    double count, *mean, *squares;
};

/* Adds those of `pixels` rows of z. Two passes over z, which is in the cache; then
 * Chan, Golub and LeVeque (1979): of counts n and m with means a and b, squares S and T,
 *   mean = a + (b - a) m / (n + m),  squares = S + T + (b - a)^2 n m / (n + m). */
static void N(add_moments)(struct N(moments) * to, const REAL *z, int64_t pixels, int64_t cp)
{
    double count = to->count + pixels;
    for (int64_t v = 0; v < cp; v += LANES) {
        VEC one = {0}, other = {0};
        int64_t p = 0;
        for (; p + 2 <= pixels; p += 2) {
            one += READ(z + p * cp + v);
            other += READ(z + (p + 1) * cp + v);
        }
        if (p < pixels)
            one += READ(z + p * cp + v);
        VEC mean = (one + other) * (REAL)(1.0 / pixels), low = {0}, high = {0};
        for (p = 0; p + 2 <= pixels; p += 2) {
            VEC a = READ(z + p * cp + v) - mean, b = READ(z + (p + 1) * cp + v) - mean;
            low += a * a;
            high += b * b;
        }
        if (p < pixels) {
            VEC a = READ(z + p * cp + v) - mean;
            low += a * a;
        }
        low += high;
        for (int64_t c = 0; c < LANES; c++) {
            double away = mean[c] - to->mean[v + c];
            to->mean[v + c] += away * pixels / count;
            to->squares[v + c] += low[c] + away * away * to->count * pixels / count;
        }
    }
    to->count = count;
}

/* Adds up the moments of all blocks, block (blocks, 2, CP) of `count` values each, and tells the
 * norm; as batch norm does, the running variance is moved by that of a sample. */
static void N(settle)(struct norm *norm, const double *block, const double *counts, int blocks,
                      int64_t channels, int64_t cp)
{
    REAL *running_mean = norm->running_mean, *running_variance = norm->running_variance;
    double total = 0, *mean = norm->mean, *squares = norm->scale;
    if (!norm->batches) { /* evaluation */
        for (int64_t c = 0; c < cp; c++) {
            mean[c] = c < channels ? running_mean[c] : 0;
            norm->scale[c] = c < channels ? 1 / sqrt(running_variance[c] + norm->eps) : 0;
        }
        return;
    }
    memset(mean, 0, cp * sizeof(double));
    memset(squares, 0, cp * sizeof(double));
    for (int b = 0; b < blocks; b++, block += 2 * cp) {
        double n = total;
        total += counts[b];
        for (int64_t c = 0; c < cp; c++) {
            double away = block[c] - mean[c];
            mean[c] += away * counts[b] / total;
            squares[c] += block[cp + c] + away * away * n * counts[b] / total;
        }
    }
    double rate = norm->momentum;
    for (int64_t c = 0; c < channels; c++) {
        double sample = squares[c] / (total - 1);
        running_mean[c] = (REAL)(rate * mean[c] + (1 - rate) * running_mean[c]);
        running_variance[c] = (REAL)(rate * sample + (1 - rate) * running_variance[c]);
    }
    *norm->batches += 1;
    for (int64_t c = 0; c < cp; c++) /* channels that are none stay zero */
        norm->scale[c] = c < channels ? 1 / sqrt(squares[c] / total + norm->eps) : 0;
}

/* The norm as a factor and a shift of each channel. */
static void N(as_line)(const struct norm *norm, REAL *factor, REAL *shift, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        factor[c] = (REAL)norm->scale[c];
        shift[c] = (REAL)(-norm->mean[c] * norm->scale[c]);
    }
}

/* to (rows of `pitch` pixels): the ReLU of factor z + shift, with a margin of zeros around it. */
static void N(rectify)(const REAL *z, const REAL *factor, const REAL *shift, REAL *to,
                       int64_t height, int64_t width, int64_t margin, int64_t cp)
{
    int64_t side = margin * cp, row = (width + 2 * margin) * cp;
    memset(to, 0, margin * row * sizeof(REAL));
    to += margin * row;
    for (int64_t i = 0; i < height; i++, to += row) {
        memset(to, 0, side * sizeof(REAL));
        for (int64_t j = 0; j < width; j++, z += cp)
            for (int64_t v = 0; v < cp; v += LANES) {
                VEC value = READ(factor + v) * READ(z + v) + READ(shift + v);
                AT(to + side + j * cp + v) = N(select)(value < 0, (VEC){0}, value);
            }
        memset(to + row - side, 0, side * sizeof(REAL));
    }
    memset(to, 0, margin * row * sizeof(REAL));
}
