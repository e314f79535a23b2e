"""Samplers: which paths of a supernet are trained, without architecture weights; one per file."""
