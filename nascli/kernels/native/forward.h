/* Forward: what leaves a state. Three passes, for a batch norm needs all samples' values. */

struct N(work) {
    const struct leaving *l;
    int64_t cp, pixels, out_pixels; /* of a sample */
    int64_t margin, pitch;          /* of padded images, and pixels of a row of them */
    int blocks, large;              /* large: worth threads, which take time to begin */
    int beyond;                     /* a sample of what norms read is larger than a CHUNK */
    int *failed;                    /* for want of memory */
    double counts[BLOCKS];         /* values a channel in each block */
    REAL **depthwise, **pointwise; /* of stage s of term t at 2 t + s, packed for the pass */
    REAL *packed, *ones, *zeros;
};

static int64_t N(first)(const struct N(work) * w, int block)
{
    return w->l->batch * block / w->blocks;
}

static const struct norm *N(last_norm)(const struct term *term)
{
    return &term->stage[term->stages - 1].norm;
}

/* Shapes and packed weights; for the backward pass matrices as they are and kernels reversed where
 * (3) of depthwise.h wants that, after those of the forward pass. */
static void N(begin)(struct N(work) * w, const struct leaving *l, int *failed)
{
    int64_t cp = N(filled_up)(l->channels), size = 2 * cp, slots = 2 * l->terms;
    *w = (struct N(work)){.l = l, .cp = cp, .failed = failed};
    w->pixels = l->height * l->width;
    w->out_pixels = l->out_height * l->out_width;
    w->beyond = w->out_pixels * cp * (int64_t)sizeof(REAL) > CHUNK;
    int64_t numbers = l->batch * w->pixels * cp, most = numbers / EACH;
    most = most < FEWEST ? FEWEST : most > BLOCKS ? BLOCKS : most;
    w->blocks = (int)(l->batch < most ? l->batch : most);
    w->large = l->batch * l->terms * w->pixels * cp >= 1 << 15;
    for (int b = 0; b < w->blocks; b++)
        w->counts[b] = (double)(N(first)(w, b + 1) - N(first)(w, b)) * w->out_pixels;
    for (int64_t t = 0; t < l->terms; t++)
        for (int64_t s = 0; l->term[t].kind == CONVOLUTIONS && s < l->term[t].stages; s++) {
            const struct stage *stage = &l->term[t].stage[s];
            int64_t margin = stage->dilation * (stage->kernel / 2);
            size += 2 * (stage->kernel * stage->kernel + l->channels) * cp;
            if (s == 0 && margin > w->margin)
                w->margin = margin;
        }
    w->pitch = l->width + 2 * w->margin;
    w->depthwise = take(failed, 4 * slots * sizeof(REAL *), 1);
    w->packed = w->ones = take(failed, size * sizeof(REAL), 1);
    if (*failed)
        return;
    w->pointwise = w->depthwise + 2 * slots;
    w->zeros = w->ones + cp;
    for (int64_t c = 0; c < cp; c++)
        w->ones[c] = 1;
    REAL *next = w->zeros + cp;
    for (int64_t slot = 0; slot < slots; slot++) {
        const struct term *term = &l->term[slot / 2];
        const struct stage *stage = &term->stage[slot % 2];
        if (term->kind != CONVOLUTIONS || slot % 2 >= term->stages)
            continue;
        int64_t taps = stage->kernel * stage->kernel, c = l->channels;
        const REAL *matrix = stage->pointwise;
        for (int back = 0; back < 2; back++) {
            int reversed = back && (slot % 2 || l->stride == 1);
            w->depthwise[slot + back * slots] = next;
            N(pack)(stage->depthwise, next, stage->kernel, c, cp, reversed);
            next += taps * cp;
            w->pointwise[slot + back * slots] = next;
            for (int64_t out = 0; out < c; out++)
                for (int64_t in = 0; in < c; in++)
                    next[back ? out * cp + in : in * cp + out] = matrix[out * c + in];
            next += c * cp;
        }
    }
}

static void N(end)(struct N(work) * w)
{
    free(w->depthwise);
    free(w->packed);
}

