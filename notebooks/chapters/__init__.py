"""The analysis that belongs to single chapters of the book; `helpers` imports none of it."""
