/* Every kernel, of numbers REAL in vectors of BYTES. */

#include "products.h"
#include "depthwise.h"
#include "norms.h"
#include "pools.h"
#include "forward.h"
#include "lines.h"
#include "backward.h"
#include "activations.h"
#include "residual_forward.h"
#include "residual_backward.h"
#undef REAL
#undef WHOLE
#undef N
