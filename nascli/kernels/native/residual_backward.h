/* Backward. A norm with scale f and shift c makes x = f b + c of b = (z - m) s. Of D = dL/dx, over
 * the N values of a channel: dL/dc = sum(D) and dL/df = s sum(D (z - m)), and dL/dz is f times (4)
 * of lines.h. The first pass finds the sums of the second norm; the second one goes back through
 * the convolution and finds those of the first norm, which the third goes back through.
 */

struct N(middle_back) {
    struct N(middle) w;
    struct N(line) line[2]; /* of both norms (CP,) */
    REAL *to_weight;        /* (blocks, k * k, CP), as blocks found them */
};

/* Sums of D of a block (2, CP): of the second norm. */
static void N(sum_second)(const struct N(middle) * w, int block, double *sums)
{
    const struct residual *r = w->r;
    REAL *d = take(w->failed, w->step * w->cp * sizeof(REAL), 0);
    int64_t end = N(starts)(w, block + 1) * w->out_pixels;
    for (int64_t p = N(starts)(w, block) * w->out_pixels; d && p < end; p += w->step) {
        int64_t pixels = end - p < w->step ? end - p : w->step;
        struct N(rows) z = N(inner)(w, r->kept, p);
        N(pass)(N(outer)(w, r->gradient, p), z, N(inner)(w, d, 0), pixels, w->factor[1],
                w->shift[1], w->cp, r->after.activation);
        N(add_sums)(d, z.at, r->after.norm.mean, sums, sums + w->cp, pixels, w->cp);
    }
    free(d);
}

/* Line (4), and the gradients of scale and shift. */
static void N(settle_back)(const struct N(middle) * w, const struct normed *of, const double *sums,
                           double count, struct N(line) line)
{
    const REAL *scale = of->scale;
    REAL *to_scale = of->to_scale, *to_shift = of->to_shift;
    for (int64_t c = 0; c < w->r->channels; c++) {
        double s = of->norm.scale[c], f = scale ? scale[c] : 1, product = sums[w->cp + c];
        double q = -f * s * s * s * product / count;
        line.s[c] = (REAL)(f * s);
        line.q[c] = (REAL)q;
        line.r[c] = (REAL)(-f * s * sums[c] / count - q * of->norm.mean[c]);
        if (to_scale)
            to_scale[c] = (REAL)(s * product);
        if (to_shift)
            to_shift[c] = (REAL)sums[c];
    }
}

/* D of the first norm of rows i ... of a sample, from dy, which begins inside its margin; its sums
 * are added to `sums` (2, CP). `rows` of `d` are scratch memory. */
static void N(back_rows)(const struct N(middle) * w, int64_t n, int64_t i, int64_t rows,
                         const REAL *dy, int64_t pitch, REAL *d, double *sums)
{
    const struct residual *r = w->r;
    int64_t cp = w->cp, pixels = rows * r->width, at = n * w->pixels + i * r->width;
    struct N(window) window = {r->kernel, 1, 1, rows, r->width, pitch};
    if (r->stride == 1)
        N(convolve)(dy + ((i - w->margin) * pitch - w->margin) * cp, w->reversed, d, r->width,
                    &window, cp);
    else
        N(convolve_back)(dy, w->weight, d, i, &window, cp);
    struct N(rows) z = N(outer)(w, r->images, at), to = N(outer)(w, r->to_images, at);
    struct N(rows) own = N(inner)(w, d, 0);
    N(pass)(own, z, r->before.there ? own : to, pixels, w->factor[0], w->shift[0], cp,
            r->before.activation);
    if (!r->before.there)
        return;
    if (cp == r->channels) {
        memcpy(to.at, d, pixels * cp * sizeof(REAL));
        N(add_sums)(d, z.at, r->before.norm.mean, sums, sums + cp, pixels, cp);
        return;
    }
    N(gather)(d, to.at, pixels, r->channels, cp);
    REAL *spread = d + pixels * cp;
    N(spread)(z.at, spread, pixels, r->channels, cp);
    N(add_sums)(d, spread, r->before.norm.mean, sums, sums + cp, pixels, cp);
}

