"""What gradient searches are made of: two levels, their parts, stages, and what to look at."""
