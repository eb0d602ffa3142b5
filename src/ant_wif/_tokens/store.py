"""Where a token lies for other processes to use: a profile's credentials file, or an entry of the shared folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ant_wif._config import CacheDir, ConfigDir
from ant_wif._files import Draft, make_folder, remove, sweep
from ant_wif._secrets import SecretStr, is_sendable
from ant_wif._tokens.access_token import AccessToken
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif.errors import ConfigurationError, ProfileError

if TYPE_CHECKING:
    from ant_wif._config import StoredCredentials

__all__ = [
    "CacheKey",
    "CacheStore",
    "ProfileStore",
    "TokenStore",
    "cached_tokens",
    "forget_cached_tokens",
    "is_recorded",
]

log = logging.getLogger("ant_wif.store")

_VERSION = 1
_ISSUED_BY = "login_base_url"


class TokenStore(Protocol):
    """The place of one token."""

    @property
    def lock_path(self) -> Path:
        """The file whose lock its writers hold."""

    def read(self) -> AccessToken | None:
        """Return the token that is kept for the present settings, expired or not.

        Raises:
            ProfileError: the file is one that must not be read, and is not ours to replace.
        """

    def write(self, token: AccessToken) -> None:
        """Keep a token. Where that fails, it is said at debug level and life goes on."""

    def prepare(self) -> None:
        """Make what a lock needs. Call `write` with the lock held.

        Raises:
            ConfigurationError: nothing can be kept here.
        """

    def sweep(self) -> None:
        """Remove what a killed writer left. Call it with the lock held."""


class ProfileStore:
    """`credentials/<profile>.json` of a federation profile, where every SDK looks.

    Beside the token is what it was issued for, under the key `ant_wif`, tied to the token by
    its hash: other SDKs replace the token and keep keys that they do not know. A token without a
    note of ours is trusted for its `expires_at` alone.
    """

    def __init__(self, directory: ConfigDir, path: Path, fingerprint: str | None) -> None:
        self._directory = directory
        self._path = path
        self._fingerprint = fingerprint

    @property
    def lock_path(self) -> Path:
        return self._path.with_name(f".{self._path.name}.lock")

    def can_be_written(self) -> bool:
        """Whether a file could be made here, as far as can be told without making one."""
        folder = next(each for each in self._path.parents if os.path.lexists(each))
        return folder.is_dir() and os.access(folder, os.W_OK)

    def prepare(self) -> None:
        try:
            make_folder(self._path.parent, mode=0o700, owners=self._directory.owners)
        except OSError as error:
            raise ConfigurationError(f"{self._path.parent}: {error.strerror or type(error).__name__}") from None

    def sweep(self) -> None:
        sweep(self._path.parent, of=self._path.name)

    def read(self) -> AccessToken | None:
        return self.usable(self._directory.read_credentials(self._path))

    def usable(self, stored: StoredCredentials | None) -> AccessToken | None:
        """Return the token of what was read from here, if it is for the present settings."""
        if stored is None:
            return None
        if self.is_foreign(stored):
            log.debug("%s holds a token for other settings; it is replaced", self._path)
            return None
        token = token_of(stored)
        # A federation's token always expires; one that does not say when is not from here.
        return None if self._fingerprint is not None and token is not None and token.expires_at is None else token

    def is_foreign(self, stored: StoredCredentials) -> bool:
        """Whether the stored token is for other settings, or for a login if this is not one."""
        note = _note_of(stored)
        if note:
            return note.get("fingerprint") != self._fingerprint
        return self._fingerprint is not None and stored.is_login

    def write(self, token: AccessToken) -> None:
        try:
            self.keep(token, None)
        except ProfileError as error:
            log.debug("the token is not kept for the next process: %s", error.summary)

    def draft(self) -> Draft:
        """Prove that a token can be kept, before it is asked for. Raises ProfileError: it cannot."""
        return self._directory.draft_credentials(self._path)

    def keep(self, token: AccessToken, draft: Draft | None, *, issued_by: str | None = None, **others: object) -> None:
        """Write a token, and other fields with it, in place of a `draft` where there is one.

        `issued_by` is the base URL at which a person logged in.

        Raises:
            ProfileError: the file cannot be written.
        """
        note = {"token": _hash(token.secret.get_secret_value()), "lifetime": token.lifetime}
        if self._fingerprint is not None:
            note["fingerprint"] = self._fingerprint
            # What is left of a login would make the token look like one.
            others = {"refresh_token": None, "account_email": None, **others}
        if issued_by is not None:
            note[_ISSUED_BY] = issued_by
        changes = {"access_token": token.secret, "expires_at": token.expires_at, **others, "ant_wif": note}
        self._directory.write_credentials(self._path, changes, draft)


def token_of(stored: StoredCredentials) -> AccessToken | None:
    """Return the token of a credentials file, with the lifetime that our note tells."""
    if stored.access_token is None:
        return None
    return AccessToken(
        stored.access_token, stored.expires_at, _lifetime(_note_of(stored).get("lifetime")), is_stored=True
    )


def issuer_of(stored: StoredCredentials) -> str | None:
    """Return the base URL at which a person logged in, if it was recorded; other tools replace the token only."""
    found = (stored.ant_wif or {}).get(_ISSUED_BY)
    return found if isinstance(found, str) and found else None


def is_recorded(stored: StoredCredentials) -> bool:
    """Whether this project issued the stored token, so that it is known what for; other tools keep no record."""
    return bool(_note_of(stored))


def _note_of(stored: StoredCredentials) -> Mapping[str, object]:
    """Return our note on the stored token; empty if there is none, or it was on another token."""
    note = stored.ant_wif or {}
    ours = stored.access_token is not None and note.get("token") == _hash(stored.access_token.get_secret_value())
    return note if ours else {}


class CacheKey(NamedTuple):
    """What a token of the shared folder was issued for, and for which identity."""

    base_url: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None
    workspace_id: str | None
    identity_source: str
    unverified_issuer: str | None
    unverified_subject: str | None

    @classmethod
    def of(
        cls, federation: Federation, identity_source: str, issuer_subject: tuple[str | None, str | None]
    ) -> CacheKey:
        return cls(**federation._asdict(), identity_source=identity_source, unverified_issuer=issuer_subject[0],
                   unverified_subject=issuer_subject[1])  # fmt: skip

    @property
    def federation(self) -> Federation:
        return Federation(
            self.base_url, self.federation_rule_id, self.organization_id, self.service_account_id, self.workspace_id
        )

    @property
    def name(self) -> str:
        return _hash(json.dumps(self._asdict(), sort_keys=True))[:32]


class CacheStore:
    """One entry of the shared folder. A file that cannot be used is replaced, never followed."""

    def __init__(self, cache: CacheDir, entry: CacheKey) -> None:
        self._cache = cache
        self._entry = entry
        self._path = cache.path / f"{entry.name}.json"

    @property
    def lock_path(self) -> Path:
        return self._path.with_suffix(".lock")

    def prepare(self) -> None:
        self._cache.prepare()

    def sweep(self) -> None:
        sweep(self._path.parent, of=self._path.name)

    def read(self) -> AccessToken | None:
        found = _read(self._cache, self._path) if self._cache.is_safe() else None
        if found is not None and found[0] != self._entry:
            log.debug("%s holds a token for other settings; it is replaced", self._path)
            return None
        return found[1] if found is not None else None

    def write(self, token: AccessToken) -> None:
        def content() -> bytes:
            document = {
                "version": _VERSION,
                "minted_for": self._entry._asdict(),
                "access_token": token.secret.get_secret_value(),
                "expires_at": token.expires_at,
                "lifetime": token.lifetime,
            }
            return (json.dumps(document, indent=2) + "\n").encode()

        try:
            self._cache.write(self._path, content)
        except ConfigurationError as error:
            log.debug("the token is not kept for the next process: %s", error.summary)


def cached_tokens(cache: CacheDir) -> list[tuple[Path, CacheKey, AccessToken]]:
    """Return what the shared folder holds, sorted by expiry; files that cannot be used are left out."""
    found = ((path, _read(cache, path)) for path in (_entry_paths(cache.path) if cache.is_safe() else []))
    usable = [(path, *content) for path, content in found if content is not None]
    return sorted(usable, key=lambda each: each[2].expires_at or 0)


def forget_cached_tokens(cache: CacheDir, federation: Federation | None = None) -> list[Path]:
    """Remove the entries of one federation, or all of them and what keeps a denied assertion from being sent again.

    Locks stay, which others may hold. Return what went.
    """
    if federation is not None:
        doomed = [path for path, entry, _ in cached_tokens(cache) if entry.federation == federation]
    else:
        from ant_wif._tokens.assertion_log import retryable

        cache.check()
        sweep(cache.path)
        sweep(cache.spent)
        doomed = [*_entry_paths(cache.path), *retryable(cache)]
    return [path for path in doomed if remove(path)]


def _entry_paths(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob("*.json"))
    return []


def _read(cache: CacheDir, path: Path) -> tuple[CacheKey, AccessToken] | None:
    """Read one entry; what is wrong with it is said at debug level."""
    try:
        document = cache.read(path, what="cached token")
    except ConfigurationError as error:
        log.debug("a cached token is ignored: %s", error.summary)
        return None
    if document is None:
        return None
    found = _parse(document)
    if found is None:
        log.debug("%s is not what this version writes, and is ignored", path)
    return found


def _parse(document: Mapping[str, object]) -> tuple[CacheKey, AccessToken] | None:
    minted_for, token, expires_at = (document.get(key) for key in ("minted_for", "access_token", "expires_at"))
    if document.get("version") != _VERSION or not isinstance(minted_for, dict):
        return None
    if not all(value is None or isinstance(value, str) for value in minted_for.values()):
        return None
    if not isinstance(token, str) or not token or not is_sendable(SecretStr(token)):
        return None
    if not isinstance(expires_at, int) or not 0 <= expires_at < 1e12:
        return None
    with suppress(TypeError):
        return CacheKey(**minted_for), AccessToken(
            SecretStr(token), expires_at, _lifetime(document.get("lifetime")), is_stored=True
        )
    return None


def _lifetime(found: object) -> float | None:
    usable = isinstance(found, (int, float)) and not isinstance(found, bool) and 0 < found < 1e9
    return found if usable and isinstance(found, (int, float)) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
