"""The leak guard: no secret in what pytest writes."""
