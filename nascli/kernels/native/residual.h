/* The middle of an inverted residual: all between its two 1x1 convolutions, that is a batch norm of
 * the batch's statistics and an activation (there may be neither), a depthwise convolution, a batch
 * norm and an activation.
 *
 * The caller's tensors are (B, H, W, C) in memory; in here channels are filled up to CP, as in
 * leaving.h. Work is cut into blocks of samples, whose images stay in the cache; of a pixel all
 * channels are read at once. `residual.py` has the same structures.
 */

enum { LINEAR, RELU, RELU6, HSWISH }; /* activations */

/* A batch norm, maybe with scale and shift, and an activation behind it. */
struct normed {
    int64_t there, activation;    /* there: whether there is a norm before the activation */
    const void *scale, *shift;    /* (C,), or NULL */
    void *to_scale, *to_shift;    /* backward; NULL if not wanted */
    struct norm norm;
};

struct residual {
    int64_t batch, channels, height, width, out_height, out_width, stride, kernel;
    struct normed before, after;  /* the convolution */
    const void *images, *weight;  /* (B, H, W, C) and (C, k, k) */
    void *kept;                   /* (B, H', W', CP): what the second norm reads */
    void *out;                    /* (B, H', W', C) */
    const void *gradient;         /* backward: that of `out` */
    void *to_images, *to_weight;  /* backward; NULL if not wanted */
};
