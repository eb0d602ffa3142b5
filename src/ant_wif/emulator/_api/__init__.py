"""Models and messages."""
