"""How fast the fit and the sampling are, beside the official way of computing the same."""
