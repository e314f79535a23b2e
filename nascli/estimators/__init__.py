"""Estimators: how good a genotype is, and what it costs."""
