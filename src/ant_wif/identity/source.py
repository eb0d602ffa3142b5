"""The one shape of every identity source, and what it is handed to work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._environment import Environment, steady
from ant_wif._http import Flow
from ant_wif._secrets import SecretStr, is_sendable
from ant_wif.errors import IdentitySourceError, IdentityTokenError
from ant_wif.identity.token import IdentityToken, parse


class Job(NamedTuple):
    """What a CI system sets in a job: the variables of its temporary folder and of its id, where it has them."""

    temporary_folder: str | None = None
    id: str | None = None


@dataclass(frozen=True, eq=False)
class Context:
    """What a source may look at: the environment, the audience to ask for, the time (unix seconds)."""

    environ: Environment = field(default_factory=Environment)
    audience: str = DEFAULT_AUDIENCE
    clock: Callable[[], float] = steady
    root: Path = Path("/")
    """Where the file system begins, for what lies at a fixed path: mounts, and what the firmware says."""
    path_named_by: str = "the program"
    """The option, variable or profile that names the path of a token file."""

    def locate(self, path: str) -> Path:
        """Return where a fixed path lies, `~` expanded."""
        return self.root / str(self.environ.expand(path)).lstrip("/")

    def parse(self, source: IdentitySource, raw: SecretStr, *, audience: str | None, place: str = "") -> IdentityToken:
        """Check a token that `source` handed out; `audience` only where the source promised one.

        `place` is what messages say it came from, by default the source's description.
        """
        said = place or source.description
        return parse(raw, source=said, audience=audience, now=self.clock(), just_minted=source.renewable)

    def header_value(self, name: str) -> SecretStr:
        """Return the secret in a variable that is sent in a header, without blanks and line breaks around it.

        Raises:
            IdentitySourceError: a header cannot carry it.
        """
        found = SecretStr(self.environ[name].strip())
        if not is_sendable(found):
            raise IdentitySourceError(
                f"{name} holds a blank, a line break or another character that no HTTP header can carry",
                hint=f"correct {name}: it may hold printable ASCII characters without blanks only",
            )
        return found

    def require_process_environment(self, source: IdentitySource, library: str) -> None:
        """Refuse an environment that was passed in, on behalf of a library that reads the process's own.

        Raises:
            IdentitySourceError: this one is not the process's.
        """
        if not self.environ.is_live:
            raise IdentitySourceError(
                f"the identity source {source.source} works through {library}, which reads the environment of the "
                "process, and another one was passed in",
                hint="leave out environ=, and set the variables of the process",
            )


@dataclass(frozen=True, eq=False)
class Detection:
    """Whether a platform was recognised, and by what. `found` is the source to use if it was.

    `near_miss` says what is missing of a platform that is configured in part. Then no identity `of_machine`, which
    all that run on the machine share, is used in its place: another identity has other permissions.
    """

    name: str
    reason: str
    found: IdentitySource | None = None
    near_miss: IdentitySourceError | None = None
    of_machine: bool = False

    @property
    def detected(self) -> bool:
        return self.found is not None


class IdentitySource(ABC):
    """Where an identity token comes from.

    A source is a frozen dataclass; its fields are what a profile may say under `identity_token`,
    `source` among them with the source's name as its only value.
    """

    source: str
    """The name: of `--identity-source`, `ANT_IDENTITY_SOURCE` and a profile's `identity_token.source`."""
    title: ClassVar[str]
    """What a person calls it."""
    renewable: ClassVar[bool] = False
    """Whether `fetch` gets a new token each time. Assertions are single-use, so this decides retries."""
    signs: ClassVar[tuple[str, ...]] = ()
    """Variables by any of which `detect` recognises the platform."""
    undetected: ClassVar[str] = ""
    """The reason that `detect` gives where none of them is set, if there are none or it is something else."""

    @classmethod
    def detect(cls, context: Context) -> Detection:
        """Say whether this process runs on the platform. Cheap; touches no network."""
        found = next((name for name in cls.signs if name in context.environ), None)
        if found is None:
            unset = none_is_set(*cls.signs) if cls.signs else "only by configuration"
            return not_detected(cls.source, cls.undetected or unset)
        return detected(cls(), f"{found} is set")

    @classmethod
    def detect_machine(cls, context: Context) -> Detection:
        """Say whether the machine is one of the platform, where no variable says so. Touches no network either.

        It is for sources of other packages; those of this one are recognised by what `BUILT_IN` says.
        """
        return not_detected(cls.source, "")

    @abstractmethod
    def fetch(self, context: Context) -> Flow[IdentityToken]:
        """Obtain a token for `context.audience`.

        Raises:
            IdentitySourceError: the platform hands none out.
            IdentityTokenError: what it handed out cannot be exchanged.
        """

    def another(self, used: IdentityToken, context: Context) -> Flow[IdentityToken]:
        """Obtain a token in place of one that was used already: by fetching again, unless a source knows better.

        If no new token is issued, the result may be the same one.
        """
        return self.fetch(context)

    def at_hand(self, context: Context) -> SecretStr | None:
        """Return the token that is there without asking anybody, unchecked; `None` if one is issued on demand."""
        return None

    def unmet(self, context: Context) -> IdentitySourceError | None:
        """What is known, without asking anybody, to make `fetch` fail."""
        return None

    def require_met(self, context: Context) -> None:
        """Raise what `unmet` returns, if it returns anything."""
        unmet = self.unmet(context)
        if unmet is not None:
            raise unmet

    def unusable(self, context: Context) -> IdentityTokenError | None:
        """What makes `fetch` fail at present, for the status: as `unmet`, or that the token at hand is refused."""
        raw = self.at_hand(context)
        if raw is None:
            return self.unmet(context)
        return self.unmet(context) or refused(lambda: context.parse(self, raw, audience=None))

    def asks_for(self, context: Context) -> str:
        """What it is asked for or where it looks, for a person to read."""
        return f"audience {getattr(self, 'audience', None) or context.audience}"

    @property
    def description(self) -> str:
        """What messages call this source."""
        return self.title


def detected(source: IdentitySource, reason: str, *, of_machine: bool = False) -> Detection:
    """Return that this machine has a source, with the reason in a few words."""
    return Detection(source.source, reason, source, of_machine=of_machine)


def refused(read: Callable[[], object]) -> IdentityTokenError | None:
    """Return why `read` refuses the token that is at hand, or `None`."""
    try:
        read()
    except IdentityTokenError as error:
        return error
    return None


def nearly_detected(name: str, reason: str, remedy: str) -> Detection:
    """Return what is known of a platform that is configured in part, with what completes it."""
    return Detection(name, f"{reason}; {remedy}", near_miss=IdentitySourceError(reason, hint=remedy))


def none_is_set(*names: str) -> str:
    """Say of variables that they are not set, in a reason."""
    most, last = ", ".join(names[:-1]), names[-1]
    return f"{most} and {last} are not set" if most else f"{last} is not set"


def not_detected(name: str, reason: str) -> Detection:
    """Return that this machine does not have the source of that name, with the reason in a few words."""
    return Detection(name, reason)
