"""The configuration directory that all official tools share.

<config_dir>/active_config               the active profile's name
<config_dir>/configs/<profile>.json      not secret, 0644 in a 0755 folder
<config_dir>/credentials/<profile>.json  secret, 0600 in a 0700 folder
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ant_wif._config import locations as profile_names
from ant_wif._environment import HOME, NOWHERE, Environment
from ant_wif._files import (
    AS_OWNER,
    Draft,
    check_place,
    draft_of,
    owners_in,
    read_document,
    read_object,
    remove,
    try_lock,
    wide_text,
    write_atomically,
)
from ant_wif._secrets import SecretStr, facts_of, quoted, sanitize_path
from ant_wif.errors import ConfigurationError, ProfileError

if TYPE_CHECKING:
    from ant_wif._config.documents import Profile, StoredCredentials

__all__ = ["EXPORTED", "Active", "ConfigDir", "Via", "check_name"]

Via = Literal["flag", "env", "active_config", "default"]

log = logging.getLogger("ant_wif.profiles")

FILE_VERSION = "1.0"
EXPORTED = "ant-exec"
"""The profile that `ant exec` makes for the program it runs."""
_BELOW_EXEC = "run this program as the user of `ant exec`, or pass it the token: `ant exec --env`"
_FIXABLE = ("mend or remove", "have it written anew")
"""How the hints begin that are for a file of ours, and not for any file that a profile names."""
_ACTIVATE = "ant profile activate NAME"
_CORRECT_PATH = "correct authentication.credentials_path in the profile"


def check_name(name: object, *, found_in: str, hint: str | None = None) -> str:
    """Return `name` if it may be a profile's; `found_in` says in the message where it came from.

    Raises:
        ProfileError: it is not a text, is empty, starts with a dot or has characters that a file name should not.
    """
    if isinstance(name, str) and profile_names.is_name(name):
        return name
    raise ProfileError(
        f"{found_in} is not a valid profile name",
        facts=facts_of(
            name if isinstance(name, str) else type(name).__name__,
            "letters, digits, '_', '-' and '.', not starting with a dot, 200 at most",
        ),
        hint=hint or f"correct {found_in}",
    )


class Active(NamedTuple):
    """Which profile is meant, and by what: `via` is `flag`, `env`, `active_config` or `default`."""

    name: str
    via: Via

    @property
    def explicit(self) -> bool:
        return self.via in {"flag", "env"}


class ConfigDir:
    """The configuration directory; `via` is `flag`, `env` or `default`."""

    def __init__(self, path: Path, via: str = "flag", *, environ: Environment | None = None) -> None:
        self.path = path
        self.via = via
        self._environ = environ if environ is not None else Environment()

    @classmethod
    def locate(cls, environ: Environment, explicit: str | os.PathLike[str] | None = None) -> ConfigDir:
        """Find it, see `ant_wif._config.locations`."""
        path, via = profile_names.locate(environ, explicit)
        return cls(path, via, environ=environ)

    @property
    def is_nowhere(self) -> bool:
        """Whether it would be in the home of a user who has none."""
        return self.via == "default" and self.path.is_relative_to(NOWHERE)

    @property
    def owners(self) -> frozenset[int]:
        """Whose files are used here. Root in another user's home works for that user."""
        return owners_in(self._environ.home if self.via == "default" else None)

    def check(self, place: Path | None = None, *, what: str = "configuration directory") -> None:
        """Refuse a place in which another user could have put a profile: profiles name commands and hosts.

        Raises:
            ProfileError: what was found, with the command that mends it.
            ConfigurationError: the user has no home, in which the directory would be.
        """
        if self.is_nowhere:
            self._environ.require_home(" or ANTHROPIC_CONFIG_DIR")
        if self.via == "env" and str(self.path).startswith("~"):
            raise ProfileError(
                f"ANTHROPIC_CONFIG_DIR begins with a ~ that no shell has expanded: {sanitize_path(self.path)}",
                hint="write the path in full; for a folder of that name write ./~",
            )
        if self.via == "env" and os.path.exists(self.path) and not os.path.isdir(self.path):
            raise ProfileError(
                f"ANTHROPIC_CONFIG_DIR is not a directory: {sanitize_path(self.path)}",
                hint="set ANTHROPIC_CONFIG_DIR to a folder, or unset it",
            )
        # The folder of another user's `ant exec` must stay that user's, who renews the token in it.
        hint = _BELOW_EXEC if self._environ.text("ANTHROPIC_PROFILE") == EXPORTED else ""
        check_place(place or self.path, top=self.path, what=what, owners=self.owners, hint=hint)

    @property
    def pointer_path(self) -> Path:
        return self.path / "active_config"

    def config_path(self, name: str) -> Path:
        return self.path / "configs" / f"{check_name(name, found_in='the name')}.json"

    def credentials_path(self, name: str, override: str | None = None) -> Path:
        """Where a profile's secrets are: `authentication.credentials_path` if set, `~` expanded."""
        if override:
            return self._environ.expand(override)
        return self.path / "credentials" / f"{check_name(name, found_in='the name')}.json"

    def active(self, explicit: object = None, *, named_by: str = "--profile") -> Active:
        """Which profile is meant: the argument, `ANTHROPIC_PROFILE`, `active_config`, or `default`.

        `named_by` is what an error calls the argument.

        Raises:
            ProfileError: the name found is not one that a profile can have, or others could have put it there.
        """
        if explicit is not None:
            named = explicit.strip() if isinstance(explicit, str) else explicit
            return Active(check_name(named, found_in=named_by), "flag")
        stated = self._environ.text("ANTHROPIC_PROFILE")
        if stated:
            return Active(check_name(stated, found_in="ANTHROPIC_PROFILE"), "env")
        pointed = None
        if not self.is_nowhere:
            self.check(self.pointer_path, what="file")
            if wide := wide_text(self._pointer()):
                raise ProfileError(
                    f"the file {sanitize_path(self.pointer_path)} is {wide} text",
                    hint=f"save it as UTF-8, or run `{_ACTIVATE}`",
                )
            pointed = self.pointed()
        if pointed:
            found_in = f"the file {sanitize_path(self.pointer_path)}"
            hint = f"correct {found_in}, or run `{_ACTIVATE}`"
            return Active(check_name(pointed, found_in=found_in, hint=hint), "active_config")
        return Active("default", "default")

    def pointed(self) -> str | None:
        """What `active_config` says, trimmed; `None` if it is absent, empty or unreadable."""
        raw = self._pointer()
        return None if wide_text(raw) else raw.decode("utf-8-sig", "replace").strip() or None

    def _pointer(self) -> bytes:
        # The reader of a pipe waits for a writer.
        with contextlib.suppress(OSError):
            if self.pointer_path.is_file():
                with self.pointer_path.open("rb") as file:
                    return file.read(4096)
        return b""

    def _like(self, name: str) -> str:
        """Return the hint for a profile that does not exist: the one with a similar name, or how to create it."""
        from difflib import get_close_matches

        found = get_close_matches(name, self.names(), 1)
        create = f"`ant auth login --profile {name}` or `ant profile create` creates it"
        return f"{f'did you mean {found[0]!r}?' if found else f'{create};'} `ant profile list` lists the profiles"

    def names(self) -> list[str]:
        """The profiles there are, sorted.

        Raises:
            ProfileError: others could have put them there, or the folder cannot be read.
        """
        folder = self.path / "configs"
        if not self.is_nowhere:
            self.check(folder)
        try:
            os.scandir(folder).close()
        except PermissionError as error:
            raise ProfileError(
                f"{sanitize_path(folder)} cannot be read: {error.strerror}",
                hint=f"check its owner and mode, or set {HOME} or ANTHROPIC_CONFIG_DIR to a folder of this user's own",
            ) from None
        except OSError:
            return []
        return profile_names.names(self.path)

    def read(self, name: str) -> Profile:
        """Read and validate a profile's configuration.

        Raises:
            ProfileError: there is none, it is not what a profile looks like, or others could have written it.
        """
        path = self.config_path(name)
        self.check(path, what="profile")
        found = _profile(name, path, self.owners)
        if found is None and path.is_symlink():
            raise ProfileError(
                f"the profile {sanitize_path(path)} is a link to a file that is not there",
                hint=f"put the file there, or remove the link: ant profile delete {name}",
            )
        if found is None:
            raise ProfileError(
                f"the profile {quoted(name, limit=64)} does not exist: there is no file {sanitize_path(path)}",
                hint=self._like(name),
            )
        if isinstance(found, ProfileError):
            raise found
        return found

    def read_credentials(self, path: Path) -> StoredCredentials | None:
        """Read a credentials file, or return `None` if there is none.

        Raises:
            ProfileError: it is a symlink, others could read it, or it is not what it should be. A profile may name any
                file of the user's: one outside the folder of credentials has to hold an access token.
        """
        self._check_holder(path)
        found = _stored(path, self.owners)
        if isinstance(found, ProfileError):
            if self._is_elsewhere(path) and _is_wrong_path(path, found.hint or ""):
                found.hint = _CORRECT_PATH
            raise found
        if self._is_elsewhere(path):
            _refuse_other_files(path, found)
        return found

    def _is_elsewhere(self, path: Path) -> bool:
        return path.parent != self.path / "credentials"

    def write(self, name: str, document: Mapping[str, object]) -> Path:
        """Write a profile's configuration, readable by all: it holds no secret."""
        path = self.config_path(name)
        content = _encoded({"version": FILE_VERSION, **document})
        self.check(path.parent)
        write_atomically(path, lambda: content, mode=0o644, folder_mode=0o755, owners=self.owners)
        return path

    def draft_credentials(self, path: Path) -> Draft:
        """Prove that a credentials file can be replaced, before what it will hold is asked for.

        Raises:
            ProfileError: it cannot.
        """
        self.check_holder(path)
        return draft_of(path, mode=0o600, folder_mode=0o700, owners=self.owners)

    def check_holder(self, path: Path) -> None:
        """See that a credentials file may be written or removed: it is ours, or a profile names one elsewhere.

        Raises:
            ProfileError: others could have put it there, or it is not a credentials file.
        """
        self._check_holder(path)
        if self._is_elsewhere(path) and os.path.lexists(path):
            self.read_credentials(path)  # only a credentials file is replaced

    def _check_holder(self, path: Path) -> None:
        if self._is_elsewhere(path):
            check_place(path, top=None, what="credentials file", owners=self.owners)
        else:
            self.check(path.parent)

    def write_credentials(
        self, path: Path, changes: Mapping[str, object], draft: Draft | None = None, *, mode: int = 0o600
    ) -> None:
        """Write secrets, keeping every field of the present file that `changes` does not name; `None` drops one.

        Values of `changes` that are secret are `SecretStr`. A present file that cannot be used is replaced, unless
        writing there would be unsafe, or a profile names it elsewhere. `draft` is that of `draft_credentials`.

        Raises:
            ProfileError: the path is a symlink, or cannot be written.
        """
        self.check_holder(path)
        if path.is_symlink():
            read_object(path, what="credentials file", secret=True)

        def content() -> bytes:
            present: dict[str, object] = {}
            with contextlib.suppress(ProfileError):
                present = read_object(path, what="credentials file", secret=True, owners=self.owners) or {}
            merged = {**present, "version": FILE_VERSION, "type": "oauth_token", **changes}
            return _encoded({name: value for name, value in merged.items() if value is not None})

        write_atomically(path, content, mode=mode, folder_mode=0o700, owners=self.owners, draft=draft)

    def activate(self, name: str) -> None:
        """Make a profile the active one.

        Raises:
            ProfileError: there is no such profile, or it is broken.
        """
        self.read(name)
        write_atomically(self.pointer_path, f"{name}\n".encode, mode=0o644, folder_mode=0o700, owners=self.owners)

    def secrets_path(self, name: str) -> Path:
        """Where this profile's secrets are, as far as its configuration can be read."""
        override = None
        with contextlib.suppress(ProfileError):
            override = self.read(name).known.authentication.credentials_path
        return self.credentials_path(name, override)

    def forget(self, name: str) -> Path | None:
        """Remove a profile's secrets; return the path if there were any.

        Raises:
            ProfileError: others could have named the file, or it is elsewhere and no credentials file.
        """
        self.check(self.path / "configs")
        path = self.secrets_path(name)
        self.check_holder(path)
        if path != self.credentials_path(name) and os.path.lexists(path):
            stored = self.read_credentials(path)
            _refuse_other_files(path, stored)
            self._refuse_anothers(path, name, stored)
        return path if remove(path) else None

    def _refuse_anothers(self, path: Path, name: str, stored: StoredCredentials | None) -> None:
        """Refuse a file that a profile names and that holds the credentials of another, or a login it does not use."""
        real, whose = Path(os.path.realpath(path)), ""
        with contextlib.suppress(ProfileError):
            if stored is not None and stored.is_login and self.read(name).type != "user_oauth":
                whose = "a login"
        if real.parent == Path(os.path.realpath(self.path / "credentials")) and real.stem in {*self.names()} - {name}:
            whose = f"the credentials of the profile {real.stem!r}"
        if whose:
            raise ProfileError(
                f"{sanitize_path(path)} holds {whose} and is left alone",
                facts=(f"named by: authentication.credentials_path of the profile {name!r}",),
                hint=_CORRECT_PATH,
            )

    def delete(self, name: str) -> list[Path]:
        """Remove a profile with its secrets, and the pointer if it pointed there. Return what went."""
        gone = []
        try:
            gone += [path for path in [self.forget(name)] if path is not None]
        except ProfileError as error:
            self.check(self.path / "configs")
            log.warning("%s", error.summary)
        doomed = [self.config_path(name), *([self.pointer_path] if self.pointed() == name else [])]
        return [*gone, *(path for path in doomed if remove(path))]

    def forget_all(self) -> list[Path]:
        """Remove `configs/`, `credentials/` and `active_config`, never the directory. Return what went."""
        self.check(self.path / "configs")
        credentials = self.path / "credentials"
        if not credentials.is_symlink():  # through a link nothing is removed
            self.check(credentials)
        gone: list[Path] = []
        for folder in (credentials, self.path / "configs"):
            if folder.is_dir() and not folder.is_symlink():
                found = [entry for entry in sorted(folder.iterdir()) if entry.is_symlink() or not entry.is_dir()]
                gone += [entry for entry in found if entry.suffix == ".json" and remove(entry)]
                for lock in found:
                    if lock.name.startswith(".") and lock.name.endswith(".json.lock"):
                        _remove_unless_held(lock)
                with contextlib.suppress(OSError):
                    folder.rmdir()
        if remove(self.pointer_path):
            gone.append(self.pointer_path)
        return gone


