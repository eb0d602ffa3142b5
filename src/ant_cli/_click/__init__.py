"""Commands, groups and options on top of click."""
