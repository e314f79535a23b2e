"""Relaxations: architecture weights, and how they become mixtures; one per file."""
