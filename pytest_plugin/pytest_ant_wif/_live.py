"""The one live credential of a run: resolved here, or in the process that controls this one."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ant_wif._options import profile_of

if TYPE_CHECKING:
    from ant_wif._http import Flow
    from ant_wif._secrets import SecretStr
    from ant_wif._tokens import AccessToken, TokenRequest
    from ant_wif.credentials import Credentials

_CHANNEL = "ant_wif"
_ANSWER_SECONDS = 180
_LOCK = threading.RLock()
_RESOLVED = pytest.StashKey["Credentials"]()


class NoLiveCredentialError(Exception):
    """The environment offers no credential; the message says what was looked at and what to do."""


def live_credentials(config: pytest.Config) -> Credentials:
    """Return the run's credential. Of all workers of pytest-xdist, the controller alone obtains tokens.

    Raises NoLiveCredentialError: there is none.
    """
    with _LOCK:
        if _RESOLVED not in config.stash:
            channel = getattr(config, "workerinput", {}).get(_CHANNEL)
            config.stash[_RESOLVED] = _resolve(config) if channel is None else _relayed(channel)
        return config.stash[_RESOLVED]


# Their libraries read the environment of the process at each use, and nothing else.
_READ_BY_THEIR_LIBRARIES = {"aws", "google_cloud"}


def _resolve(config: pytest.Config) -> Credentials:
    import ant_wif
    from ant_wif._config import check_name

    # What tests do to the environment must not reach the credential of the run: it has a copy.
    environ, profile = dict(os.environ), profile_of(config)
    try:
        if profile is not None:
            check_name(profile.strip(), found_in="--ant-profile")
        credentials = ant_wif.resolve(profile=profile, environ=environ)
        by_library = credentials.identity_source in _READ_BY_THEIR_LIBRARIES
        return ant_wif.resolve(profile=profile) if by_library else credentials
    except ant_wif.AntWifError as error:
        raise NoLiveCredentialError(_in_words(error)) from None


def _in_words(error: BaseException) -> str:
    hint = getattr(error, "hint", None)
    return f"{error}\nhint: {hint}" if hint else str(error)


def join_workers(config: pytest.Config, node: Any) -> None:
    """Give a worker that is about to start a channel on which it asks for tokens.

    A channel of execnet reaches remote workers too, and no process list shows what passes through it.
    """
    channel = node.gateway.newchannel()
    channel.setcallback(lambda question: channel.send(_answer(config, question)))
    node.workerinput[_CHANNEL] = channel


def _answer(config: pytest.Config, question: dict[str, Any]) -> dict[str, Any]:
    """Answer one worker. Runs in the thread that receives from it, so others go on."""
    try:
        credentials = live_credentials(config)
        rejected = question.get("rejected")
        if rejected is not None and _sha256(credentials.access_token().secret) == rejected:
            credentials.invalidate()
        token = credentials.access_token()
        if question.get("about"):
            about = {name: getattr(credentials, name) for name in _ABOUT}
            return {**about, "workspace_header": "anthropic-workspace-id" in credentials.headers()}
    except Exception as error:  # noqa: BLE001 - the worker is to say it, whatever it is
        return {"error": _in_words(error)}
    return {
        "token": token.secret.get_secret_value(),
        "expires_at": token.expires_at,
        "lifetime": None if token.lifetime is None else float(token.lifetime),
    }


_ABOUT = ("source", "origin", "base_url", "organization_id", "workspace_id", "identity_source")


def _relayed(channel: Any) -> Credentials:
    from ant_wif.credentials import Credentials

    relay = _Relay(channel)
    about = relay.ask({"about": True})
    if "error" in about:
        raise NoLiveCredentialError(about["error"])
    return Credentials(relay, **about)


@dataclass
class _Relay:
    """A provider that asks the controller; see `ant_wif._tokens.providers.Provider`."""

    channel: Any
    held: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        from ant_wif._http import call

        return (yield from call(lambda: self._token(wanted)))

    def _token(self, wanted: TokenRequest) -> AccessToken:
        from ant_wif._secrets import SecretStr
        from ant_wif._tokens import AccessToken
        from ant_wif.errors import AntWifError

        rejected = None if wanted.rejected is None else _sha256(wanted.rejected)
        answer = self.ask({"rejected": rejected})
        if "error" in answer:
            raise AntWifError(answer["error"])
        return AccessToken(SecretStr(answer["token"]), answer["expires_at"], answer["lifetime"])

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ask the controller, one question at a time."""
        with self._lock:
            try:
                self.channel.send(question)
                answer: dict[str, Any] = self.channel.receive(_ANSWER_SECONDS)
            except (EOFError, OSError, self.channel.TimeoutError) as error:
                return {"error": f"the controlling process does not answer ({type(error).__name__})"}
        return answer


def _sha256(secret: SecretStr) -> str:
    return hashlib.sha256(secret.get_secret_value().encode()).hexdigest()
