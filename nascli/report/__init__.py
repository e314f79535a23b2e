"""What a person reads after a run: drawings, figures, tables and the page that holds them."""
