"""Speed of the fit, sampling and evaluation, compared with the official implementations."""
