"""The shared folder: files and folders that cannot be trusted, CI jobs, and processes that share one exchange."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ant_wif
from ant_wif._config.cache_dir import CacheDir
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._files import try_lock
from ant_wif._http import Flow, Response
from ant_wif._http import run as drive
from ant_wif._secrets import SecretBytes, SecretStr
from ant_wif._tokens.access_token import AccessToken, TokenRequest
from ant_wif._tokens.assertion_log import DENIED, GRANTED, UNKNOWN, USED, AssertionLog, AssertionUse, earlier_use
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.shared_refresh import refresh_shared
from ant_wif._tokens.store import CacheKey, CacheStore, ProfileStore, cached_tokens, forget_cached_tokens
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import AntWifError, ConfigurationError, ExchangeError, IdentityTokenReusedError
from ant_wif.identity import IdentityToken
from support import preloaded
from support.clock import Clock
from support.jobs import federation_of, profile_of
from support.misbehaving_server import GENEROUS_SECONDS, HostileServer, denial, forged_jwt, grant, reply
from support.processes import forked
from support.samples import ORGANIZATION, RULE

PLANTED = "sk-ant-oat01-planted"
SOMEBODY = 12345
PRINT = (sys.executable, "-m", "ant_cli", "auth", "print-credentials", "--access-token")
A_DAY = 24 * 3600

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@dataclass(frozen=True)
class Job:
    """A CI job that has its federation from the environment, and a token file that something else rotates."""

    root: Path
    federation: Mapping[str, str]
    issue: Callable[[], str]

    @property
    def folder(self) -> Path:
        return self.root / "cache"

    @property
    def environ(self) -> dict[str, str]:
        named = {"ANTHROPIC_IDENTITY_TOKEN_FILE": str(self.root / "identity"), "ANT_CACHE_DIR": str(self.folder)}
        return {**self.federation, **named}

    def rotate(self) -> None:
        (self.root / "identity").write_text(self.issue())

    def token(self, *, client: httpx.Client | None = None, **changes: str) -> str:
        """The token that a process would get that starts now."""
        return ant_wif.resolve(environ={**self.environ, **changes}, http_client=client).token()

    def entry(self) -> Path:
        (found,) = self.folder.glob("*.json")
        return found

    def record(self) -> Path:
        (found,) = (self.folder / "spent").glob("*.json")
        return found


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Job:
    found = Job(tmp_path, federation_of(emulator.env()), emulator.issue)
    found.rotate()
    return found


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(reply(grant())) as started:
        yield started


@pytest.fixture
def hostile_job(server: HostileServer, tmp_path: Path) -> Job:
    """The same before a server that grants whatever is presented."""
    names = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
    federation = {"ANTHROPIC_BASE_URL": server.base_url, **names}
    found = Job(tmp_path, federation, lambda: forged_jwt({"jti": uuid.uuid4().hex}))
    found.rotate()
    return found


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as opened:
        yield opened


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[str]]:
    """What the store logged at one level since the start of the test."""
    caplog.set_level(logging.DEBUG, logger="ant_wif.store")
    return lambda level: [record.getMessage() for record in caplog.records if record.levelno == level]


def run(*words: str, environ: Mapping[str, str] | None = None, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return preloaded.run(
        words, env=environ, umask=umask, check=False, capture_output=True, text=True, timeout=GENEROUS_SECONDS
    )


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- a file that cannot be used ---------------------------------------------------------------------

Spoil = Callable[[Path], object]


def cut(keep: Callable[[int], int]) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[: keep(path.stat().st_size)])


def holding(content: bytes) -> Spoil:
    return lambda path: path.write_bytes(content)


def saying(**changes: object) -> Spoil:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def as_link(path: Path) -> None:
    real = path.rename(path.parent.parent / "elsewhere.json")
    path.symlink_to(real)


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


SPOILED: dict[str, Spoil] = {
    "empty": holding(b""),
    "cut after a byte": cut(lambda _: 1),
    "cut in the middle": cut(lambda size: size // 2),
    "cut before its last brace": cut(lambda size: size - 2),
    "of an older version": saying(version=0),
    "of a newer version": saying(version=2),
    "not JSON": holding(b"sk-ant-oat01-just-a-token\n"),
    "binary": holding(b"\x80\xff\x00"),
    "a JSON list": holding(b"[1, 2]"),
    "JSON nested deep": holding(b"[" * 100_000),
    "larger than a MiB": holding(b" " * (1 << 20) + b"{}"),
    "readable by the group": lambda path: path.chmod(0o640),
    "readable by the world": lambda path: path.chmod(0o604),
    "a link": as_link,
    "a FIFO": as_fifo,
}
GIVEN_AWAY: dict[str, Spoil] = {"another user's": lambda path: os.chown(path, SOMEBODY, SOMEBODY)}
WRONG_ENTRIES: dict[str, Spoil] = {
    "of another federation": lambda path: saying(
        minted_for={**json.loads(path.read_text())["minted_for"], "workspace_id": "wrkspc_other"}
    )(path),
    "of no federation": saying(minted_for={}),
    "of a federation of numbers": saying(minted_for={"workspace_id": 1}),
    "a token with a line break": saying(access_token=f"{PLANTED}\nX-Injected: 1"),
    "a token that is a number": saying(access_token=1),
    "an empty token": saying(access_token=""),
    **{
        f"expiring at {value!r}": saying(expires_at=value)
        for value in (-1, 1.8e9 + 0.5, 1e30, 10**30, float("nan"), float("inf"), "1800000000", None)
    },
}
WRONG_RECORDS: dict[str, Spoil] = {
    "of an unknown outcome": saying(outcome="maybe"),
    "of a status in words": saying(status="401"),
    "of an outcome that is a list": saying(outcome=[]),
    "of a time in words": saying(at="today"),
    "of a time that is none": saying(at=float("nan")),
    "of a program with a line break": saying(program="a\nb"),
    "of a request id with an escape": saying(request_id="\x1b[31m"),
}


def table(*tables: Mapping[str, Spoil]) -> pytest.MarkDecorator:
    rows = [
        pytest.param(spoil, id=name, marks=[as_root] if each is GIVEN_AWAY else [])
        for each in tables
        for name, spoil in each.items()
    ]
    return pytest.mark.parametrize("spoil", rows)


def test_an_entry_that_is_in_order_is_served_to_the_next_process(job: Job, emulator: Emulator) -> None:
    """Without which the tests below would prove nothing."""
    job.token()
    saying(access_token=PLANTED)(job.entry())
    assert job.token() == PLANTED
    assert emulator.exchanges == 1


@table(SPOILED, GIVEN_AWAY, WRONG_ENTRIES)
def test_an_entry_that_cannot_be_used_is_ignored_with_one_debug_line_and_replaced(
    spoil: Spoil, job: Job, emulator: Emulator, lines: Callable[[int], list[str]]
) -> None:
    job.token()
    entry = job.entry()
    saying(access_token=PLANTED)(entry)
    spoil(entry)
    job.rotate()
    token = job.token()
    assert token != PLANTED
    assert emulator.exchanges == 2
    said = set(lines(logging.DEBUG))
    assert len(said) == 1, said
    assert str(entry) in said.pop()
    assert lines(logging.WARNING) == []
    status = entry.lstat()
    assert (stat.S_ISREG(status.st_mode), mode_of(entry), status.st_uid) == (True, 0o600, os.geteuid())
    assert job.token() == token, "what was put in its place serves"
    assert emulator.exchanges == 2


def test_the_target_of_a_linked_entry_stays_as_it_is(job: Job) -> None:
    job.token()
    entry, elsewhere = job.entry(), job.root / "elsewhere.json"
    as_link(entry)
    before = elsewhere.read_bytes(), elsewhere.stat().st_mtime_ns
    job.rotate()
    job.token()
    assert (elsewhere.read_bytes(), elsewhere.stat().st_mtime_ns) == before
    assert not entry.is_symlink()


@pytest.mark.parametrize("place", ["*.json", "*.lock", "spent/*.json"], ids=["entry", "lock", "record"])
def test_a_folder_in_the_place_of_a_file_is_left_alone_and_the_call_works_from_memory(
    place: str, job: Job, emulator: Emulator
) -> None:
    (job.root / "identity").write_text(emulator.issue(jti=None))
    job.token()
    # Some releases of filelock remove the lock's file when the lock is released.
    (path,) = job.folder.glob(place) if place != "*.lock" else [job.entry().with_suffix(".lock")]
    for file in (*job.folder.glob("*.*"), path):
        file.unlink(missing_ok=True)
    path.mkdir()
    (path / "kept").touch()
    credentials = ant_wif.resolve(environ=job.environ)
    assert credentials.token() == credentials.token()
    assert emulator.exchanges == 2
    assert everything_in(path) == ["kept"]


@table(SPOILED, GIVEN_AWAY, WRONG_RECORDS)
def test_a_record_that_cannot_be_used_is_ignored_with_one_debug_line_and_replaced(
    spoil: Spoil, hostile_job: Job, server: HostileServer, lines: Callable[[int], list[str]]
) -> None:
    server.behaviour = denial()
    for _ in range(2):
        with pytest.raises(ExchangeError):
            hostile_job.token()
    assert len(server.requests) == 1, "a record that is in order is heeded"
    server.behaviour = reply(grant())
    record = hostile_job.record()
    spoil(record)
    assert hostile_job.token() == grant()["access_token"]
    assert len(server.requests) == 2
    status = record.lstat()
    assert (stat.S_ISREG(status.st_mode), mode_of(record), status.st_uid) == (True, 0o600, os.geteuid())
    assert json.loads(record.read_text())["outcome"] == "granted"
    said = {line for line in lines(logging.DEBUG) if str(record) in line or "record" in line}
    assert len(said) == 1, said
    assert str(record) in said.pop()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, -(10**12)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutations(content: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes; the content cut; the content with other values in some of its fields."""
    fields = json.loads(content)
    inner = fields.get("minted_for", {})
    changed = st.dictionaries(st.sampled_from(sorted(fields)), JSON, max_size=3).map(
        lambda changes: {**fields, **changes}
    )
    if inner:
        changed |= st.dictionaries(st.sampled_from(sorted(inner)), JSON).map(
            lambda changes: {**fields, "minted_for": {**inner, **changes}}
        )
    cuts = st.integers(0, len(content)).map(lambda at: content[:at])
    return st.binary(max_size=300) | cuts | changed.map(lambda document: json.dumps(document).encode())


