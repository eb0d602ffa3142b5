"""How an access token is obtained, kept and shared."""
