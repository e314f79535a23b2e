"""Data sets: tasks, their splits, and batches of images."""
