"""What results say: comparisons, correlations, tests, what an audit finds. Numbers only, no words.

Fronts and hypervolumes are in `core.pareto`: strategies and histories need them during a search.
"""
