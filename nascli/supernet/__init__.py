"""Weight sharing for any space: graphs read with mixtures, and batch-norm recalibration."""
