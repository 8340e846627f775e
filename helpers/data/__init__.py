"""Images: their sources, what a data set is, and what of it is private, public or held out."""
