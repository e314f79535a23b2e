"""One program per verb; the only place that sees composed configs and builds what they name."""
