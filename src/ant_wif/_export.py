"""A credential for other programs: a private configuration directory, kept current by a thread."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif._config import DEFAULT_BASE_URL, EXPORTED, CacheDir, ConfigDir
from ant_wif._environment import IS_POSIX, Environment, steady
from ant_wif._files import PrivateFolder, check_place, make_folder, owners_in, share
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif._tokens import AccessToken, fresh_between
from ant_wif.errors import ConfigurationError, ProfileError

if TYPE_CHECKING:
    from ant_wif.credentials import Credentials

PROFILE = EXPORTED
AHEAD_SECONDS = 45
"""Seconds before expiry from which a token in the folder is replaced, at the latest.

From 30 seconds before expiry the official Go SDK (1.84, `MandatoryRefreshThreshold` in `internal/auth/constants.go`),
the Go `ant` (1.20, by 1.60 of it) and the TypeScript SDK (1.14, `lib/credentials/user-oauth`) refuse a token that they
cannot refresh themselves. The Python SDK (2.14, `lib/credentials/_providers.py`) and the Java SDK (3.14,
`UserOAuthCredentials.kt`) take what the file holds. The time between is for the refresh, and for trying it again.
"""
_PREFIX = "ant-exec-"
# Not a secret. The Go `ant` gives a login without client id one, and then wants a refresh token beside it, which it
# sends only from 30 seconds before expiry on, or after a 401. Every other tool leaves it alone without a client id.
_PLACEHOLDER = SecretStr("none: ant exec refreshes this file")

# What would win over the profile, or be taken for a part of it.
_CREDENTIAL_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_CONFIG_DIR",
    "ANTHROPIC_FEDERATION_RULE_ID",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
    "ANTHROPIC_OAUTH_CLIENT_ID",
    "ANTHROPIC_ORGANIZATION_ID",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_SCOPE",
    "ANTHROPIC_SERVICE_ACCOUNT_ID",
    "ANTHROPIC_WORKSPACE_ID",
    "ANT_IDENTITY_AUDIENCE",
    "ANT_IDENTITY_SOURCE",
)


class ExportedProfile:
    """A configuration directory of its own (0700), with one profile whose token something else rotates.

    With a `group`, its members may read what is in it: the folder is 0710, folders in it 0750 and files 0640. The
    folder is locked for as long as its maker lives: the next one removes what a killed one left.
    """

    def __init__(self, environ: Environment, credentials: Credentials, *, group: int | None = None) -> None:
        """Make the folder and the profile, in the CI job's temp folder where there is one.

        Raises ConfigurationError: no temp folder can be written, or this user cannot give files to the group.
        """
        self._group, self._environ = group, environ
        self._folder = _make(_bases(environ) if group is None else _shared_bases(environ))
        self.path = self._folder.path
        try:
            self._directory = ConfigDir(self.path, environ=environ)
            document = {
                "authentication": {"type": "user_oauth"},
                "organization_id": credentials.organization_id,
                "workspace_id": credentials.workspace_id if credentials.sends_workspace else None,
                "base_url": credentials.base_url,
            }
            with self._blaming_the_place():
                self._directory.write(PROFILE, {name: value for name, value in document.items() if value is not None})
                self._directory.activate(PROFILE)
            if group is not None:
                make_folder(self.path / "credentials", mode=0o700)
                self._share(group)
        except BaseException:
            self.remove()
            raise

    def put(self, token: AccessToken) -> None:
        """Let the others find this token from now on. Raises ProfileError: it cannot be written."""
        path = self._directory.credentials_path(PROFILE)
        fields = {"access_token": token.secret, "expires_at": token.expires_at, "refresh_token": _PLACEHOLDER}
        is_first = not path.exists()
        with self._blaming_the_place():
            self._directory.write_credentials(path, fields, mode=0o600 if is_first else 0o640)
        if is_first and self._group is not None:
            self._share(self._group)

    @contextlib.contextmanager
    def _blaming_the_place(self) -> Iterator[None]:
        """Name, instead of a file that is gone with the folder, the place of that and the variable that moves it."""
        try:
            yield
        except ProfileError as error:
            base, shown = self.path.parent, sanitize_path(self.path.parent)
            named = ("XDG_RUNTIME_DIR", "RUNNER_TEMP", "TMPDIR", "TEMP")
            name = next((name for name in named if self._environ.get(name) == str(base)), None)
            name = name or ("TMPDIR" if str(base) == "/tmp" else "ANT_CACHE_DIR")  # noqa: S108  # compared only
            raise ProfileError(
                f"the credential could not be written in {shown}: {error.summary.rpartition(': ')[2]}",
                hint=f"free some space in {shown}, or set {name} to another folder",
            ) from None

    def _share(self, group: int) -> None:
        """Let the members of a group read all that is there. A file that replaces another has its group and mode."""
        try:
            share(self.path, group)
        except OSError as error:
            raise ConfigurationError(
                f"the credential cannot be given to the group {group}: {error.strerror or type(error).__name__}",
                hint="pass a group that this user is in: `id` prints them",
            ) from None

    def variables(self, environ: Mapping[str, str], base_url: str) -> dict[str, str]:
        """Return the environment for a program that is to use the profile, whatever SDK it is written with."""
        return {
            **_without_credentials(environ),
            "ANTHROPIC_CONFIG_DIR": str(self.path),
            "ANTHROPIC_PROFILE": PROFILE,
            "ANTHROPIC_BASE_URL": base_url,
        }

    def remove(self) -> None:
        """Remove the folder, and release its lock."""
        self._folder.remove(first=f"credentials/{PROFILE}.json")


def variables_of(credentials: Credentials, token: AccessToken) -> dict[str, SecretStr]:
    """Return a credential as the variables that every official tool reads. Nothing keeps that token fresh."""
    name = "ANTHROPIC_API_KEY" if credentials.source == "api_key" else "ANTHROPIC_AUTH_TOKEN"
    host = {} if credentials.base_url == DEFAULT_BASE_URL else {"ANTHROPIC_BASE_URL": SecretStr(credentials.base_url)}
    return {name: token.secret, **host}


def in_variables(
    environ: Mapping[str, str], credentials: Credentials, token: AccessToken, *, as_api_key: bool = False
) -> dict[str, str]:
    """Return the environment for a program that knows variables only; `as_api_key` for one that knows only that."""
    others = {name: value for name, value in _without_credentials(environ).items() if name != "ANTHROPIC_BASE_URL"}
    handed = variables_of(credentials, token)
    if as_api_key and "ANTHROPIC_AUTH_TOKEN" in handed:
        handed["ANTHROPIC_API_KEY"] = handed.pop("ANTHROPIC_AUTH_TOKEN")
    return {**others, **{name: value.get_secret_value() for name, value in handed.items()}}


def _without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in _CREDENTIAL_VARIABLES}


def _make(bases: Iterator[Path]) -> PrivateFolder:
    problems = []
    for base in bases:
        try:
            make_folder(base, mode=0o700)
            # Judged as what lies above the folder: others may write there, but not replace what is in it.
            check_place(base, top=None, what="temp folder")
            if not _is_of_this_user_or_root(base):
                problems.append(f"{sanitize_path(base)}: others could replace what is in it")
                continue
            return PrivateFolder(base, _PREFIX)
        except (OSError, ConfigurationError) as error:
            problems.append(f"{sanitize_path(base)}: {_reason(error)}")
    raise ConfigurationError(
        "no folder for the credential can be made",
        facts=problems,
        hint="set TMPDIR to a folder that this user can write",
    )


def _reason(error: OSError | ConfigurationError) -> str:
    return error.summary if isinstance(error, ConfigurationError) else error.strerror or type(error).__name__


def _is_of_this_user_or_root(base: Path) -> bool:
    return not IS_POSIX or base.stat().st_uid in owners_in()


def _bases(environ: Environment) -> Iterator[Path]:
    """Yield where the folder may be, absolute: the CI job's own place, the session's, the temp folder."""
    cache = CacheDir.locate(environ, environ.get("ANT_CACHE_DIR"))
    if cache is not None and cache.via != "user":
        with contextlib.suppress(ConfigurationError):
            cache.prepare()
            yield cache.path.absolute()
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):  # only the session makes it
        yield Path(runtime)
    yield Path(environ.get("TMPDIR") or environ.get("TEMP") or "/tmp").absolute()  # noqa: S108  # random names in it


def _shared_bases(environ: Environment) -> Iterator[Path]:
    """Yield where other users reach the folder: what is private to this one does not do."""
    if os.path.isabs(environ.get("RUNNER_TEMP", "")):
        yield Path(environ["RUNNER_TEMP"])
    yield Path(environ.get("TMPDIR") or environ.get("TEMP") or "/tmp").absolute()  # noqa: S108  # random names in it


log = logging.getLogger("ant_wif.broker")

_LONGEST_SECONDS = 30.0
"""How long the thread sleeps at most: a suspended machine wakes to a token that may have expired."""
RETRY_SECONDS = 5.0


class TokenRenewer:
    """Hands each new token that `obtain` returns to `put`, until it is closed.

    `obtain` keeps to the schedule of `ant_wif._tokens.access_token`, as `Credentials.access_token` does, and refreshes
    a token `ahead` seconds before expiry if that is sooner. `put` raises AntWifError where it cannot take a token; that
    is tried again, after `retry_seconds` to twice as many: `draw` gives numbers between 0 and 1. After
    `close` it is not called.
    """

    def __init__(
        self,
        obtain: Callable[[], AccessToken],
        put: Callable[[AccessToken], None],
        *,
        ahead: float = 0,
        clock: Callable[[], float] = steady,
        retry_seconds: float = RETRY_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._obtain = obtain
        self._ahead = ahead
        self._put = put
        self._clock = clock
        self._retry_seconds, self._draw = retry_seconds, draw
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._handed: SecretStr | None = None
        self._thread = threading.Thread(target=self.run, daemon=True, name="ant-broker")

    def step(self) -> float:
        """Do what is due now; return in how many seconds to look again.

        Raises AntWifError: there is no token that could be used, or it cannot be handed over.
        """
        token = self._obtain()
        if not token.lasts(self._clock()):
            log.warning("the token has expired, and there is no newer one")
        if token.secret != self._handed:
            with self._lock:
                if not self._closed.is_set():
                    self._put(token)
                    self._handed = token.secret
        if token.expires_at is None:
            return _LONGEST_SECONDS
        left = fresh_between(token, self._ahead)[1] - self._clock()
        # When a refresh is due, several attempts are made before the token must not be used any more.
        return min(max(left, min(self._retry_seconds, token.mandatory / 2)), _LONGEST_SECONDS)

    def run(self) -> None:
        """Keep the token current on this thread, until the broker is closed."""
        wait = 0.0
        while not self._closed.wait(wait):
            try:
                wait = self.step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may do better
                log.warning("the token could not be refreshed: %s", sanitize(error))
                wait = self._retry_seconds * (1 + self._draw())

    def start(self) -> None:
        """Keep the token current on a thread of the broker's own."""
        self._thread.start()

    def close(self) -> None:
        """End that. What the thread is doing may go on for a while, without effect."""
        self._closed.set()
        with self._lock:
            pass

    def __enter__(self) -> TokenRenewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
