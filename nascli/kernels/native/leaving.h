/* What leaves a state of a cell: every operation on every edge, their batch norms and the mixture.
 *
 * The caller's tensors are (B, H, W, C) in memory. In here channels are filled up with zeros to CP,
 * a multiple of LANES, so that no inner loop has an end of its own. `leaving.py` has the same
 * structures.
 *
 * Work is cut into blocks of samples by the batch alone, each block sums up on its own, and blocks
 * are summed in their order: results do not depend on the number of threads.
 */

enum { SKIP, MAX_POOL, AVERAGE_POOL, CONVOLUTIONS }; /* kinds of terms */
enum { BLOCKS = 16, CHUNK = 16384 }; /* CHUNK: bytes that are worked on while in the cache */
enum { FEWEST = 4, EACH = 1 << 14 }; /* blocks of small images, and the numbers of one of them */

/* A batch norm without scale and shift: of the batch's statistics, or in evaluation (`batches` is
 * NULL) of those that it tracks. */
struct norm {
    void *running_mean, *running_variance; /* (C,) */
    int64_t *batches;
    double momentum, eps;
    double *mean, *scale; /* (CP,): taken in the forward pass; scale = 1 / sqrt(variance + eps) */
};

/* ReLU, depthwise convolution, pointwise convolution, batch norm. */
struct stage {
    int64_t kernel, dilation;
    const void *depthwise, *pointwise; /* (C, k, k) and (C out, C in) */
    void *to_depthwise, *to_pointwise; /* their gradients; NULL if not wanted */
    void *kept;                        /* (B, H', W', CP): what the batch norm reads */
    struct norm norm;
};

/* An operation: what it makes of the state. Its norm is that of its last stage. */
struct term {
    int64_t kind, stages; /* of convolutions: 1 or 2, the stride being the first one's; of pools 1 */
    struct stage stage[2];
};

/* An edge takes part of a term: weight times its norm. */
struct use {
    int64_t term, edge;
};

struct leaving {
    int64_t batch, channels, height, width, out_height, out_width, stride;
    int64_t terms, uses, edges;
    struct term *term;
    const struct use *use;
    const void *images, *weights; /* (B, H, W, C) and (uses,) */
    void *const *sums;            /* of each edge (B, H', W', C): what it adds to its target */
    const void *const *gradients; /* backward: those of the sums */
    void *to_images, *to_weights; /* backward; to_images NULL if not wanted */
};
