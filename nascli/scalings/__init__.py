"""Scalings: families of networks that one genotype grows to; no torch."""
