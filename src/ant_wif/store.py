"""The token that a federation profile keeps in its credentials file, where every SDK finds it."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif.errors import ProfileError
from ant_wif.exchange import Federation
from ant_wif.profiles import ConfigDir
from ant_wif.secrets import SecretStr
from ant_wif.tokens import AccessToken, Due, due

if TYPE_CHECKING:
    from ant_wif.documents import StoredCredentials

__all__ = ["ProfileStore"]

log = logging.getLogger("ant_wif.store")


class ProfileStore:
    """Reads and writes `credentials/<profile>.json` for one federation.

    Beside the token stands what it was minted for, under the key `ant_wif`, tied to the token by
    its hash: other SDKs replace the token and keep keys that they do not know. A token without a
    note of ours is trusted for its `expires_at` alone.
    """

    def __init__(self, directory: ConfigDir, path: Path, federation: Federation) -> None:
        self._directory = directory
        self._path = path
        self._fingerprint = _hash(json.dumps(asdict(federation), sort_keys=True))

    def read(self, now: float, *, rejected: SecretStr | None = None) -> AccessToken | None:
        """Return the stored token if it may be used at unix time `now` and is not the rejected one.

        Raises:
            ProfileError: the file is one that must not be read; see `ConfigDir.read_credentials`.
        """
        stored = self._directory.read_credentials(self._path)
        if stored is None or stored.access_token is None or stored.expires_at is None:
            return None
        if self.is_foreign(stored):
            log.debug("%s holds a token for other settings; it is replaced", self._path)
            return None
        token = AccessToken(stored.access_token, stored.expires_at, _lifetime(stored))
        return None if due(token, now) is Due.REQUIRED or token.secret == rejected else token

    def is_foreign(self, stored: StoredCredentials) -> bool:
        """Whether the stored token is known to have been minted for other settings than the present ones."""
        note = stored.ant_wif or {}
        ours = stored.access_token is not None and note.get("token") == _hash(stored.access_token.get_secret_value())
        return ours and note.get("fingerprint") != self._fingerprint

    def write(self, token: AccessToken) -> None:
        """Keep a token for the next process. Where that fails, it is said at debug level and life goes on."""
        note = {
            "fingerprint": self._fingerprint,
            "token": _hash(token.secret.get_secret_value()),
            "lifetime": token.lifetime,
        }
        changes = {"access_token": token.secret, "expires_at": token.expires_at, "ant_wif": note}
        try:
            self._directory.write_credentials(self._path, changes)
        except ProfileError as error:
            log.debug("the token is not kept for the next process: %s", error)


def _lifetime(stored: StoredCredentials) -> float | None:
    found = (stored.ant_wif or {}).get("lifetime")
    usable = isinstance(found, (int, float)) and not isinstance(found, bool) and 0 < found < 1e9
    return found if usable and isinstance(found, (int, float)) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
