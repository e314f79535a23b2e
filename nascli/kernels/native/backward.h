/* Backward: the passes over the samples; see lines.h for what they compute. */

/* The second stages of a block, back to D = dL/db of the first norm, and its sums (terms, 2, CP). */
static void N(back_second)(const struct N(back) * k, int block, double *found)
{
    const struct N(work) *w = &k->w;
    const struct leaving *l = w->l;
    int64_t cp = w->cp, out = w->out_pixels * cp;
    struct N(room) r = N(make_room)(w);
    REAL *factor = take(w->failed, 2 * cp * sizeof(REAL), 0), *shift = factor + cp;
    REAL *to_weights = k->to_weights + block * k->all;
    int64_t end = r.g && factor ? N(first)(w, block + 1) : 0;
    for (int64_t n = N(first)(w, block); n < end; n++) {
        const REAL *g[l->edges];
        N(find_gradients)(w, n, &r, g);
        for (int64_t t = 0; t < l->terms; t++) {
            const struct stage *stage = l->term[t].stage;
            if (l->term[t].stages < 2)
                continue;
            int64_t margin = stage[1].kernel / 2, wide = l->out_width + 2 * margin;
            const REAL *z = (const REAL *)stage[0].kept + n * out;
            REAL *d = k->hidden + (t * l->batch + n) * out;
            N(as_line)(&stage[0].norm, factor, shift, cp);
            if (stage[1].to_pointwise)
                N(rectify)(z, factor, shift, r.hidden, l->out_height, l->out_width, margin, cp);
            N(of_last)(k, t, n, g, r.dz);
            N(back_stage)(k, 2 * t + 1, r.hidden, wide, 1, r.dz, r.y, r.dy, margin, to_weights);
            struct N(window) window = {stage[1].kernel, 1, 1, l->out_height, l->out_width, wide};
            N(convolve)(r.dy, w->depthwise[2 * l->terms + 2 * t + 1], d, l->out_width, &window, cp);
            for (int64_t p = 0; p < out; p += cp)
                for (int64_t v = 0; v < cp; v += LANES) {
                    VEC value = READ(factor + v) * READ(z + p + v) + READ(shift + v);
                    AT(d + p + v) = N(select)(value <= 0, (VEC){0}, READ(d + p + v));
                }
            N(add_sums)(d, z, stage[0].norm.mean, found + 2 * t * cp, found + (2 * t + 1) * cp,
                        w->out_pixels, cp);
        }
    }
    free(factor);
    free(r.g);
}

/* A sample's gradient of the images: through the ReLU, then what pools and skips add. */
static void N(finish_images)(const struct N(back) * k, int64_t n, const REAL *x,
                             const REAL *const *g, struct N(room) * r)
{
    const struct N(work) *w = &k->w;
    const struct leaving *l = w->l;
    int64_t cp = w->cp;
    REAL *to = r->padded; /* not needed any more; smaller than it */
    for (int64_t i = 0; i < l->height; i++)
        for (int64_t j = 0; j < l->width * cp; j += LANES) {
            VEC found = READ(r->to_x + ((i + w->margin) * w->pitch + w->margin) * cp + j);
            int64_t at = i * l->width * cp + j;
            AT(to + at) = N(select)(READ(x + at) <= 0, (VEC){0}, found);
        }
    for (int64_t t = 0; t < l->terms; t++) {
        const struct term *term = &l->term[t];
        if (term->kind == CONVOLUTIONS)
            continue;
        if (term->kind != SKIP) {
            const REAL *z = (const REAL *)term->stage[0].kept + n * w->out_pixels * cp;
            N(of_last)(k, t, n, g, r->dz);
            N(add_to_pooled)(term->kind, x, z, r->dz, to, l, cp);
            continue;
        }
        for (int64_t u = 0; u < l->uses; u++)
            if (l->use[u].term == t)
                N(add_line)(g[l->use[u].edge], k->uses + u * cp, NULL, to, w->pixels, cp);
    }
    REAL *images = (REAL *)l->to_images + n * w->pixels * l->channels;
    N(gather)(to, images, w->pixels, l->channels, cp);
}

/* The first stages, pools and skips of a block, back to the images and to the first weights. */
static void N(back_first)(const struct N(back) * k, int block)
{
    const struct N(work) *w = &k->w;
    const struct leaving *l = w->l;
    int64_t cp = w->cp, out = w->out_pixels * cp, pitch = w->pitch;
    struct N(room) r = N(make_room)(w);
    REAL *to_weights = k->to_weights + block * k->all;
    if (!r.g)
        return;
    for (int64_t n = N(first)(w, block); n < N(first)(w, block + 1); n++) {
        const REAL *g[l->edges], *x = N(image)(w, n, r.x);
        N(find_gradients)(w, n, &r, g);
        N(rectify)(x, w->ones, w->zeros, r.padded, l->height, l->width, w->margin, cp);
        memset(r.to_x, 0, N(padded_size)(l->height, l->width, w->margin, cp) * sizeof(REAL));
        for (int64_t t = 0; t < l->terms; t++) {
            const struct stage *stage = l->term[t].stage;
            if (l->term[t].kind != CONVOLUTIONS)
                continue;
            int64_t margin = l->stride == 1 ? stage->dilation * (stage->kernel / 2) : 0;
            int64_t origin = N(origin)(stage, w->margin, pitch, cp);
            if (l->term[t].stages == 2) {
                const REAL *z = (const REAL *)stage->kept + n * out;
                const REAL *d = k->hidden + (t * l->batch + n) * out;
                N(along)(d, k->inner[t].s, z, k->inner[t], r.dz, w->out_pixels, cp);
            } else {
                N(of_last)(k, t, n, g, r.dz);
            }
            N(back_stage)(k, 2 * t, r.padded + origin, pitch, l->stride, r.dz, r.y, r.dy, margin,
                          to_weights);
            if (!l->to_images)
                continue;
            int64_t wide = l->out_width + 2 * margin;
            struct N(window) window = {stage->kernel, stage->dilation, l->stride,
                                       l->out_height, l->out_width, wide};
            int64_t start = l->stride == 1 ? w->margin * (pitch + 1) * cp : origin;
            N(add_to_images)(r.dy, w->depthwise[2 * l->terms + 2 * t], r.to_x + start, pitch,
                             &window, cp);
        }
        if (l->to_images)
            N(finish_images)(k, n, x, g, &r);
    }
    free(r.g);
}

