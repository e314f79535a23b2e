"""Fast kernels for CPUs, exact rewrites of what torch computes; below operations, above core."""