/* So many rows (pixels of all samples, one after another) with channels filled up; `scratch` is
 * used if they are not. */
static const REAL *N(rows)(const struct N(work) * w, const void *tensor, int64_t first,
                           int64_t count, REAL *scratch)
{
    const REAL *from = (const REAL *)tensor + first * w->l->channels;
    if (w->cp == w->l->channels)
        return from;
    N(spread)(from, scratch, count, w->l->channels, w->cp);
    return scratch;
}

static const REAL *N(image)(const struct N(work) * w, int64_t sample, REAL *scratch)
{
    return N(rows)(w, w->l->images, sample * w->pixels, w->pixels, scratch);
}

/* How many rows of so many numbers are worked on while in the cache. */
static int64_t N(chunk)(int64_t numbers)
{
    int64_t most = CHUNK / (int64_t)sizeof(REAL) / numbers;
    return most < 1 ? 1 : most;
}

/* Numbers of a padded image of the largest margin. */
static int64_t N(padded_size)(int64_t height, int64_t width, int64_t margin, int64_t cp)
{
    return (height + 2 * margin) * (width + 2 * margin) * cp;
}

/* Where the first tap of a stage reads in images of margin `margin`. */
static int64_t N(origin)(const struct stage *stage, int64_t margin, int64_t pitch, int64_t cp)
{
    int64_t inside = margin - stage->dilation * (stage->kernel / 2);
    return (inside * pitch + inside) * cp;
}

/* z = P y, y the depthwise convolution of x, for one sample; z's moments are added if the sample is
 * larger than the cache (see take_moments). */
static void N(run_stage)(const struct N(work) * w, int64_t slot, const REAL *x, int64_t pitch,
                         int64_t stride, REAL *y, REAL *z, struct N(moments) * moments)
{
    const struct leaving *l = w->l;
    const struct stage *stage = &l->term[slot / 2].stage[slot % 2];
    int64_t cp = w->cp, row = l->out_width * cp;
    int64_t step = N(chunk)(row);
    for (int64_t i = 0; i < l->out_height; i += step) {
        int64_t rows = l->out_height - i < step ? l->out_height - i : step;
        struct N(window) window = {stage->kernel, stage->dilation, stride, rows, l->out_width,
                                   pitch};
        const REAL *from = x + i * stride * pitch * cp;
        N(convolve)(from, w->depthwise[slot], y, l->out_width, &window, cp);
        N(times)(y, w->pointwise[slot], z + i * row, rows * l->out_width, l->channels, cp);
        if (w->beyond)
            N(add_moments)(moments, z + i * row, rows * l->out_width, cp);
    }
}

/* Adds moments of z up to this sample, where samples are small: as soon as the cache is full of
 * them or the block ends, for one by one each would cost more than its values. */
static void N(take_moments)(const struct N(work) * w, const struct stage *stage, int block,
                            int64_t sample, struct N(moments) * moments)
{
    int64_t out = w->out_pixels * w->cp, most = N(chunk)(out);
    int64_t done = sample + 1 - N(first)(w, block);
    if (done % most && sample + 1 < N(first)(w, block + 1))
        return;
    int64_t samples = (done - 1) % most + 1;
    const REAL *z = (const REAL *)stage->kept + (sample + 1 - samples) * out;
    N(add_moments)(moments, z, samples * w->out_pixels, w->cp);
}

