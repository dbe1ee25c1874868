"""SoftSRV: soft prompts that are a trained function of the embedding of one example."""
