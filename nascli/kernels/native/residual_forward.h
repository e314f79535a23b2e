/* Forward: three passes, for a batch norm needs all samples' values. */

struct N(middle) {
    const struct residual *r;
    int64_t cp, pixels, out_pixels; /* of a sample */
    int64_t margin, pitch;          /* of padded images, and pixels of a row of them */
    int64_t step;                   /* pixels that are worked on while in the cache */
    int blocks, large;              /* large: worth threads, which take time to begin */
    int *failed;                    /* for want of memory */
    double counts[2][BLOCKS];       /* values a channel in each block; before and after */
    REAL *factor[2], *shift[2];     /* of both norms (CP,) */
    REAL *weight, *reversed;        /* (k * k, CP); `reversed` is so at stride 1 only */
};

static int64_t N(starts)(const struct N(middle) * w, int block)
{
    return w->r->batch * block / w->blocks;
}

static void N(begin_middle)(struct N(middle) * w, const struct residual *r, int *failed)
{
    int64_t cp = N(filled_up)(r->channels), taps = r->kernel * r->kernel;
    *w = (struct N(middle)){.r = r, .cp = cp, .failed = failed, .margin = r->kernel / 2};
    w->pitch = r->width + 2 * w->margin;
    w->pixels = r->height * r->width;
    w->out_pixels = r->out_height * r->out_width;
    w->step = N(chunk)(cp);
    w->blocks = r->batch < BLOCKS ? (int)r->batch : BLOCKS;
    w->large = r->batch * w->pixels * cp >= 1 << 15;
    for (int b = 0; b < w->blocks; b++) {
        int64_t samples = N(starts)(w, b + 1) - N(starts)(w, b);
        w->counts[0][b] = (double)(samples * w->pixels);
        w->counts[1][b] = (double)(samples * w->out_pixels);
    }
    REAL *memory = take(failed, (4 + 2 * taps) * cp * sizeof(REAL), 1);
    w->factor[0] = memory; /* the first part of the memory that end_middle frees */
    if (!memory)
        return;
    w->shift[0] = memory + cp;
    w->factor[1] = memory + 2 * cp;
    w->shift[1] = memory + 3 * cp;
    w->weight = memory + 4 * cp;
    w->reversed = w->weight + taps * cp;
    N(pack)(r->weight, w->weight, r->kernel, r->channels, cp, 0);
    N(pack)(r->weight, w->reversed, r->kernel, r->channels, cp, r->stride == 1);
}

static void N(end_middle)(struct N(middle) * w)
{
    free(w->factor[0]);
}

/* A norm with its scale and shift as a factor and a shift of each channel. */
static void N(find_factors)(const struct N(middle) * w, const struct normed *of, int i)
{
    const REAL *scale = of->scale, *shift = of->shift;
    for (int64_t c = 0; c < w->r->channels; c++) {
        double factor = of->there ? of->norm.scale[c] * (scale ? scale[c] : 1) : 1;
        double start = shift ? shift[c] : 0;
        w->factor[i][c] = (REAL)factor;
        w->shift[i][c] = (REAL)(of->there ? start - of->norm.mean[c] * factor : 0);
    }
}

/* Rows of the caller's tensors, and of those in here. */
static struct N(rows) N(outer)(const struct N(middle) * w, const void *tensor, int64_t pixel)
{
    int64_t c = w->r->channels;
    return (struct N(rows)){(REAL *)tensor + pixel * c, c, c};
}

static struct N(rows) N(inner)(const struct N(middle) * w, const void *tensor, int64_t pixel)
{
    return (struct N(rows)){(REAL *)tensor + pixel * w->cp, w->cp, w->cp};
}

/* A sample as the convolution reads it, inside of a margin of zeros. */
static void N(enter)(const struct N(middle) * w, int64_t n, REAL *padded)
{
    const struct residual *r = w->r;
    for (int64_t i = 0; i < r->height; i++)
        N(activate)(N(outer)(w, r->images, n * w->pixels + i * r->width),
                    N(inner)(w, padded, (i + w->margin) * w->pitch + w->margin), r->width,
                    w->factor[0], w->shift[0], w->cp, r->before.activation);
}

