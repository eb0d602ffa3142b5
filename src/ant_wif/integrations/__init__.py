"""Handing a credential to HTTP libraries."""
