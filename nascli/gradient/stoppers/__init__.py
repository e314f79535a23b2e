"""Stoppers: when to end a search before its epochs are over; one per file."""
