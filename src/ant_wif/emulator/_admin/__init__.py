"""The Admin API, as far as federation needs it: service accounts, issuers and rules, and their workspaces."""