/* The first stages of convolutions, and the pools, of a block. */
static void N(first_pass)(const struct N(work) * w, int block, double *moments)
{
    const struct leaving *l = w->l;
    int64_t cp = w->cp, out = w->out_pixels * cp;
    int64_t padded = N(padded_size)(l->height, l->width, w->margin, cp);
    REAL *scratch = take(w->failed, (w->pixels * cp + padded + out) * sizeof(REAL), 0);
    if (!scratch)
        return;
    REAL *relu = scratch + w->pixels * cp, *y = relu + padded;
    struct N(moments) found[l->terms];
    for (int64_t t = 0; t < l->terms; t++, moments += 2 * cp)
        found[t] = (struct N(moments)){0, moments, moments + cp};
    for (int64_t n = N(first)(w, block); n < N(first)(w, block + 1); n++) {
        const REAL *x = N(image)(w, n, scratch);
        N(rectify)(x, w->ones, w->zeros, relu, l->height, l->width, w->margin, cp);
        for (int64_t t = 0; t < l->terms; t++) {
            const struct term *term = &l->term[t];
            const struct stage *stage = &term->stage[0];
            REAL *z = (REAL *)stage->kept + n * out;
            if (term->kind == CONVOLUTIONS) {
                const REAL *from = relu + N(origin)(stage, w->margin, w->pitch, cp);
                N(run_stage)(w, 2 * t, from, w->pitch, l->stride, y, z, &found[t]);
            } else if (term->kind != SKIP) {
                N(pool)(term->kind, x, z, l, cp);
                if (w->beyond)
                    N(add_moments)(&found[t], z, w->out_pixels, cp);
            }
            if (term->kind != SKIP && !w->beyond)
                N(take_moments)(w, stage, block, n, &found[t]);
        }
    }
    free(scratch);
}

/* The second stages of a block. */
static void N(second_pass)(const struct N(work) * w, int block, double *moments)
{
    const struct leaving *l = w->l;
    int64_t cp = w->cp, out = w->out_pixels * cp, most = 0;
    for (int64_t t = 0; t < l->terms; t++)
        if (l->term[t].stages == 2 && l->term[t].stage[1].kernel / 2 > most)
            most = l->term[t].stage[1].kernel / 2;
    int64_t padded = N(padded_size)(l->out_height, l->out_width, most, cp);
    REAL *factor = take(w->failed, (2 * cp + padded + out) * sizeof(REAL), 0);
    if (!factor)
        return;
    REAL *shift = factor + cp, *hidden = shift + cp, *y = hidden + padded;
    for (int64_t t = 0; t < l->terms; t++, moments += 2 * cp) {
        const struct stage *stage = l->term[t].stage;
        if (l->term[t].stages < 2)
            continue;
        int64_t margin = stage[1].kernel / 2;
        struct N(moments) found = {0, moments, moments + cp};
        N(as_line)(&stage[0].norm, factor, shift, cp);
        for (int64_t n = N(first)(w, block); n < N(first)(w, block + 1); n++) {
            const REAL *z = (const REAL *)stage[0].kept + n * out;
            N(rectify)(z, factor, shift, hidden, l->out_height, l->out_width, margin, cp);
            N(run_stage)(w, 2 * t + 1, hidden, l->out_width + 2 * margin, 1, y,
                         (REAL *)stage[1].kept + n * out, &found);
            if (!w->beyond)
                N(take_moments)(w, &stage[1], block, n, &found);
        }
    }
    free(factor);
}

/* to (pixels, CP) (+)= factor z + shift; `shift` only where nothing is added to. */
static void N(add_line)(const REAL *z, const REAL *factor, const REAL *shift, REAL *to,
                        int64_t pixels, int64_t cp)
{
    for (int64_t p = 0; p < pixels; p++, z += cp, to += cp)
        for (int64_t v = 0; v < cp; v += LANES) {
            VEC start = shift ? READ(shift + v) : READ(to + v);
            AT(to + v) = start + READ(factor + v) * READ(z + v);
        }
}

/* What the last norm of a term reads, from a row on; of a skip, which has none, those of the state. */
static const REAL *N(last)(const struct term *term, const REAL *x, int64_t row, int64_t cp)
{
    return term->kind == SKIP ? x : (const REAL *)term->stage[term->stages - 1].kept + row * cp;
}

/* What each edge adds to its target, for the rows of a block: factors (uses, CP) and shifts (edges,
 * CP). */