/* Moments of what the first norm reads, of a block. */
static void N(read_moments)(const struct N(middle) * w, int block, double *moments)
{
    const REAL *images = w->r->images;
    struct N(moments) found = {0, moments, moments + w->cp};
    REAL *rows = take(w->failed, w->step * w->cp * sizeof(REAL), 0);
    int64_t end = N(starts)(w, block + 1) * w->pixels;
    for (int64_t p = N(starts)(w, block) * w->pixels; rows && p < end; p += w->step) {
        int64_t pixels = end - p < w->step ? end - p : w->step;
        const REAL *from = images + p * w->r->channels;
        if (w->cp != w->r->channels) {
            N(spread)(from, rows, pixels, w->r->channels, w->cp);
            from = rows;
        }
        N(add_moments)(&found, from, pixels, w->cp);
    }
    free(rows);
}

/* The convolution of a block, and the moments of what it makes. */
static void N(convolve_block)(const struct N(middle) * w, int block, double *moments)
{
    const struct residual *r = w->r;
    int64_t cp = w->cp, row = r->out_width * cp, padded = (r->height + 2 * w->margin) * w->pitch;
    int64_t step = w->step / r->out_width < 1 ? 1 : w->step / r->out_width;
    struct N(moments) found = {0, moments, moments + cp};
    REAL *x = take(w->failed, padded * cp * sizeof(REAL), 1);
    for (int64_t n = N(starts)(w, block); x && n < N(starts)(w, block + 1); n++) {
        REAL *y = (REAL *)r->kept + n * w->out_pixels * cp;
        N(enter)(w, n, x);
        for (int64_t i = 0; i < r->out_height; i += step) {
            int64_t rows = r->out_height - i < step ? r->out_height - i : step;
            struct N(window) window = {r->kernel, 1, r->stride, rows, r->out_width, w->pitch};
            N(convolve)(x + i * r->stride * w->pitch * cp, w->weight, y + i * row, r->out_width,
                        &window, cp);
            N(add_moments)(&found, y + i * row, rows * r->out_width, cp);
        }
    }
    free(x);
}

/* The second norm and its activation, of a block. */
static void N(finish_block)(const struct N(middle) * w, int block)
{
    int64_t from = N(starts)(w, block) * w->out_pixels;
    int64_t pixels = N(starts)(w, block + 1) * w->out_pixels - from;
    N(activate)(N(inner)(w, w->r->kept, from), N(outer)(w, w->r->out, from), pixels, w->factor[1],
                w->shift[1], w->cp, w->r->after.activation);
}

/* The three passes; `moments` is (2, blocks, 2, CP), zeros. */
static void N(go_through_middle)(const struct N(middle) * w, double *moments)
{
    const struct residual *r = w->r;
    struct norm before = r->before.norm, after = r->after.norm;
    int64_t each = 2 * w->cp;
    double *second = moments + w->blocks * each;
    if (r->before.there) {
#pragma omp parallel for schedule(static) if (w->large)
        for (int b = 0; b < w->blocks; b++)
            N(read_moments)(w, b, moments + b * each);
    }
    if (*w->failed)
        return;
    if (r->before.there)
        N(settle)(&before, moments, w->counts[0], w->blocks, r->channels, w->cp);
    N(find_factors)(w, &r->before, 0);
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(convolve_block)(w, b, second + b * each);
    if (*w->failed)
        return;
    N(settle)(&after, second, w->counts[1], w->blocks, r->channels, w->cp);
    N(find_factors)(w, &r->after, 1);
#pragma omp parallel for schedule(static) if (w->large)
    for (int b = 0; b < w->blocks; b++)
        N(finish_block)(w, b);
}

/* `r->out`; running statistics move. 1 for want of memory. */
int N(nas_residual_forward)(const struct residual *r)
{
    int failed = 0;
    struct N(middle) w;
    N(begin_middle)(&w, r, &failed);
    double *moments = take(&failed, 4 * w.blocks * w.cp * sizeof(double), 1);
    if (!failed)
        N(go_through_middle)(&w, moments);
    free(moments);
    N(end_middle)(&w);
    return failed;
}
