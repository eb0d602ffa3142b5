"""Adapters for HTTP libraries and the official SDK. Importing this package imports none of them."""

from ant_wif.integrations._auth import API_VERSION, ApiCredential, Bearer

__all__ = ["API_VERSION", "ApiCredential", "Bearer"]