/* Adds up what blocks found of the weights' gradients, in their order. */
static void N(hand_out)(const struct N(back) * k)
{
    const struct leaving *l = k->w.l;
    int64_t cp = k->w.cp, c = l->channels;
    for (int64_t b = 1; b < k->w.blocks; b++)
        for (int64_t i = 0; i < k->all; i++)
            k->to_weights[i] += k->to_weights[b * k->all + i];
    for (int64_t slot = 0; slot < 2 * l->terms; slot++) {
        const struct stage *stage = &l->term[slot / 2].stage[slot % 2];
        if (k->offset[slot] < 0 || !stage->to_pointwise)
            continue;
        const REAL *from = k->to_weights + k->offset[slot];
        REAL *kernel = stage->to_depthwise, *matrix = stage->to_pointwise;
        int64_t taps = stage->kernel * stage->kernel;
        for (int64_t i = 0; i < c; i++)
            for (int64_t t = 0; t < taps; t++)
                kernel[i * taps + t] = from[t * cp + i];
        N(gather)(from + taps * cp, matrix, c, c, cp);
    }
}

/* Memory of lines, and where the gradients of weights go. */
static void N(prepare)(struct N(back) * k)
{
    const struct leaving *l = k->w.l;
    int64_t cp = k->w.cp;
    k->line = take(k->w.failed, 2 * l->terms * sizeof(struct N(line)), 0);
    k->lines = take(k->w.failed, (l->uses + 6 * l->terms) * cp * sizeof(REAL), 1);
    k->offset = take(k->w.failed, 2 * l->terms * sizeof(int64_t), 0);
    if (*k->w.failed)
        return;
    k->inner = k->line + l->terms;
    k->uses = k->lines;
    for (int64_t t = 0; t < 2 * l->terms; t++) {
        REAL *at = k->lines + (l->uses + 3 * t) * cp;
        k->line[t] = (struct N(line)){at, at + cp, at + 2 * cp};
    }
    for (int64_t slot = 0; slot < 2 * l->terms; slot++) {
        const struct term *term = &l->term[slot / 2];
        const struct stage *stage = &term->stage[slot % 2];
        int there = term->kind == CONVOLUTIONS && slot % 2 < term->stages;
        k->offset[slot] = there ? k->all : -1;
        if (there && stage->to_pointwise)
            k->all += (stage->kernel * stage->kernel + l->channels) * cp;
    }
    k->to_weights = take(k->w.failed, (k->w.blocks * k->all + 1) * sizeof(REAL), 1);
}

/* The passes; `found` is (blocks + 1, edges + uses + 2 terms, CP), zeros. */
static void N(go_back)(struct N(back) * k, double *found)
{
    const struct leaving *l = k->w.l;
    int64_t cp = k->w.cp, sums = (l->edges + l->uses) * cp, all = 2 * l->terms * cp;
    int blocks = k->w.blocks;
    k->sums = found + blocks * sums;
    k->products = k->sums + l->edges * cp;
#pragma omp parallel for schedule(static) if (k->w.large)
    for (int b = 0; b < blocks; b++)
        N(sum_block)(k, b, found + b * sums);
    N(add_up)(found, blocks, sums, k->sums);
    N(find_lines)(k);
    if (*k->w.failed || !(l->to_images || k->all))
        return;
    double *inner = k->sums + sums, *total = inner + blocks * all;
    double count = (double)l->batch * k->w.out_pixels;
    k->hidden = take(k->w.failed, l->terms * l->batch * k->w.out_pixels * cp * sizeof(REAL), 0);
    if (!k->hidden)
        return;
#pragma omp parallel for schedule(static) if (k->w.large)
    for (int b = 0; b < blocks; b++)
        N(back_second)(k, b, inner + b * all);
    N(add_up)(inner, blocks, all, total);
    for (int64_t t = 0; t < l->terms; t++)
        if (l->term[t].stages == 2)
            N(find_line)(&l->term[t].stage[0].norm, total + 2 * t * cp,
                         total + (2 * t + 1) * cp, count, k->inner[t], cp);
    if (*k->w.failed)
        return;
#pragma omp parallel for schedule(static) if (k->w.large)
    for (int b = 0; b < blocks; b++)
        N(back_first)(k, b);
    if (!*k->w.failed)
        N(hand_out)(k);
}

/* From the sums' gradients to those of weights and, where wanted, images and parameters. 1 for want
 * of memory. */
int N(nas_leaving_backward)(const struct leaving *l)
{
    int failed = 0;
    struct N(back) k = {0};
    N(begin)(&k.w, l, &failed);
    N(prepare)(&k);
    int64_t numbers = (k.w.blocks + 1) * (l->edges + l->uses + 2 * l->terms) * k.w.cp;
    double *found = take(&failed, numbers * sizeof(double), 1);
    if (!failed)
        N(go_back)(&k, found);
    free(found);
    free(k.hidden);
    free(k.to_weights);
    free(k.line);
    free(k.lines);
    free(k.offset);
    N(end)(&k.w);
    return failed;
}
