"""Measured benchmarks, shipped as data; README.md beside this file names their sources."""