@pytest.fixture
def seeded(hostile_job: Job, client: httpx.Client) -> dict[str, tuple[Path, bytes]]:
    """Where the entry and the record are, and what stands in them."""
    hostile_job.token(client=client)
    found = {"entry": hostile_job.entry(), "record": hostile_job.record()}
    return {name: (path, path.read_bytes()) for name, path in found.items()}


@pytest.mark.parametrize("which", ["entry", "record"])
@relaxed
@given(data=st.data())
def test_any_bytes_give_a_working_call_or_a_typed_error(
    data: st.DataObject, which: str, hostile_job: Job, seeded: dict[str, tuple[Path, bytes]], client: httpx.Client
) -> None:
    path, content = seeded[which]
    seeded["entry"][0].unlink(missing_ok=True)
    path.write_bytes(data.draw(mutations(content)))
    path.chmod(0o600)
    with contextlib.suppress(AntWifError):
        assert re.fullmatch(r"[!-~]+", hostile_job.token(client=client))


# --- a folder that cannot be used -------------------------------------------------------------------


def a_link(root: Path) -> Path:
    (root / "real").mkdir(mode=0o700)
    (root / "link").symlink_to(root / "real")
    return root / "link"


def a_dangling_link(root: Path) -> Path:
    (root / "link").symlink_to(root / "nowhere")
    return root / "link"


