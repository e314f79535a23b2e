/* Backward: gradients of what leaves a state.
 *
 * An edge's sum is over its uses w b, with b = (z - m) s a channel and s = 1 / sqrt(v + eps). Of
 * G = dL/d(sum) over the N values of a channel: dL/dw = sum of G b over all channels. What reads b
 * finds D = dL/db, the sum of w G over the uses of a term. With dm/dz_i = 1 / N, dv/dz_i =
 * 2 (z_i - m) / N and ds/dv = -s^3 / 2 (Ioffe and Szegedy 2015, section 3):
 *
 *     dL/dz = s (D - mean(D) - b mean(D b)) = s D + q z + r,
 *     q = -s^3 sum(D (z - m)) / N,    r = -s sum(D) / N - q m                              (4)
 *
 * a line in D and z, so no normalised value is ever stored. z = P y gives dL/dy = P' dL/dz and
 * dL/dP = dL/dz y', and y, a depthwise convolution, is computed again.
 */

/* s, q and r of a norm: of D's sum and of that of D (z - m), (CP,) each. */
struct N(line) {
    REAL *s, *q, *r;
};

struct N(back) {
    struct N(work) w;
    double *sums;           /* (edges, CP): of G */
    double *products;       /* (uses, CP): of G (z - m) */
    struct N(line) *line;   /* of the last norm of every term; s for each use, times its weight */
    struct N(line) *inner;  /* of the first norm of terms of two stages */
    REAL *lines, *uses;     /* memory of them; uses (uses, CP): w s */
    REAL *hidden;           /* (terms, B, H', W', CP): D of the first norm where there are two */
    REAL *to_weights;       /* (blocks, all): gradients of weights as blocks found them */
    int64_t *offset, all;   /* of stage s of term t at 2 t + s: kernel, then matrix */
};

/* (sum of D, sum of D (z - m)) of a block, of the pixels of D and z; both (CP,). */
static void N(add_sums)(const REAL *d, const REAL *z, const double *mean, double *sum,
                        double *product, int64_t pixels, int64_t cp)
{
    for (int64_t v = 0; v < cp; v += LANES) {
        VEC ones = {0}, both = {0}, m = {0};
        for (int64_t c = 0; mean && c < LANES; c++)
            m[c] = (REAL)mean[v + c];
        for (int64_t p = 0; p < pixels; p++) {
            VEC g = READ(d + p * cp + v);
            ones += g;
            if (z)
                both += g * (READ(z + p * cp + v) - m);
        }
        for (int64_t c = 0; c < LANES; c++) {
            if (sum)
                sum[v + c] += ones[c];
            if (z)
                product[v + c] += both[c];
        }
    }
}

/* Sums of G, and of G (z - m), of the rows of a block: (edges + uses, CP). */
static void N(sum_block)(const struct N(back) * k, int block, double *found)
{
    const struct N(work) *w = &k->w;
    const struct leaving *l = w->l;
    int64_t cp = w->cp, step = N(chunk)(cp), end = N(first)(w, block + 1) * w->out_pixels;
    REAL *scratch = take(w->failed, 2 * step * cp * sizeof(REAL), 0);
    if (!scratch)
        return;
    for (int64_t p = N(first)(w, block) * w->out_pixels; p < end; p += step) {
        int64_t count = end - p < step ? end - p : step;
        const REAL *x = l->stride == 1 ? N(rows)(w, l->images, p, count, scratch) : NULL;
        for (int64_t e = 0; e < l->edges; e++) {
            const REAL *g = N(rows)(w, l->gradients[e], p, count, scratch + step * cp);
            N(add_sums)(g, NULL, NULL, found + e * cp, NULL, count, cp);
            for (int64_t u = 0; u < l->uses; u++) {
                const struct term *term = &l->term[l->use[u].term];
                if (l->use[u].edge != e)
                    continue;
                const REAL *z = N(last)(term, x, p, cp);
                const double *mean = term->kind == SKIP ? NULL : N(last_norm)(term)->mean;
                N(add_sums)(g, z, mean, NULL, found + (l->edges + u) * cp, count, cp);
            }
        }
    }
    free(scratch);
}

/* Adds up blocks (blocks, size) in their order. */
static void N(add_up)(const double *blocks, int count, int64_t size, double *total)
{
    memset(total, 0, size * sizeof(double));
    for (int b = 0; b < count; b++)
        for (int64_t i = 0; i < size; i++)
            total[i] += blocks[b * size + i];
}

/* (4) of a norm; `sum` and `product` are D's. */
static void N(find_line)(const struct norm *norm, const double *sum, const double *product,
                         double count, struct N(line) line, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        double s = norm->scale[c], q = -s * s * s * product[c] / count;
        line.s[c] = (REAL)s;
        line.q[c] = (REAL)q;
        line.r[c] = (REAL)(-s * sum[c] / count - q * norm->mean[c]);
    }
}

