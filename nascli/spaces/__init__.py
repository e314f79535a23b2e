"""Search spaces: decisions in one file, which imports no torch, and the network beside it."""
