"""The three grants of the token endpoint."""
