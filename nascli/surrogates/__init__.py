"""Surrogates: what guesses a genotype's value from those already known."""
