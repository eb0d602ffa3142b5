"""The pages of the Console."""
