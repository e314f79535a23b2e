/* Pools of 3 x 3 pixels of one sample (rows, columns, CP), and their gradients.
 *
 * What lies outside of the image counts neither for the largest value nor for the average. Of equal
 * largest values the first, row by row, gets the gradient.
 */

struct N(span) {
    int64_t first, end;
};

static struct N(span) N(around)(int64_t place, int64_t stride, int64_t size)
{
    int64_t first = place * stride - 1, end = place * stride + 2;
    return (struct N(span)){first < 0 ? 0 : first, end > size ? size : end};
}

static void N(pool)(int64_t kind, const REAL *x, REAL *y, const struct leaving *l, int64_t cp)
{
    for (int64_t i = 0; i < l->out_height; i++)
        for (int64_t j = 0; j < l->out_width; j++, y += cp) {
            struct N(span) rows = N(around)(i, l->stride, l->height);
            struct N(span) columns = N(around)(j, l->stride, l->width);
            REAL share = (REAL)1 / ((rows.end - rows.first) * (columns.end - columns.first));
            for (int64_t v = 0; v < cp; v += LANES) {
                VEC found = READ(x + (rows.first * l->width + columns.first) * cp + v), sum = {0};
                for (int64_t r = rows.first; r < rows.end; r++)
                    for (int64_t k = columns.first; k < columns.end; k++) {
                        VEC value = READ(x + (r * l->width + k) * cp + v);
                        sum += value;
                        found = N(select)(found < value, value, found);
                    }
                if (kind == AVERAGE_POOL)
                    found = sum * share;
                AT(y + v) = found;
            }
        }
}

/* Adds the gradient of x, of g = dL/dy. */
static void N(add_to_pooled)(int64_t kind, const REAL *x, const REAL *y, const REAL *g, REAL *to_x,
                             const struct leaving *l, int64_t cp)
{
    for (int64_t i = 0; i < l->out_height; i++)
        for (int64_t j = 0; j < l->out_width; j++, y += cp, g += cp) {
            struct N(span) rows = N(around)(i, l->stride, l->height);
            struct N(span) columns = N(around)(j, l->stride, l->width);
            REAL share = (REAL)1 / ((rows.end - rows.first) * (columns.end - columns.first));
            for (int64_t v = 0; v < cp; v += LANES) {
                VEC left = READ(g + v), even = left * share; /* left: what is still to be given */
                for (int64_t r = rows.first; r < rows.end; r++)
                    for (int64_t k = columns.first; k < columns.end; k++) {
                        int64_t at = (r * l->width + k) * cp + v;
                        if (kind == AVERAGE_POOL) {
                            AT(to_x + at) += even;
                            continue;
                        }
                        N(bits) largest = READ(x + at) == READ(y + v);
                        AT(to_x + at) += N(select)(largest, left, (VEC){0});
                        left = N(select)(largest, (VEC){0}, left);
                    }
            }
        }
}
