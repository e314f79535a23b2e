"""Hardware that a network is for: how long a forward pass takes on it."""
