"""Measured benchmarks that are shipped with the package; README.md beside this file names the sources."""
