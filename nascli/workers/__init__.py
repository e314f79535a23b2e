"""Where proposals are turned into trials."""
