"""What results say: comparisons, correlations, tests and verdicts; no drawing, no printing."""
