"""The words of a search and the one loop that runs it; standard library and numpy only."""
