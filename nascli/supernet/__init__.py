"""Weight sharing for any space: graphs read with mixtures, and batch-norm recalibration."""

NONE = "none"
"""The option that yields zeros; it is not computed and networks leave its edge out."""
