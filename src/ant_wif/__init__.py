"""Claude API credentials for CI without a stored key.

    import ant_wif

    creds = ant_wif.resolve()
    with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
        client.get("/v1/models")

Names are loaded on first use (PEP 562): importing this package alone imports nothing heavy. PYTEST_DONT_REWRITE
"""

from ant_wif._constants import __version__
from ant_wif._lazy import loader

# Not from `typing`, whose import would cost more than all the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif import errors, identity
    from ant_wif._resolution import resolve
    from ant_wif._tokens import AccessToken
    from ant_wif.credentials import Credentials, federate
    from ant_wif.diagnostics.describe import report
    from ant_wif.diagnostics.report import Report
    from ant_wif.errors import (
        AntWifError,
        ApiError,
        Candidate,
        ConfigurationError,
        ExchangeError,
        IdentitySourceError,
        IdentityTokenError,
        IdentityTokenReusedError,
        InsecureUrlError,
        LoginError,
        NoCredentialsError,
        ProfileError,
    )
    from ant_wif.integrations.anthropic import anthropic_credentials

__all__ = [
    "AccessToken",
    "AntWifError",
    "ApiError",
    "Candidate",
    "ConfigurationError",
    "Credentials",
    "ExchangeError",
    "IdentitySourceError",
    "IdentityTokenError",
    "IdentityTokenReusedError",
    "InsecureUrlError",
    "LoginError",
    "NoCredentialsError",
    "ProfileError",
    "Report",
    "__version__",
    "anthropic_credentials",
    "errors",
    "federate",
    "identity",
    "report",
    "resolve",
]

if not TYPE_CHECKING:
    # `dir()` does not list these names: freezegun asks each module for all that it lists, and would load them halfway.
    __getattr__ = loader(
        __name__,
        {
            "_resolution": ("resolve",),
            "_tokens.access_token": ("AccessToken",),
            "credentials": ("Credentials", "federate"),
            "diagnostics.describe": ("report",),
            "diagnostics.report": ("Report",),
            "identity": ("identity",),
            "integrations.anthropic": ("anthropic_credentials",),
            "errors": __all__,
        },
    )
