"""`nas retrain`: trains a genotype from scratch and scores it once on the test split."""
