"""Perturbations: what moves the mixture that weights are trained under; one per file."""