def with_mode(mode: int) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / "open").mkdir()
        (root / "open").chmod(mode)
        return root / "open"

    return make


def of_somebody(root: Path) -> Path:
    (root / "theirs").mkdir(mode=0o700)
    os.chown(root / "theirs", SOMEBODY, SOMEBODY)
    return root / "theirs"


def a_file(root: Path) -> Path:
    (root / "file").write_text("a file")
    return root / "file"


def of_somebodys_group(root: Path) -> Path:
    folder = with_mode(0o770)(root)
    os.chown(folder, -1, SOMEBODY)
    return folder


FOLDERS = pytest.mark.parametrize(
    "make",
    [
        pytest.param(a_link, id="a link"),
        pytest.param(a_dangling_link, id="a dangling link"),
        pytest.param(of_somebody, id="another user's", marks=as_root),
        pytest.param(of_somebodys_group, id="writable by another group", marks=as_root),
        pytest.param(with_mode(0o702), id="writable by the world"),
        pytest.param(with_mode(0o1777), id="sticky"),
        pytest.param(a_file, id="a file"),
        pytest.param(lambda root: a_file(root) / "below", id="below a file"),
        pytest.param(lambda _root: Path("/proc") / uuid.uuid4().hex, id="where nothing can be made"),
    ],
)


@FOLDERS
def test_a_folder_that_cannot_be_trusted_stays_empty_and_calls_work_from_memory_after_one_warning(
    make: Callable[[Path], Path], job: Job, emulator: Emulator, lines: Callable[[int], list[str]]
) -> None:
    folder = make(job.root)
    before = everything_in(job.root)
    credentials = ant_wif.resolve(environ={**job.environ, "ANT_CACHE_DIR": str(folder)})
    assert credentials.token() == credentials.token()
    (warning,) = lines(logging.WARNING)
    assert str(folder) in warning
    assert everything_in(job.root) == before
    job.rotate()
    assert job.token(ANT_CACHE_DIR=str(folder)) != credentials.token()
    assert lines(logging.WARNING) == [warning], "once in a process is enough"
    assert emulator.exchanges == 2


@pytest.mark.parametrize(
    "changes",
    [{"ANT_CACHE": "memory"}, {"ANT_CACHE": "off"}, {"ANT_CACHE_DIR": ""}],
    ids=["in memory", "off", "without a home"],
)
def test_without_a_folder_the_call_works_from_memory(changes: dict[str, str], job: Job, emulator: Emulator) -> None:
    credentials = ant_wif.resolve(environ={**job.environ, **changes})
    assert credentials.token() == credentials.token()
    job.rotate()
    assert job.token(**changes) != credentials.token()
    assert emulator.exchanges == 2
    assert everything_in(job.root) == ["identity"]


