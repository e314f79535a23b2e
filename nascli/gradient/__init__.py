"""What gradient searches are made of: two levels, their parts, stages, and what to look at."""

SKIP = "skip_connect"
"""The option that the family is known to collapse to."""
