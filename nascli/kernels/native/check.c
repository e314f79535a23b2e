/* Whether the library computes what it should on this processor: run once, after compiling. */

static double dot(const double *a, const double *b, int count)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* 0 if all is well. */
int nas_check(void)
{
    enum { ROWS = 7, COLUMNS = 13 };
    double a[ROWS][COLUMNS], found[ROWS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++)
            a[r][c] = r + c;
#pragma omp parallel for schedule(static)
    for (int r = 0; r < ROWS; r++)
        found[r] = dot(a[r], a[1], COLUMNS);
    for (int r = 0; r < ROWS; r++) {
        double wanted = 0; /* whole numbers, so exact in any order */
        for (int c = 0; c < COLUMNS; c++)
            wanted += (double)(r + c) * (1 + c);
        if (found[r] != wanted)
            return 1;
    }
    return 0;
}