@pytest.mark.parametrize("umask", [0o022, 0o002], ids=lambda umask: f"{umask:03o}")
@pytest.mark.parametrize(
    "place",
    [{"ANT_CACHE_DIR": "{root}/new/cache"}, {"HOME": "{root}/new"}, {"BUILDKITE": "true", "BUILDKITE_JOB_ID": "018f"}],
    ids=["stated", "the user's", "a job's"],
)
def test_folders_are_this_users_own_and_so_are_the_files_whatever_the_umask(
    place: dict[str, str], umask: int, job: Job
) -> None:
    where = {name: value.format(root=job.root) for name, value in place.items()}
    home = job.root / "new"
    environ = {**job.environ, "ANT_CACHE_DIR": "", "HOME": str(home), **where}
    done = run(*PRINT, environ=environ, umask=umask)
    assert done.returncode == 0, done.stderr
    (entry,) = (path for path in home.rglob("*.json") if path.parent.name != "spent")
    assert {mode_of(path) for path in entry.parent.rglob("*") if path.is_file()} == {0o600}
    assert mode_of(entry.parent) == mode_of(entry.parent / "spent") == 0o700
    cache = next((path for path in entry.parents if path.name == "ant-wif"), entry.parent)
    loose = {
        str(path.relative_to(home)): oct(mode_of(path)) for path in (cache, *cache.rglob("*")) if mode_of(path) & 0o022
    }
    assert not loose, "what others may write, they may replace; and this user's next process refuses it"


