/* A small middle of an inverted residual, of one type REAL. */

extern int N(nas_residual_forward)(const struct residual *r);
extern int N(nas_residual_backward)(const struct residual *r);

/* 0 if all answers are those that are expected, but for `error` times their size. */
static int N(middle_differs)(int stride, const double *expected, double error)
{
    enum { KERNEL = 5, TAPS = CHANNELS * KERNEL * KERNEL };
    static REAL images[NUMBERS], to_images[NUMBERS], out[NUMBERS], gradient[NUMBERS];
    static REAL kept[BATCH * SIDE * SIDE * FILLED], weight[TAPS], to_weight[TAPS];
    static REAL given[4][CHANNELS], to_given[4][CHANNELS], running[4][CHANNELS];
    static double statistics[4][FILLED];
    int side = stride == 1 ? SIDE : SIDE / 2 + 1, count = BATCH * side * side * CHANNELS;
    int64_t batches = 0;
    struct normed both[2];
    N(numbers)(images, NUMBERS, 1);
    N(numbers)(weight, TAPS, 2);
    N(numbers)(gradient, count, 3);
    for (int i = 0; i < 4; i++)
        N(numbers)(given[i], CHANNELS, 4 + i);
    for (int i = 0; i < 2; i++) {
        REAL *mean = running[2 * i], *variance = running[2 * i + 1];
        for (int c = 0; c < CHANNELS; c++)
            mean[c] = 0, variance[c] = 1;
        struct norm norm = {mean, variance, &batches, 0.1, 1e-5, statistics[2 * i],
                            statistics[2 * i + 1]};
        both[i] = (struct normed){1, i ? HSWISH : RELU6, given[2 * i], given[2 * i + 1],
                                  to_given[2 * i], to_given[2 * i + 1], norm};
    }
    struct residual r = {BATCH, CHANNELS, SIDE, SIDE, side, side, stride, KERNEL, both[0], both[1],
                         images, weight, kept, out, gradient, to_images, to_weight};
    if (N(nas_residual_forward)(&r) || N(nas_residual_backward)(&r))
        return 1;
    struct answer answers[MIDDLES] = {0};
    N(add)(&answers[0], out, count, 10);
    N(add)(&answers[1], to_images, NUMBERS, 11);
    N(add)(&answers[2], to_weight, TAPS, 12);
    for (int i = 0; i < 4; i++) {
        N(add)(&answers[3], to_given[i], CHANNELS, 20 + i);
        N(add)(&answers[4], running[i], CHANNELS, 30 + i);
    }
    for (int i = 0; i < MIDDLES; i++)
        if (!(fabs(answers[i].value - expected[i]) <= error * answers[i].size))
            return 1;
    return 0;
}
