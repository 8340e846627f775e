"""The private step, what it costs, and training with it; needs torch, numpy and scipy alone."""
