"""Run folders: the only code that writes under outputs/, and the one reader of what they hold."""
