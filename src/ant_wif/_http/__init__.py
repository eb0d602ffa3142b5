"""Requests as values, and two drivers that send them."""
