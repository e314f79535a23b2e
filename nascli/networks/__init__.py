"""Networks: modules built from plans, and the fixed layers that no search chooses."""