def _refuse_other_files(path: Path, stored: StoredCredentials | None) -> None:
    if stored is not None and stored.access_token is None:
        raise ProfileError(
            f"{sanitize_path(path)} is not a credentials file and is left alone",
            facts=("named by: authentication.credentials_path of the profile",),
            hint=_CORRECT_PATH,
        )


def _is_wrong_path(path: Path, hint: str) -> bool:
    """Whether a profile is wrong about its credentials file, and not the file, as `hint` says."""
    if hint.startswith(("chmod", "chown", AS_OWNER)):  # a regular file that could be opened
        with contextlib.suppress(ConfigurationError):
            return "access_token" not in read_document(path, what="credentials file", hint="")
    return hint.startswith((*_FIXABLE, "chmod", "chown", AS_OWNER, f"move {sanitize_path(path)}"))


def _remove_unless_held(lock: Path) -> None:
    """Without its file a lock that is held would be no lock for the next one."""
    with contextlib.suppress(OSError):
        release = try_lock(lock)
        if release is not None:
            remove(lock)
            release()


def _profile(name: str, path: Path, owners: frozenset[int]) -> Profile | ProfileError | None:
    """Read and validate in a frame that no error passes through, as `_stored` does."""
    try:
        document = read_object(path, what="profile", secret=False, owners=owners)
    except ProfileError as error:
        return error
    if document is None:
        return None
    from ant_wif._config.documents import Profile

    return Profile.parse(name, path, document)


def _stored(path: Path, owners: frozenset[int]) -> StoredCredentials | ProfileError | None:
    """Read and validate in a frame that no error passes through, because it holds the bare secrets."""
    try:
        document = read_object(path, what="credentials file", secret=True, owners=owners)
    except ProfileError as error:
        return error
    if document is None:
        return None
    from ant_wif._config.documents import StoredCredentials

    return StoredCredentials.parse(path, document)


def _encoded(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, indent=2, default=_plain) + "\n").encode()


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
