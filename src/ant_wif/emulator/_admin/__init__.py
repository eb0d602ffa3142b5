"""The Admin API, as far as federation needs it: service accounts, issuers and rules, and their workspaces."""

from ant_wif.emulator._admin.routes import admin_routes

__all__ = ["admin_routes"]
