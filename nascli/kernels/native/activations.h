/* Activations, and rows of channels whose last vector is not full. */

/* `count` channels, zeros behind them. Half a vector is frequent. */
INLINE VEC N(load)(const REAL *from, int64_t count)
{
    VEC found = {0};
    if (count >= LANES)
        return READ(from);
    if (count == LANES / 2)
        memcpy(&found, from, BYTES / 2);
    else
        memcpy(&found, from, count * sizeof(REAL));
    return found;
}

INLINE void N(store)(REAL *to, VEC value, int64_t count)
{
    if (count >= LANES)
        AT(to) = value;
    else if (count == LANES / 2)
        memcpy(to, &value, BYTES / 2);
    else
        memcpy(to, &value, count * sizeof(REAL));
}

INLINE VEC N(active)(VEC x, const int kind)
{
    VEC zero = {0}, gate = x + 3;
    if (kind == RELU)
        return N(select)(x < 0, zero, x);
    if (kind == RELU6) {
        x = N(select)(x < 0, zero, x);
        return N(select)(x > 6, zero + 6, x);
    }
    if (kind == HSWISH) {
        gate = N(select)(gate < 0, zero, gate);
        return x * N(select)(gate > 6, zero + 6, gate) * (REAL)(1.0 / 6);
    }
    return x;
}

/* dL/dx of g = dL/d(activation of x). */
INLINE VEC N(passed)(VEC g, VEC x, const int kind)
{
    VEC zero = {0};
    if (kind == RELU)
        return N(select)(x <= 0, zero, g);
    if (kind == RELU6)
        return N(select)((x <= 0) | (x >= 6), zero, g);
    if (kind == HSWISH) {
        VEC inside = g * (x * (REAL)(1.0 / 3) + (REAL)0.5);
        return N(select)(x <= -3, zero, N(select)(x < 3, inside, g));
    }
    return g;
}

/* f(..., kind), with a kind that the compiler knows. */
#define BY_KIND(kind, f, ...)                                                                      \
    do {                                                                                           \
        if ((kind) == RELU)                                                                        \
            f(__VA_ARGS__, RELU);                                                                  \
        else if ((kind) == RELU6)                                                                  \
            f(__VA_ARGS__, RELU6);                                                                 \
        else if ((kind) == HSWISH)                                                                 \
            f(__VA_ARGS__, HSWISH);                                                                \
        else                                                                                       \
            f(__VA_ARGS__, LINEAR);                                                                \
    } while (0)

/* `pixels` of `count` channels, and how far it is from one to the next. */
struct N(rows) {
    REAL *at;
    int64_t step, count;
};

/* to = activation of factor from + shift. */
INLINE void N(activate_as)(struct N(rows) from, struct N(rows) to, int64_t pixels,
                           const REAL *factor, const REAL *shift, int64_t cp, const int kind)
{
    for (int64_t p = 0; p < pixels; p++, from.at += from.step, to.at += to.step)
        for (int64_t v = 0; v < cp; v += LANES) {
            VEC x = READ(factor + v) * N(load)(from.at + v, from.count - v) + READ(shift + v);
            N(store)(to.at + v, N(active)(x, kind), to.count - v);
        }
}

static void N(activate)(struct N(rows) from, struct N(rows) to, int64_t pixels, const REAL *factor,
                        const REAL *shift, int64_t cp, int64_t kind)
{
    BY_KIND(kind, N(activate_as), from, to, pixels, factor, shift, cp);
}

/* to = D = dL/dx of x = factor z + shift, g = dL/d(activation of x). */
INLINE void N(pass_as)(struct N(rows) g, struct N(rows) z, struct N(rows) to, int64_t pixels,
                       const REAL *factor, const REAL *shift, int64_t cp, const int kind)
{
    for (int64_t p = 0; p < pixels; p++, g.at += g.step, z.at += z.step, to.at += to.step)
        for (int64_t v = 0; v < cp; v += LANES) {
            VEC x = READ(factor + v) * N(load)(z.at + v, z.count - v) + READ(shift + v);
            VEC d = N(passed)(N(load)(g.at + v, g.count - v), x, kind);
            N(store)(to.at + v, d, to.count - v);
        }
}

static void N(pass)(struct N(rows) g, struct N(rows) z, struct N(rows) to, int64_t pixels,
                    const REAL *factor, const REAL *shift, int64_t cp, int64_t kind)
{
    BY_KIND(kind, N(pass_as), g, z, to, pixels, factor, shift, cp);
}