/* The lines of all last norms, and the gradients of the edges' weights. */
static void N(find_lines)(struct N(back) * k)
{
    const struct leaving *l = k->w.l;
    int64_t cp = k->w.cp;
    const REAL *weights = l->weights;
    REAL *to_weights = l->to_weights;
    double *sum = take(k->w.failed, 2 * cp * sizeof(double), 0), *product = sum + cp;
    double count = (double)l->batch * k->w.out_pixels;
    if (!sum)
        return;
    for (int64_t t = 0; t < l->terms; t++) {
        const struct norm *norm = l->term[t].kind == SKIP ? NULL : N(last_norm)(&l->term[t]);
        memset(sum, 0, 2 * cp * sizeof(double));
        for (int64_t u = 0; u < l->uses; u++) {
            if (l->use[u].term != t)
                continue;
            double total = 0;
            for (int64_t c = 0; c < l->channels; c++) {
                double scale = norm ? norm->scale[c] : 1;
                sum[c] += weights[u] * k->sums[l->use[u].edge * cp + c];
                product[c] += weights[u] * k->products[u * cp + c];
                total += scale * k->products[u * cp + c];
                k->uses[u * cp + c] = (REAL)(weights[u] * scale);
            }
            to_weights[u] = (REAL)total;
        }
        if (norm)
            N(find_line)(norm, sum, product, count, k->line[t], cp);
    }
    free(sum);
}

/* to (pixels, CP) = s d + q z + r. */
static void N(along)(const REAL *d, const REAL *s, const REAL *z, struct N(line) line, REAL *to,
                     int64_t pixels, int64_t cp)
{
    for (int64_t p = 0; p < pixels * cp; p += cp)
        for (int64_t v = 0; v < cp; v += LANES)
            AT(to + p + v) = READ(s + v) * READ(d + p + v) + READ(line.q + v) * READ(z + p + v) +
                             READ(line.r + v);
}

/* dL/dz of the last norm of term t for a sample (pixels, CP); g of every edge. */
static void N(of_last)(const struct N(back) * k, int64_t t, int64_t n, const REAL *const *g,
                       REAL *to)
{
    const struct leaving *l = k->w.l;
    int64_t cp = k->w.cp, pixels = k->w.out_pixels, uses = 0;
    const struct term *term = &l->term[t];
    const REAL *z = (const REAL *)term->stage[term->stages - 1].kept + n * pixels * cp;
    for (int64_t u = 0; u < l->uses; u++) {
        const REAL *own = g[l->use[u].edge], *s = k->uses + u * cp;
        if (l->use[u].term != t)
            continue;
        if (uses++ == 0)
            N(along)(own, s, z, k->line[t], to, pixels, cp);
        else
            N(add_line)(own, s, NULL, to, pixels, cp);
    }
}

/* From dz = dL/dz to dL/dy of a stage, with a margin, `y` and `dz` without; the gradients of its
 * weights are added up where wanted. x begins where its first tap reads. */
static void N(back_stage)(const struct N(back) * k, int64_t slot, const REAL *x, int64_t pitch,
                          int64_t stride, const REAL *dz, REAL *y, REAL *dy, int64_t margin,
                          REAL *to_weights)
{
    const struct N(work) *w = &k->w;
    const struct leaving *l = w->l;
    const struct stage *stage = &l->term[slot / 2].stage[slot % 2];
    int64_t cp = w->cp, width = l->out_width, wide = width + 2 * margin, taps;
    struct N(window) window = {stage->kernel, stage->dilation, stride, l->out_height, width, pitch};
    memset(dy, 0, N(padded_size)(l->out_height, width, margin, cp) * sizeof(REAL));
    REAL *inside = dy + margin * (wide + 1) * cp;
    for (int64_t i = 0; i < l->out_height; i++)
        N(times)(dz + i * width * cp, w->pointwise[2 * l->terms + slot], inside + i * wide * cp,
                 width, l->channels, cp);
    if (!stage->to_pointwise)
        return;
    taps = stage->kernel * stage->kernel;
    REAL *to = to_weights + k->offset[slot];
    N(add_to_weight)(x, inside, wide, to, &window, cp);
    N(convolve)(x, w->depthwise[slot], y, width, &window, cp);
    N(add_outer)(dz, y, to + taps * cp, w->out_pixels, l->channels, cp);
}

/* Scratch memory of a block's samples; it begins at g. */
struct N(room) {
    REAL **g, *x, *padded, *hidden, *y, *dz, *dy, *to_x;
};

static struct N(room) N(make_room)(const struct N(work) * w)
{
    const struct leaving *l = w->l;
    int64_t cp = w->cp, out = w->out_pixels * cp, most = w->margin;
    for (int64_t t = 0; t < l->terms; t++)
        if (l->term[t].stages == 2 && l->term[t].stage[1].kernel / 2 > most)
            most = l->term[t].stage[1].kernel / 2;
    int64_t padded = N(padded_size)(l->height, l->width, w->margin, cp);
    int64_t inner = N(padded_size)(l->out_height, l->out_width, most, cp);
    int64_t edges = l->edges * (int64_t)sizeof(REAL *);
    int64_t size = w->pixels * cp + 2 * padded + 2 * inner + (2 + l->edges) * out;
    struct N(room) r = {.g = take(w->failed, edges + size * sizeof(REAL), 0)};
    if (!r.g)
        return r;
    r.x = (REAL *)(r.g + l->edges);
    r.padded = r.x + w->pixels * cp;
    r.to_x = r.padded + padded;
    r.hidden = r.to_x + padded;
    r.dy = r.hidden + inner;
    r.y = r.dy + inner;
    r.dz = r.y + out;
    for (int64_t e = 0; e < l->edges; e++)
        r.g[e] = r.dz + (1 + e) * out;
    return r;
}

static void N(find_gradients)(const struct N(work) * w, int64_t n, struct N(room) * r,
                              const REAL **g)
{
    for (int64_t e = 0; e < w->l->edges; e++)
        g[e] = N(rows)(w, w->l->gradients[e], n * w->out_pixels, w->out_pixels, r->g[e]);
}

