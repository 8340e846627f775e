"""Results as tables, figures, pictures and scores."""
