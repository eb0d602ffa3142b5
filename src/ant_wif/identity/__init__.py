"""Where identity tokens come from: one module per platform, all of one shape.

To add a platform, write a module like `github_actions` and list its class in `SOURCES`, at the
place where it is to be tried.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ant_wif.errors import ConfigurationError
from ant_wif.identity.env import Env
from ant_wif.identity.file import File
from ant_wif.identity.github_actions import GitHubActions
from ant_wif.identity.literal import Literal
from ant_wif.identity.source import DEFAULT_AUDIENCE, Context, Detection, IdentitySource
from ant_wif.identity.token import IdentityToken, unverified_party
from ant_wif.secrets import clean

__all__ = [
    "DEFAULT_AUDIENCE",
    "SOURCES",
    "AnySource",
    "Context",
    "Detection",
    "Env",
    "File",
    "GitHubActions",
    "IdentitySource",
    "IdentityToken",
    "Literal",
    "detect",
    "named",
    "survey",
    "unverified_party",
]

SOURCES: tuple[type[IdentitySource], ...] = (File, Env, GitHubActions)
"""In the order in which they are tried. The first that detects itself is used, and no other:
if it then fails, its failure is the error."""

AnySource = Annotated[File | Env | GitHubActions, Field(discriminator="source")]
"""What a profile's `identity_token` may be."""


def survey(context: Context | None = None) -> list[Detection]:
    """Ask every source whether it recognises this machine, in the order of `SOURCES`."""
    context = context or Context()
    return [source.detect(context) for source in SOURCES]


def detect(context: Context | None = None) -> IdentitySource | None:
    """Return the source that this machine offers, or `None`. No network is touched."""
    context = context or Context()
    return next((found.found for source in SOURCES if (found := source.detect(context)).found), None)


def named(name: str, context: Context) -> IdentitySource:
    """Return the source of that name, configured from the environment where it needs configuration.

    Raises:
        ConfigurationError: there is no such source, or it needs more than its name.
    """
    known = {source.source: source for source in SOURCES}
    if name not in known:
        raise ConfigurationError(
            f"there is no identity source {clean(name, limit=64)!r}; expected one of {', '.join(known)}, auto, none",
            hint="correct --identity-source or ANT_IDENTITY_SOURCE",
        )
    detection = known[name].detect(context)
    if detection.found:
        return detection.found
    try:
        return known[name]()
    except TypeError:
        raise ConfigurationError(
            f"the identity source {name} needs more than its name: {detection.reason}",
            hint="set what is missing, or leave --identity-source and ANT_IDENTITY_SOURCE unset",
        ) from None
