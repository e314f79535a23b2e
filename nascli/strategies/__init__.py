"""Strategies: what to try next, and what to learn from it; one per file."""
