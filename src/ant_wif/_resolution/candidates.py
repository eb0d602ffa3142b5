"""What one tier has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ant_wif._config.documents import Profile, StoredCredentials
    from ant_wif._config.settings import Settings
    from ant_wif._tokens.access_token import AccessToken
    from ant_wif._tokens.providers import Provider
    from ant_wif.errors import AntWifError
    from ant_wif.identity import IdentitySource

__all__ = ["Candidate"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """What one tier has to offer.

    `missing` names what would have to be set for the tier to match; nothing missing means that
    it matches. `error` is why using it would fail. `partial` marks a tier that was begun.
    """

    tier: int
    source: str
    origin: str
    missing: tuple[str, ...] = ()
    error: AntWifError | None = None
    partial: bool = False
    settings: Settings | None = None
    provider: Provider | None = None
    token: AccessToken | None = None
    """The secret at hand without an exchange, expired or not."""
    identity: IdentitySource | None = None
    profile: Profile | None = None
    stored: StoredCredentials | None = None
    stale: bool = False
    """Whether the stored token is known to have been issued for other settings, and is not used."""

    @property
    def matches(self) -> bool:
        return not self.missing

    @property
    def usable(self) -> bool:
        return self.matches and self.error is None

    def __str__(self) -> str:
        """Its part of the list that `NoCredentialsError` shows."""
        if self.missing == (self.origin,):
            return f"({self.tier}) {self.origin}: not {'given' if self.tier == 1 else 'set'}"
        state = f"missing {', '.join(self.missing)}" if self.missing else str(self.error or "usable")
        return f"({self.tier}) {self.origin}: {state}"
