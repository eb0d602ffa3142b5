"""Who signs identity tokens."""
