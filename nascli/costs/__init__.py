"""What networks cost, from their plans: counted by formulas, by running on shapes, or timed."""
