"""What official tools say of published models and data, beside what this harness says."""
