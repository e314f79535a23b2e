"""Discretisations: how a genotype is made of what a search has learnt; one per file."""