def test_on_a_full_disk_the_token_is_printed_and_nothing_is_left_behind(job: Job) -> None:
    full = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "sys.argv = ['ant', 'auth', 'print-credentials', '--access-token']; "
        "runpy.run_module('ant_cli', run_name='__main__')"
    )
    done = run(sys.executable, "-c", full, environ=job.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sk-ant-oat01-")
    left = [path for path in job.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_on_a_read_only_file_system_the_token_is_printed_after_one_warning(job: Job) -> None:
    job.folder.mkdir(mode=0o700)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && shift 0 && exec "$@"'
    unshared = ("unshare", "-m", "sh", "-c", script, str(job.folder))
    if shutil.which("unshare") is None or run(*unshared, "true").returncode:
        pytest.skip("nothing can be mounted here")
    done = run(*unshared, *PRINT, environ={**job.environ, "PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sk-ant-oat01-")
    assert done.stderr.count("tokens are not shared") == 1
    assert list(job.folder.iterdir()) == []


# --- what is decided about it -----------------------------------------------------------------------

NOW = 1_800_000_000
FEDERATION = Federation("https://api.example", "fdrl_01", ORGANIZATION, "svac_01", "wrkspc_01")
KEY = CacheKey.of(FEDERATION, "file", ("https://issuer.example", "repo:acme/app"))
TOKEN = AccessToken(SecretStr("kept"), NOW + 600, 600)


class Kept:
    """A store in memory, with a lock in a folder of its own."""

    def __init__(self, folder: Path, token: AccessToken | None = None, *, problem: str = "") -> None:
        self.lock_path, self.token, self.problem, self.swept = folder / "lock", token, problem, 0

    def read(self) -> AccessToken | None:
        return self.token

    def write(self, token: AccessToken) -> None:
        self.token = token

    def prepare(self) -> None:
        if self.problem:
            raise ConfigurationError(self.problem)

    def sweep(self) -> None:
        self.swept += 1


NEW, FAILED = AccessToken(SecretStr("new"), NOW + 3600, 3600), ExchangeError("down")
REUSED = IdentityTokenReusedError("used", used_at=NOW, used_by="another")


@pytest.mark.parametrize(
    ("left", "wanted", "outcome", "served", "asked"),
    [
        (121, {}, NEW, "kept", []),
        (120, {}, NEW, "new", [True]),
        (30, {}, NEW, "new", [False]),
        (30, {"has_spare": True}, NEW, "new", [True]),
        (600, {"rejected": SecretStr("kept")}, NEW, "new", [False]),
        (600, {"rejected": SecretStr("other")}, NEW, "kept", []),
        (300, {"ahead": 301}, NEW, "new", [True]),
        (300, {"ahead": 299}, NEW, "kept", []),
        (120, {}, FAILED, "kept", [True]),
        (30, {}, FAILED, "down", [False]),
        (120, {}, REUSED, "kept", [True]),
        (2, {}, REUSED, "kept", [False]),
        (1, {}, REUSED, "used", [False]),
        (600, {"rejected": SecretStr("kept")}, REUSED, "used", [False]),
        (None, {}, FAILED, "down", [False]),
        (None, {}, NEW, "new", [False]),
    ],
)
def test_a_process_takes_what_is_kept_or_obtains_another_under_the_lock(
    left: int | None, wanted: dict[str, Any], outcome: AccessToken | AntWifError, served: str, asked: list[bool],
    tmp_path: Path, lines: Callable[[int], list[str]],
) -> None:  # fmt: skip
    store, spares = Kept(tmp_path, None if left is None else TOKEN), list[bool]()

    def obtain(asked_for: TokenRequest) -> Flow[AccessToken]:
        spares.append(asked_for.has_spare)
        assert asked_for._replace(has_spare=False, ran_out=False) == TokenRequest(**{**wanted, "has_spare": False})
        assert asked_for.ran_out == (left == 1), "no caller can use it any more"
        assert try_lock(store.lock_path) is None
        yield from ()
        if isinstance(outcome, AntWifError):
            raise outcome
        return outcome

    flow = refresh_shared(store, obtain, TokenRequest(**wanted), lambda: NOW + 600 - (left or 0))
    try:
        found = drive(flow, None).secret.get_secret_value()
    except AntWifError as error:
        found = error.summary
    assert (found, spares, store.swept) == (served, asked, len(asked))
    said = "the stored token could not be refreshed and is used while it lasts: "
    kept_on = isinstance(outcome, AntWifError) and served == "kept"
    assert lines(logging.WARNING) == ([f"{said}{outcome}"] if kept_on else [])
    free = try_lock(store.lock_path)
    assert free is not None, "the lock is released"
    free()


def test_while_another_has_the_lock_a_token_that_is_soon_due_serves(tmp_path: Path) -> None:
    release = try_lock(tmp_path / "lock")
    assert release is not None
    flow = refresh_shared(Kept(tmp_path, TOKEN), pytest.fail, TokenRequest(), lambda: NOW + 500)
    assert drive(flow, None) is TOKEN
    release()


@pytest.mark.parametrize("problem", ["cannot be used", "it is a link", "Is a directory"])
def test_where_there_can_be_no_lock_a_process_goes_on_alone_after_one_warning(
    problem: str, tmp_path: Path, lines: Callable[[int], list[str]]
) -> None:
    store = Kept(tmp_path, problem=f"{tmp_path} {problem}" if problem == "cannot be used" else "")
    store.lock_path = tmp_path / str(uuid.uuid4())  # a warning is given once in a process
    if problem == "it is a link":
        store.lock_path.symlink_to(f"{tmp_path}/elsewhere")
    elif problem == "Is a directory":
        store.lock_path.mkdir()

    def obtain(_: TokenRequest) -> Flow[AccessToken]:
        yield from ()
        return NEW

    for _ in range(2):
        assert drive(refresh_shared(store, obtain, TokenRequest(), lambda: NOW), None) is NEW
    (warning,) = lines(logging.WARNING)
    why = store.problem or f"{store.lock_path} cannot be locked: {problem}"
    assert warning == f"tokens are not shared with other processes: {why}"


def test_an_entry_is_named_after_all_that_its_token_was_issued_for(tmp_path: Path) -> None:
    others = [KEY._replace(**{name: "other"}) for name in KEY._fields]
    assert len({each.name for each in (KEY, *others)}) == 9
    assert all(re.fullmatch("[0-9a-f]{32}", each.name) for each in others)
    assert KEY.federation == FEDERATION
    cache = CacheDir(tmp_path / "cache", "env")
    store = CacheStore(cache, KEY)
    assert store.read() is None
    store.write(TOKEN)
    path = cache.path / f"{KEY.name}.json"
    assert json.loads(path.read_text()) == {
        "version": 1, "minted_for": KEY._asdict(), "access_token": "kept", "expires_at": NOW + 600, "lifetime": 600,
    }  # fmt: skip
    assert store.lock_path == path.with_suffix(".lock")
    assert store.read() == TOKEN
    late = replace(TOKEN, expires_at=NOW + 9000, lifetime=None)
    CacheStore(cache, others[0]).write(late)
    later = cache.path / f"{others[0].name}.json"
    assert cached_tokens(cache) == [(path, KEY, TOKEN), (later, others[0], late)]
    assert forget_cached_tokens(cache, FEDERATION._replace(workspace_id=None)) == []
    assert forget_cached_tokens(cache, FEDERATION) == [path]
    (cache.spent / "record.json").touch()
    assert forget_cached_tokens(cache) == [later, cache.spent / "record.json"]


@pytest.mark.parametrize(
    ("value", "lifetime"),
    [(600, 600), (0.5, 0.5), (0, None), (-1, None), (1e9, None), (True, None), ("600", None), (None, None)],
)
def test_a_lifetime_that_cannot_be_is_not_known(value: object, lifetime: float | None, tmp_path: Path) -> None:
    store = CacheStore(CacheDir(tmp_path / "cache", "env"), KEY)
    store.write(TOKEN)
    saying(lifetime=value)(tmp_path / "cache" / f"{KEY.name}.json")
    assert store.read() == replace(TOKEN, lifetime=lifetime)


def test_the_token_of_a_profile_carries_what_it_was_issued_for(
    tmp_path: Path, lines: Callable[[int], list[str]]
) -> None:
    directory, path = ConfigDir(tmp_path / "anthropic"), tmp_path / "anthropic" / "credentials" / "ci.json"
    ours, other, login = (ProfileStore(directory, path, each) for each in ("f" * 64, "0" * 64, None))
    assert ours.can_be_written()
    assert not ProfileStore(directory, Path(os.devnull) / "ci.json", None).can_be_written()
    assert ours.read() is None
    ours.prepare()
    ours.write(TOKEN)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert ours.lock_path == path.with_name(".ci.json.lock")
    document = json.loads(path.read_text())
    assert document["ant_wif"] == {
        "token": hashlib.sha256(b"kept").hexdigest(), "lifetime": 600, "fingerprint": "f" * 64,
    }  # fmt: skip
    assert [each.read() for each in (ours, other, login)] == [TOKEN, None, None]
    assert lines(logging.DEBUG) == [f"{path} holds a token for other settings; it is replaced"] * 2
    # Another SDK replaced the token, and keeps the note of what it does not know.
    saying(access_token="theirs")(path)
    theirs = AccessToken(SecretStr("theirs"), NOW + 600)
    assert [each.read() for each in (ours, other, login)] == [theirs] * 3
    for change in ({"refresh_token": "r"}, {"account_email": "a@example.com"}):
        saying(**change)(path)
        assert [each.read() for each in (ours, login)] == [None, theirs]
        ours.write(TOKEN)
        saying(access_token="theirs")(path)
        assert ours.read() == theirs, "what made it look like a login is gone"
    saying(expires_at=None)(path)
    assert [each.read() for each in (ours, login)] == [None, AccessToken(SecretStr("theirs"))]


def presented(
    status: int | None, log: AssertionLog, assertion: SecretStr, *, exp: float = NOW + 100
) -> AssertionUse | None:
    token = IdentityToken(assertion, "file", {}, {"exp": exp, "jti": "x"})
    answer = None if status is None else Response(status, {"request-id": "req_01"}, SecretBytes(b""))
    log.record(token, "f" * 64, answer)
    return log.find(assertion)


@pytest.mark.parametrize(
    ("status", "outcome", "said"),
    [
        (None, UNKNOWN, "the token was presented by {by}, and the answer was lost: it may be used already"),
        (500, UNKNOWN, "the token was presented by {by}, and the answer was lost: it may be used already"),
        (200, GRANTED, "the token was exchanged by {by}, which works once"),
        (401, DENIED, ""),
        (403, DENIED, ""),
    ],
)
def test_what_became_of_an_assertion_is_known_to_this_process_and_the_next(
    status: int | None, outcome: str, said: str, tmp_path: Path
) -> None:
    cache, clock = CacheDir(tmp_path / "cache", "env"), Clock(NOW)
    assertion = SecretStr(forged_jwt())
    use = presented(status, AssertionLog(cache, clock), assertion)
    assert use is not None
    assert (use.outcome, use.federation, use.at, use.until, use.pid) == (outcome, "f" * 64, NOW, NOW + 160, os.getpid())
    assert (use.status, use.request_id) == ((status, "req_01") if status else (None, None))
    assert use.used_by == f"process {os.getpid()} ({use.program})"
    assert AssertionLog(cache, clock).find(assertion) == presented(status, AssertionLog(None, clock), assertion) == use
    assert AssertionLog(cache, clock).find(SecretStr("x")) is None
    assert earlier_use(use, {"jti": "x"}) == said.format(by=use.used_by)
    assert earlier_use(use, {}) == earlier_use(None, {"jti": "x"}) == ""
    clock.now += 160
    log = AssertionLog(cache, clock)
    presented(200, log, SecretStr("another"), exp=NOW + 1000)
    assert log.find(assertion) == use
    clock.now += 1
    presented(200, log, SecretStr("another"), exp=NOW + 1000)
    assert log.find(assertion) is None
    assert len(list(cache.spent.iterdir())) == 1


@as_root
@pytest.mark.parametrize("job", [{}, {"GITLAB_CI": "true", "CI_JOB_ID": "7"}], ids=["user", "job"])
def test_what_root_keeps_in_another_users_home_is_that_users(job: dict[str, str], tmp_path: Path) -> None:
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    cache = CacheDir.locate(Environment({"HOME": str(tmp_path), **job}))
    assert cache is not None
    store, assertion = CacheStore(cache, KEY), SecretStr(forged_jwt())
    for _ in range(2):
        store.write(TOKEN)
        presented(200, AssertionLog(cache, Clock(NOW)), assertion)
        assert {(each.stat().st_uid, each.stat().st_gid) for each in tmp_path.rglob("*")} == {(SOMEBODY, SOMEBODY)}
    assert store.read() == TOKEN
    assert AssertionLog(cache, Clock(NOW)).find(assertion) is not None
    assert not CacheDir(cache.path, "env").is_safe()


def test_of_a_second_use_the_answer_is_kept_and_of_the_first_the_rest() -> None:
    clock, assertion = Clock(NOW), SecretStr(forged_jwt())
    log = AssertionLog(None, clock)
    first = presented(200, log, assertion)
    clock.now += 1
    answer = Response(403, {"request-id": "req_02"}, SecretBytes(b""))
    log.record(IdentityToken(assertion, "file", {}, {}), "0" * 64, answer, granted=first)
    assert first is not None
    assert log.find(assertion) == first._replace(outcome=USED, status=403, request_id="req_02")


@pytest.mark.parametrize(("argv", "program"), [(["/opt/a tool", "b"], "a_tool"), (["", "b"], "python"), ([], "python")])
def test_a_record_names_the_program_and_no_argument_of_it(
    argv: list[str], program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    use = presented(200, AssertionLog(None, Clock(NOW)), SecretStr(forged_jwt()))
    assert use is not None
    assert use.program == program


@pytest.mark.parametrize("shared", [True, False])
def test_an_assertion_that_was_not_sent_was_not_presented(shared: bool, tmp_path: Path) -> None:
    log = AssertionLog(CacheDir(tmp_path / "cache", "env") if shared else None, Clock(NOW))
    assertion = SecretStr(forged_jwt())
    assert presented(None, log, assertion) is not None
    log.withdraw(IdentityToken(assertion, "file", {}, {}))
    assert log.find(assertion) is None


def test_of_many_expired_records_each_exchange_removes_some(tmp_path: Path) -> None:
    cache, clock = CacheDir(tmp_path / "cache", "env"), Clock(NOW)
    log = AssertionLog(cache, clock)
    presented(200, log, SecretStr(forged_jwt()))
    (record,) = cache.spent.iterdir()
    for number in range(249):
        record.with_name(f"{number:064x}.json").write_bytes(record.read_bytes())
    clock.now += 161
    left = []
    for _ in range(3):
        presented(200, log, SecretStr("another"), exp=NOW + 1000)
        left.append(len(list(cache.spent.iterdir())))
    assert left[0] in (151, 152), "one of the hundred that were read may be its own"
    assert left[2] == 1


@pytest.mark.parametrize(
    ("exp", "until"), [(NOW + 100, 160), (NOW + 10**9, 48 * 3600), ("soon", 60), (None, 60), (NOW - 500, -440)]
)
def test_a_record_is_kept_until_its_assertion_has_expired_and_two_days_at_most(exp: object, until: int) -> None:
    log = AssertionLog(None, Clock(NOW))
    log.record(IdentityToken(SecretStr("x"), "file", {}, {"exp": exp}), "f" * 64)
    use = log.find(SecretStr(" x\n"))
    assert use is not None
    assert use.until == NOW + until


# --- where the folder is ----------------------------------------------------------------------------

GITHUB = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "{tmp}"}
GITLAB = {"GITLAB_CI": "true", "RUNNER_TEMP_PROJECT_DIR": "{tmp}", "CI_JOB_ID": "4711"}
CIRCLE = {"CIRCLECI": "true", "CIRCLE_WORKFLOW_JOB_ID": "3f2a-1"}
BUILDKITE = {"BUILDKITE": "true", "BUILDKITE_JOB_ID": "018f-2"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "{home}/.cache/ant-wif"),
        ({"XDG_CACHE_HOME": "{tmp}"}, "{tmp}/ant-wif"),
        ({"XDG_CACHE_HOME": "relative"}, "{home}/.cache/ant-wif"),
        ({"XDG_CACHE_HOME": "{tmp}", "HOME": ""}, "{tmp}/ant-wif"),
        ({"HOME": ""}, None),
        ({"ANT_CACHE_DIR": "{tmp}/mine"}, "{tmp}/mine"),
        ({"ANT_CACHE_DIR": "~/mine"}, "{home}/mine"),
        ({"ANT_CACHE_DIR": "{tmp}/mine", **GITHUB}, "{tmp}/mine"),
        (GITHUB, "{tmp}/ant-wif"),
        ({**GITHUB, "XDG_CACHE_HOME": "/elsewhere", "HOME": ""}, "{tmp}/ant-wif"),
        ({"RUNNER_TEMP": "{tmp}"}, "{home}/.cache/ant-wif"),
        ({"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "{tmp}/gone"}, "{home}/.cache/ant-wif"),
        (GITLAB, "{tmp}/ant-wif-4711"),
        ({**GITLAB, "RUNNER_TEMP_PROJECT_DIR": ""}, "{home}/.cache/ant-wif/jobs/4711"),
        (CIRCLE, "{home}/.cache/ant-wif/jobs/3f2a-1"),
        ({**CIRCLE, "XDG_CACHE_HOME": "{tmp}"}, "{tmp}/ant-wif/jobs/3f2a-1"),
        ({**CIRCLE, "HOME": ""}, None),
        (BUILDKITE, "{home}/.cache/ant-wif/jobs/018f-2"),
        ({**BUILDKITE, "BUILDKITE_JOB_ID": "../../x"}, "{home}/.cache/ant-wif/jobs/______x"),
    ],
)
def test_the_folder_is_where_the_platform_keeps_what_ends_with_the_job(
    variables: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    places = {"home": str(tmp_path / "home"), "tmp": str(tmp_path)}
    environ = {"HOME": "{home}", **variables}
    given_ = Environment({name: value.format(**places) for name, value in environ.items()})
    found = CacheDir.locate(given_, given_.get("ANT_CACHE_DIR"))
    assert (str(found.path) if found else None) == (expected.format(**places) if expected else None)
    assert not (tmp_path / "home").exists(), "looking makes nothing"


def test_the_folders_of_jobs_that_have_long_ended_are_removed_and_no_others(job: Job) -> None:
    jobs = job.root / ".cache" / "ant-wif" / "jobs"
    for name, days in (("ended", 3), ("running", 1)):
        (jobs / name / "spent").mkdir(parents=True)
        os.utime(jobs / name, (time.time() - days * A_DAY,) * 2)
    job.token(ANT_CACHE_DIR="", HOME=str(job.root), **BUILDKITE)
    assert sorted(path.name for path in jobs.iterdir()) == ["018f-2", "running"]


# --- processes --------------------------------------------------------------------------------------


def start(environ: Mapping[str, str]) -> subprocess.Popen[str]:
    return preloaded.Popen(PRINT, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert process.returncode == 0, err
    return out.strip()


def as_profile(job: Job, emulator: Emulator) -> dict[str, str]:
    """The same job, with its federation in a profile."""
    token = {"source": "file", "path": str(job.root / "identity")}
    ConfigDir(job.root).write("ci", profile_of(emulator.env(), identity_token=token))
    return {"ANTHROPIC_CONFIG_DIR": str(job.root), "ANTHROPIC_PROFILE": "ci", "ANT_CACHE_DIR": str(job.folder)}


@pytest.mark.parametrize("by", ["environment", "profile"])
def test_twelve_processes_with_one_single_use_token_all_succeed_with_one_exchange(
    by: str, job: Job, emulator: Emulator
) -> None:
    environ = as_profile(job, emulator) if by == "profile" else job.environ
    tokens = [printed.strip() for printed in forked(12, environ)]
    assert len(tokens) == 12
    assert len(set(tokens)) == 1
    assert len(emulator.history) == emulator.exchanges == 1
    kept = job.root / "credentials" / "ci.json" if by == "profile" else job.entry()
    assert mode_of(kept) == 0o600
    assert json.loads(kept.read_text())["access_token"] == tokens[0]


def test_a_holder_of_the_lock_that_is_killed_does_not_block_others(emulator: Emulator, tmp_path: Path) -> None:
    environ = {**emulator.env(), "ANT_CACHE_DIR": str(tmp_path / "cache")}
    emulator.fail("token", Fault.delay(GENEROUS_SECONDS))
    holder = start(environ)
    deadline = time.monotonic() + GENEROUS_SECONDS / 2
    while not emulator.history:
        assert holder.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (lock,) = (tmp_path / "cache").glob("*.lock")
    assert try_lock(lock) is None, "it holds the lock"
    waiting = [start(environ) for _ in range(2)]
    time.sleep(0.5)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=GENEROUS_SECONDS)
    first, second = map(printed, waiting)
    assert first == second
    assert emulator.exchanges == 2


def test_what_a_killed_writer_left_is_swept_under_the_lock_or_where_there_is_none_after_an_hour(job: Job) -> None:
    job.token()
    entry, record = job.entry(), job.record()
    for path in (entry, record):
        dying = "lambda: os.kill(os.getpid(), 9), mode=0o600, folder_mode=0o700"
        code = (
            f"import os, pathlib; from ant_wif._files import *; write_atomically(pathlib.Path({str(path)!r}), {dying})"
        )
        assert run(sys.executable, "-c", code).returncode == -signal.SIGKILL
    left = [*job.folder.rglob("*.tmp")]
    assert len(left) == 2
    (of_the_record,) = [path for path in left if path.parent.name == "spent"]
    living = of_the_record.with_name(f".{record.name}.0123456789abcdef.tmp")
    living.touch()
    os.utime(of_the_record, (time.time() - 3700,) * 2)
    entry.unlink()
    job.rotate()
    job.token()
    assert [*job.folder.rglob("*.tmp")] == [living]


@pytest.mark.parametrize("days", [-1, 1])
@pytest.mark.parametrize("everywhere", [True, False], ids=["both clocks", "the client's clock"])
def test_a_clock_that_jumps_by_a_day_leaves_a_job_with_a_renewable_source_a_token(
    everywhere: bool, days: int, tmp_path: Path
) -> None:
    def clock() -> float:
        return time.time() + jump

    jump = 0
    with Emulator(clock=clock if everywhere else time.time) as emulator:
        environ = {**emulator.env(), "ANT_CACHE_DIR": str(tmp_path / "cache")}
        credentials = ant_wif.resolve(environ=environ, clock=clock)
        assert credentials.token()
        jump = days * A_DAY
        for each in (credentials, ant_wif.resolve(environ=environ, clock=clock)):
            each.invalidate()
            headers = {"Authorization": f"Bearer {each.token()}", "anthropic-beta": "oauth-2025-04-20"}
            answer = httpx.get(f"{emulator.base_url}/v1/models", headers={**headers, "anthropic-version": "2023-06-01"})
            assert answer.status_code == 200


def test_a_profile_whose_credentials_cannot_be_written_is_shared_through_the_cache(tmp_path: Path) -> None:
    with Emulator() as emulator:
        job = {**emulator.env("gitlab"), "HOME": str(tmp_path)}
        places = {"identity_token": {"source": "gitlab"}, "credentials_path": f"{os.devnull}/credentials.json"}
        ConfigDir.locate(Environment(job)).write("ci", profile_of(job, **places))
        tokens = {ant_wif.resolve(profile="ci", environ=job).token() for _ in range(3)}
        assert emulator.exchanges == 1
    assert len(tokens) == 1