static void N(last_pass)(const struct N(work) * w, int block, const REAL *factors,
                         const REAL *shifts)
{
    const struct leaving *l = w->l;
    int64_t cp = w->cp, step = N(chunk)(cp), end = N(first)(w, block + 1) * w->out_pixels;
    REAL *scratch = take(w->failed, 2 * step * cp * sizeof(REAL), 0), *own = scratch + step * cp;
    if (!scratch)
        return;
    for (int64_t p = N(first)(w, block) * w->out_pixels; p < end; p += step) {
        int64_t count = end - p < step ? end - p : step;
        const REAL *x = l->stride == 1 ? N(rows)(w, l->images, p, count, scratch) : NULL;
        for (int64_t e = 0; e < l->edges; e++) {
            REAL *sum = (REAL *)l->sums[e] + p * l->channels;
            REAL *to = cp == l->channels ? sum : own;
            const REAL *shift = shifts + e * cp;
            for (int64_t u = 0; u < l->uses; u++) {
                const struct term *term = &l->term[l->use[u].term];
                if (l->use[u].edge != e)
                    continue;
                const REAL *z = N(last)(term, x, p, cp);
                N(add_line)(z, factors + u * cp, shift, to, count, cp);
                shift = NULL;
            }
            if (to == own)
                N(gather)(own, sum, count, l->channels, cp);
        }
    }
    free(scratch);
}

/* Statistics of stage `number` of every term, from the blocks' moments (blocks, terms, 2, CP). */
static void N(settle_all)(const struct N(work) * w, int number, const double *moments)
{
    const struct leaving *l = w->l;
    int64_t each = 2 * w->cp, all = l->terms * each;
    double *own = take(w->failed, w->blocks * each * sizeof(double), 0);
    if (*w->failed) {
        free(own);
        return;
    }
    for (int64_t t = 0; t < l->terms; t++) {
        if (l->term[t].kind == SKIP || l->term[t].stages <= number)
            continue;
        for (int b = 0; b < w->blocks; b++)
            memcpy(own + b * each, moments + b * all + t * each, each * sizeof(double));
        struct norm *norm = &l->term[t].stage[number].norm;
        N(settle)(norm, own, w->counts, w->blocks, l->channels, w->cp);
    }
    free(own);
}

/* The three passes; `moments` (2, blocks, terms, 2, CP) and `factors` (uses + edges, CP) are zeros. */
static void N(go_forward)(const struct N(work) * w, double *moments, REAL *factors)
{
    const struct leaving *l = w->l;
    int64_t cp = w->cp, all = l->terms * 2 * cp;
    REAL *shifts = factors + l->uses * cp;
    const REAL *weights = l->weights;
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(first_pass)(w, b, moments + b * all);
    N(settle_all)(w, 0, moments);
    if (*w->failed)
        return;
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(second_pass)(w, b, moments + (w->blocks + b) * all);
    N(settle_all)(w, 1, moments + w->blocks * all);
    if (*w->failed)
        return;
    for (int64_t u = 0; u < l->uses; u++) {
        const struct term *term = &l->term[l->use[u].term];
        const struct norm *norm = term->kind == SKIP ? NULL : N(last_norm)(term);
        for (int64_t c = 0; c < l->channels; c++) {
            double factor = weights[u] * (norm ? norm->scale[c] : 1);
            factors[u * cp + c] = (REAL)factor;
            shifts[l->use[u].edge * cp + c] -= norm ? (REAL)(factor * norm->mean[c]) : 0;
        }
    }
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(last_pass)(w, b, factors, shifts);
}

/* What each edge adds to its target: `l->sums`. Running statistics move. 1 for want of memory. */
int N(nas_leaving_forward)(const struct leaving *l)
{
    int failed = 0;
    struct N(work) w;
    N(begin)(&w, l, &failed);
    int64_t terms = 2 * w.blocks * l->terms * 2 * w.cp, edges = (l->uses + l->edges) * w.cp;
    double *moments = take(&failed, terms * sizeof(double), 1);
    REAL *factors = take(&failed, edges * sizeof(REAL), 1);
    if (!failed)
        N(go_forward)(&w, moments, factors);
    free(factors);
    free(moments);
    N(end)(&w);
    return failed;
}
