/* A small case of each kernel, of one type REAL: two edges take every operation. */

extern int N(nas_leaving_forward)(const struct leaving *l);
extern int N(nas_leaving_backward)(const struct leaving *l);

/* `count` numbers that anybody can compute; they are not alike for other seeds. */
static void N(numbers)(REAL *to, int count, int seed)
{
    for (int i = 0; i < count; i++)
        to[i] = (REAL)sin(0.7 * i + 0.3 * i * (i % 5) + seed);
}

/* Adds `found` times such numbers, and the size of what is added. */
static void N(add)(struct answer *to, const REAL *found, int count, int seed)
{
    REAL other[NUMBERS];
    N(numbers)(other, count, seed);
    for (int i = 0; i < count; i++) {
        to->value += (double)found[i] * other[i];
        to->size += fabs((double)found[i] * other[i]);
    }
}

/* 0 if all answers are those that are expected, but for `error` times their size. */
static int N(differs)(int stride, const double *expected, double error)
{
    enum { OUT = SIDE / 2 + 1, MOST = CHANNELS * CHANNELS };
    static REAL images[NUMBERS], to_images[NUMBERS], sums[2][NUMBERS], gradients[2][NUMBERS];
    static REAL depthwise[3][CHANNELS * 25], pointwise[3][MOST], running[2][2 * TERMS][CHANNELS];
    static REAL to_depthwise[3][CHANNELS * 25], to_pointwise[3][MOST];
    static REAL kept[5][BATCH * SIDE * SIDE * FILLED];
    static double statistics[5][2][FILLED];
    const struct {
        int kind, stages, kernel, dilation;
    } kinds[TERMS] = {{CONVOLUTIONS, 2, 3, 1}, {CONVOLUTIONS, 1, 5, 2}, {MAX_POOL, 1, 0, 0},
                      {AVERAGE_POOL, 1, 0, 0}, {SKIP, 1, 0, 0}};
    int terms = stride == 1 ? TERMS : TERMS - 1, out = stride == 1 ? SIDE : OUT, norms = 0;
    int in_count = BATCH * SIDE * SIDE * CHANNELS, out_count = BATCH * out * out * CHANNELS;
    int64_t batches = 0;
    REAL weights[2 * TERMS], to_weights[2 * TERMS];
    struct term term[TERMS] = {0};
    struct use use[2 * TERMS];
    N(numbers)(images, in_count, 1);
    N(numbers)(weights, 2 * terms, 2);
    for (int t = 0; t < terms; t++) {
        term[t] = (struct term){.kind = kinds[t].kind, .stages = kinds[t].stages};
        use[t] = (struct use){t, 0};
        use[terms + t] = (struct use){t, 1};
        for (int s = 0; kinds[t].kind != SKIP && s < kinds[t].stages; s++, norms++) {
            struct stage *stage = &term[t].stage[s];
            stage->kernel = kinds[t].kernel;
            stage->dilation = kinds[t].dilation;
            stage->kept = kept[norms];
            for (int c = 0; c < CHANNELS; c++)
                running[0][norms][c] = 0, running[1][norms][c] = 1;
            stage->norm = (struct norm){running[0][norms], running[1][norms], &batches, 0.1, 1e-5,
                                        statistics[norms][0], statistics[norms][1]};
            if (kinds[t].kind != CONVOLUTIONS)
                continue;
            N(numbers)(depthwise[norms], CHANNELS * stage->kernel * stage->kernel, 10 + norms);
            N(numbers)(pointwise[norms], MOST, 20 + norms);
            stage->depthwise = depthwise[norms];
            stage->pointwise = pointwise[norms];
            stage->to_depthwise = to_depthwise[norms];
            stage->to_pointwise = to_pointwise[norms];
        }
    }
    for (int e = 0; e < 2; e++)
        N(numbers)(gradients[e], out_count, 30 + e);
    struct leaving l = {
        BATCH, CHANNELS, SIDE, SIDE, out, out, stride, terms, 2 * terms, 2, term, use, images,
        weights, (void *[]){sums[0], sums[1]}, (const void *[]){gradients[0], gradients[1]},
        to_images, to_weights};
    if (N(nas_leaving_forward)(&l) || N(nas_leaving_backward)(&l))
        return 1;
    struct answer answers[ANSWERS] = {0};
    for (int e = 0; e < 2; e++)
        N(add)(&answers[0], sums[e], out_count, 40 + e);
    N(add)(&answers[1], to_images, in_count, 50);
    N(add)(&answers[2], to_weights, 2 * terms, 51);
    for (int n = 0; n < 3; n++) {
        N(add)(&answers[3], to_depthwise[n], CHANNELS * (n < 2 ? 9 : 25), 60 + n);
        N(add)(&answers[4], to_pointwise[n], MOST, 70 + n);
    }
    for (int n = 0; n < norms; n++)
        for (int which = 0; which < 2; which++)
            N(add)(&answers[5], running[which][n], CHANNELS, 80 + 2 * n + which);
    for (int i = 0; i < ANSWERS; i++)
        if (!(fabs(answers[i].value - expected[i]) <= error * answers[i].size))
            return 1;
    return 0;
}
