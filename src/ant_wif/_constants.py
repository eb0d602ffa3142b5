"""The version, and the values of the Claude Platform that more than one package needs.

The emulator does not read them: it keeps its own reading of the wire, so that a mistake is not made twice.
"""

__version__ = "0.1.0"

DEFAULT_AUDIENCE = "https://api.anthropic.com"
"""The `aud` that a federation rule expects when it names none."""
ADMIN_SCOPE = "org:admin"
"""The OAuth scope of the Admin API."""
MAX_ASSERTION_BYTES = 16 * 1024
"""The longest identity token that the token endpoint accepts."""
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""The form of an organization's id, as a regular expression (RFC 9562 §4)."""
OAUTH_BETA = "oauth-2025-04-20"
"""The beta flag of requests that carry one of the platform's own OAuth tokens."""
FEDERATION_BETA = "oidc-federation-2026-04-01"
"""The beta flag of the jwt-bearer grant, beside `OAUTH_BETA`."""