/* Second pass of a block; `sums` (2, CP): of D of the first norm. */
static void N(back_block)(const struct N(middle_back) * k, int block, double *sums)
{
    const struct N(middle) *w = &k->w;
    const struct residual *r = w->r;
    int64_t cp = w->cp, padded = (r->height + 2 * w->margin) * w->pitch * cp;
    int64_t pitch = r->out_width + 2 * w->margin, inner = (r->out_height + 2 * w->margin) * pitch;
    int64_t step = w->step / r->width < 1 ? 1 : w->step / r->width;
    REAL *to_weight = k->to_weight + block * r->kernel * r->kernel * cp;
    REAL *x = take(w->failed, (padded + (inner + 2 * step * r->width) * cp) * sizeof(REAL), 1);
    if (!x)
        return;
    REAL *d = x + padded, *dy = d + 2 * step * r->width * cp + w->margin * (pitch + 1) * cp;
    for (int64_t n = N(starts)(w, block); n < N(starts)(w, block + 1); n++) {
        if (r->to_weight)
            N(enter)(w, n, x);
        for (int64_t i = 0; i < r->out_height; i++) {
            int64_t at = n * w->out_pixels + i * r->out_width;
            struct N(rows) z = N(inner)(w, r->kept, at), to = N(inner)(w, dy, i * pitch);
            N(pass)(N(outer)(w, r->gradient, at), z, to, r->out_width, w->factor[1], w->shift[1],
                    cp, r->after.activation);
            N(along)(to.at, k->line[1].s, z.at, k->line[1], to.at, r->out_width, cp);
        }
        for (int64_t i = 0; r->to_weight && i < r->out_height; i += 4) {
            int64_t rows = r->out_height - i < 4 ? r->out_height - i : 4;
            struct N(window) window = {r->kernel, 1, r->stride, rows, r->out_width, w->pitch};
            N(add_to_weight)(x + i * r->stride * w->pitch * cp, dy + i * pitch * cp, pitch,
                             to_weight, &window, cp);
        }
        for (int64_t i = 0; r->to_images && i < r->height; i += step)
            N(back_rows)(w, n, i, r->height - i < step ? r->height - i : step, dy, pitch, d, sums);
    }
    free(x);
}

/* Third pass: from D to dL/dz of the first norm, in place. */
static void N(leave_block)(const struct N(middle_back) * k, int block)
{
    const struct N(middle) *w = &k->w;
    struct N(line) line = k->line[0];
    int64_t end = N(starts)(w, block + 1) * w->pixels, c = w->r->channels;
    for (int64_t p = N(starts)(w, block) * w->pixels; p < end; p++) {
        const REAL *z = (const REAL *)w->r->images + p * c;
        REAL *d = (REAL *)w->r->to_images + p * c;
        for (int64_t v = 0; v < w->cp; v += LANES)
            N(store)(d + v,
                     READ(line.s + v) * N(load)(d + v, c - v) +
                         READ(line.q + v) * N(load)(z + v, c - v) + READ(line.r + v),
                     c - v);
    }
}

/* Adds up what blocks found of the weight's gradient, in their order. */
static void N(give_weight)(const struct N(middle_back) * k)
{
    int64_t taps = k->w.r->kernel * k->w.r->kernel, cp = k->w.cp;
    REAL *to = k->w.r->to_weight;
    for (int64_t b = 1; b < k->w.blocks; b++)
        for (int64_t i = 0; i < taps * cp; i++)
            k->to_weight[i] += k->to_weight[b * taps * cp + i];
    for (int64_t c = 0; c < k->w.r->channels; c++)
        for (int64_t t = 0; t < taps; t++)
            to[c * taps + t] = k->to_weight[t * cp + c];
}

/* The passes; `found` is (2, blocks + 1, 2, CP), zeros. */
static void N(go_back_through_middle)(struct N(middle_back) * k, double *found)
{
    const struct N(middle) *w = &k->w;
    const struct residual *r = w->r;
    int64_t each = 2 * w->cp;
    double *second = found, *first = found + (w->blocks + 1) * each;
    double *total = second + w->blocks * each;
    N(find_factors)(w, &r->before, 0);
    N(find_factors)(w, &r->after, 1);
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(sum_second)(w, b, second + b * each);
    N(add_up)(second, w->blocks, each, total);
    N(settle_back)(w, &r->after, total, (double)(r->batch * w->out_pixels), k->line[1]);
    if (*w->failed || !(r->to_images || r->to_weight))
        return;
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(back_block)(k, b, first + b * each);
    if (*w->failed)
        return;
    if (r->to_weight)
        N(give_weight)(k);
    if (!r->to_images || !r->before.there)
        return;
    total = first + w->blocks * each;
    N(add_up)(first, w->blocks, each, total);
    N(settle_back)(w, &r->before, total, (double)(r->batch * w->pixels), k->line[0]);
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(leave_block)(k, b);
}

/* From the gradient of `r->out` to those of images, weight, scales and shifts, where wanted. 1 for
 * want of memory. */
int N(nas_residual_backward)(const struct residual *r)
{
    int failed = 0;
    struct N(middle_back) k = {0};
    N(begin_middle)(&k.w, r, &failed);
    int64_t cp = k.w.cp, taps = r->kernel * r->kernel;
    REAL *lines = take(&failed, (6 + k.w.blocks * taps) * cp * sizeof(REAL), 1);
    double *found = take(&failed, 4 * (k.w.blocks + 1) * cp * sizeof(double), 1);
    if (!failed) {
        for (int i = 0; i < 2; i++) {
            REAL *at = lines + 3 * i * cp;
            k.line[i] = (struct N(line)){at, at + cp, at + 2 * cp};
        }
        k.to_weight = lines + 6 * cp;
        N(go_back_through_middle)(&k, found);
    }
    free(found);
    free(lines);
    N(end_middle)(&k.w);
    return failed;
}
