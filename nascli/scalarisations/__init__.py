"""One loss out of an objective and a cost."""
