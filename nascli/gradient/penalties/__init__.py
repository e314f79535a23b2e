"""Penalties: what else the architecture weights are to keep small; one per file."""
