"""The one ordinary training loop, its recipes and its augmentation."""
