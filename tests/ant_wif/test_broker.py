"""The broker: what it hands over never expires in the reader's hands, whatever the endpoint does."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import ant_wif
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._export import AHEAD_SECONDS, PROFILE, ExportedProfile, TokenRenewer, in_variables
from ant_wif._secrets import SecretStr
from ant_wif._tokens.access_token import AccessToken
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ConfigurationError, ExchangeError
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_900_000_000.0)


@pytest.fixture
def emulator(clock: Clock) -> Iterator[Emulator]:
    with Emulator(clock=clock) as running:
        yield running


@pytest.fixture
def environ(emulator: Emulator, tmp_path: Path) -> Environment:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return Environment(
        {**emulator.env("github"), "HOME": str(tmp_path), "TMPDIR": str(temporary), "ANT_CACHE": "memory"}
    )


@pytest.fixture
def credentials(environ: Environment, clock: Clock) -> ant_wif.Credentials:
    return ant_wif.resolve(environ=environ, clock=clock)


@pytest.fixture
def handover(environ: Environment, credentials: ant_wif.Credentials) -> Iterator[ExportedProfile]:
    made = ExportedProfile(environ, credentials)
    yield made
    made.remove()


def reader(handover: ExportedProfile, environ: Environment, clock: Clock) -> ant_wif.Credentials:
    """Whoever is below `ant exec` and reads the profile at each use."""
    variables = handover.variables(environ, "unused")
    return ant_wif.resolve(environ={**variables, "HOME": "/nonexistent"}, clock=clock)


def read_for(
    seconds: float, credentials: ant_wif.Credentials, handover: ExportedProfile, environ: Environment, clock: Clock
) -> Iterator[float]:
    """Read each second, and find a token that has not expired. Yields until when it lasts."""
    child, end, renewed = None, clock.now + seconds, 0.0
    credentials.refresh_ahead(AHEAD_SECONDS)
    with TokenRenewer(credentials.access_token, handover.put, ahead=AHEAD_SECONDS, clock=clock) as broker:
        while clock.now < end:
            if clock.now >= renewed:
                renewed = clock.now + broker.step()
            child = child or reader(handover, environ, clock)
            expires_at = child.access_token().expires_at
            assert expires_at is not None
            assert expires_at > clock.now
            yield expires_at
            clock.now += 1


@pytest.mark.parametrize("lifetime", [60, 300, 600])
def test_a_reader_never_finds_an_expired_token_over_six_lifetimes_and_each_costs_one_exchange(
    lifetime: int,
    emulator: Emulator,
    environ: Environment,
    credentials: ant_wif.Credentials,
    handover: ExportedProfile,
    clock: Clock,
) -> None:
    emulator.update_rule("github", token_lifetime_seconds=lifetime)
    # The official tools that are the first to refuse a token do so 30 seconds before it expires: test_exec_tools.py.
    assert all(
        expires_at - clock.now > 30 for expires_at in read_for(6 * lifetime, credentials, handover, environ, clock)
    )
    ahead = max(credentials.access_token().advisory, AHEAD_SECONDS)
    # Each token serves from its minting to that, and a last step may have begun another.
    assert emulator.exchanges <= 6 * lifetime / (lifetime - ahead) + 2


class Outage(httpx.BaseTransport):
    """The network, with minutes in which nothing gets through to the token endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._network = httpx.HTTPTransport()
        self.begins = float("inf")
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/oauth/token") and self.begins <= self._clock.now < self.begins + 60:
            self.lost += 1
            raise httpx.ConnectError("nothing gets through", request=request)
        return self._network.handle_request(request)

    def close(self) -> None:
        self._network.close()


@pytest.mark.parametrize("before", [60, 90, 120])
def test_an_outage_of_a_minute_before_each_expiry_is_not_noticed_by_readers(
    before: int, emulator: Emulator, environ: Environment, clock: Clock
) -> None:
    emulator.update_rule("github", token_lifetime_seconds=300)
    outage = Outage(clock)
    with httpx.Client(transport=outage) as client:
        credentials = ant_wif.resolve(environ=environ, clock=clock, http_client=client)
        handover = ExportedProfile(environ, credentials)
        for expires_at in read_for(5 * 300, credentials, handover, environ, clock):
            if clock.now >= outage.begins + 60 or outage.begins == float("inf"):
                outage.begins = expires_at - before
        handover.remove()
    assert emulator.exchanges >= 5
    # Only what begins two minutes before the end meets a renewal; the last minute finds it done.
    assert bool(outage.lost) == (before == 120)


def test_a_refresh_that_fails_is_tried_again_while_the_token_lasts(
    emulator: Emulator, environ: Environment, credentials: ant_wif.Credentials, handover: ExportedProfile, clock: Clock
) -> None:
    emulator.update_rule("github", token_lifetime_seconds=300)
    with TokenRenewer(credentials.access_token, handover.put, clock=clock) as broker:
        broker.step()
        child = reader(handover, environ, clock)
        first = child.token()
        clock.now += 181
        emulator.fail("token", Fault.status(503))
        assert broker.step() <= 5
        assert child.token() == first
        clock.now += 6
        broker.step()
        assert child.token() != first


def test_a_credential_that_is_denied_in_the_middle_is_an_error_once_its_token_must_not_be_used(
    emulator: Emulator, credentials: ant_wif.Credentials, handover: ExportedProfile, clock: Clock
) -> None:
    emulator.update_rule("github", token_lifetime_seconds=300)
    with TokenRenewer(credentials.access_token, handover.put, clock=clock) as broker:
        broker.step()
        emulator.update_rule("github", subject_prefix="repo:somebody/else")
        clock.now += 200
        broker.step()
        clock.now += 90
        with pytest.raises(ExchangeError):
            broker.step()


def test_what_cannot_be_handed_over_is_tried_again() -> None:
    token = AccessToken(SecretStr("token"))
    handed: list[AccessToken] = []

    def put(given: AccessToken) -> None:
        handed.append(given)
        if len(handed) == 1:
            raise ConfigurationError("the disk is full")

    broker = TokenRenewer(lambda: token, put)
    with pytest.raises(ConfigurationError):
        broker.step()
    broker.step()
    broker.step()
    assert handed == [token, token]


def test_after_closing_nothing_is_handed_over_though_a_refresh_was_under_way() -> None:
    asked, go_on = threading.Event(), threading.Event()
    handed: list[AccessToken] = []

    def obtain() -> AccessToken:
        asked.set()
        assert go_on.wait(30)
        return AccessToken(SecretStr("late"))

    broker = TokenRenewer(obtain, handed.append)
    broker.start()
    assert asked.wait(30)
    broker.close()
    go_on.set()
    assert broker.step()
    assert handed == []


def test_the_folder_is_private_holds_one_externally_rotated_profile_and_is_gone_afterwards(
    environ: Environment, credentials: ant_wif.Credentials
) -> None:
    handover = ExportedProfile(environ, credentials)
    handover.put(credentials.access_token())
    directory = ConfigDir(handover.path)
    assert stat.S_IMODE(handover.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.credentials_path(PROFILE).stat().st_mode) == 0o600
    document = directory.read(PROFILE).document
    assert document["authentication"] == {"type": "user_oauth"}
    # A federated token is bound to its workspace: naming one in a header is a login's way.
    assert "workspace_id" not in document
    base = handover.path.parent
    handover.remove()
    assert list(base.iterdir()) == []


@pytest.mark.parametrize("name", ["TMPDIR", "XDG_RUNTIME_DIR", "ANT_CACHE_DIR"])
def test_a_full_disk_is_told_by_its_place_and_the_variable_that_names_it(
    environ: Environment, credentials: ant_wif.Credentials, tmp_path: Path, name: str
) -> None:
    resource = pytest.importorskip("resource")
    base = tmp_path / "place"
    base.mkdir(mode=0o700)
    place = Environment({"HOME": str(tmp_path), name: str(base)})
    token = credentials.access_token()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handover = ExportedProfile(place, credentials)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # the system's own limit stands in for a full disk
    try:
        for write in (lambda: handover.put(token), lambda: ExportedProfile(place, credentials)):
            with pytest.raises(ConfigurationError, match=f"could not be written in {base}: File too large") as caught:
                write()
            assert caught.value.hint == f"free some space in {base}, or set {name} to another folder"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        handover.remove()


def test_the_login_of_a_person_keeps_its_workspace(environ: Environment, emulator: Emulator, clock: Clock) -> None:
    login = emulator.login()
    directory = ConfigDir.locate(environ)
    directory.write(
        "dev",
        {"authentication": {"type": "user_oauth"}, "workspace_id": login.workspace_id, "base_url": emulator.base_url},
    )
    path = directory.credentials_path("dev")
    path.parent.mkdir(mode=0o700)
    directory.write_credentials(path, {"access_token": SecretStr(login.access_token), "expires_at": int(clock()) + 900})
    handover = ExportedProfile(environ, ant_wif.resolve(environ=environ, profile="dev", clock=clock))
    assert ConfigDir(handover.path).read(PROFILE).document["workspace_id"] == login.workspace_id
    handover.remove()


def test_a_folder_whose_maker_lives_is_left_alone_and_one_whose_maker_is_gone_is_removed(
    environ: Environment, credentials: ant_wif.Credentials
) -> None:
    living = ExportedProfile(environ, credentials)
    dead = living.path.with_name("ant-exec-" + 32 * "d")
    dead.mkdir(mode=0o700)
    (dead / "left").write_text("behind")
    foreign = living.path.with_name("ant-exec-unlocked")
    foreign.mkdir()
    ExportedProfile(environ, credentials).remove()
    assert living.path.is_dir()
    assert foreign.is_dir()
    assert not dead.exists()
    living.remove()


def test_a_lock_that_is_a_link_is_not_followed(environ: Environment, credentials: ant_wif.Credentials) -> None:
    base = Path(environ["TMPDIR"])
    (base / "precious").write_text("precious")
    (base / "ant-exec-evil.lock").symlink_to(base / "precious")
    ExportedProfile(environ, credentials).remove()
    assert (base / "precious").read_text() == "precious"


@pytest.mark.parametrize("job", [True, False], ids=["in a job", "elsewhere"])
def test_the_folder_is_where_the_job_s_temporary_files_are(
    job: bool, environ: Environment, credentials: ant_wif.Credentials, tmp_path: Path
) -> None:
    runner = tmp_path / "runner"
    runner.mkdir()
    variables = {**environ, "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(runner)} if job else dict(environ)
    handover = ExportedProfile(Environment(variables), credentials)
    assert handover.path.is_relative_to(runner if job else environ["TMPDIR"])
    handover.remove()


def test_a_folder_in_which_others_could_replace_ours_is_passed_over(
    environ: Environment, credentials: ant_wif.Credentials, tmp_path: Path
) -> None:
    open_to_all, fine = tmp_path / "open", tmp_path / "tmp"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    handover = ExportedProfile(
        Environment({**environ, "XDG_RUNTIME_DIR": str(open_to_all), "TMPDIR": str(fine)}), credentials
    )
    assert handover.path.parent == fine
    handover.remove()
    # As /tmp is: everybody may write, nobody may replace what is another's.
    open_to_all.chmod(0o1777)
    handover = ExportedProfile(Environment({**environ, "XDG_RUNTIME_DIR": str(open_to_all)}), credentials)
    assert handover.path.parent == open_to_all
    handover.remove()


def test_a_session_folder_that_is_not_there_is_not_made(
    environ: Environment, credentials: ant_wif.Credentials, tmp_path: Path
) -> None:
    session, fine = tmp_path / "user" / "1000", tmp_path / "tmp"
    handover = ExportedProfile(
        Environment({**environ, "XDG_RUNTIME_DIR": str(session), "TMPDIR": str(fine)}), credentials
    )
    assert handover.path.parent == fine
    assert not session.parent.exists()
    handover.remove()


def test_a_folder_whose_reader_took_away_the_right_to_write_is_removed_all_the_same(
    environ: Environment, credentials: ant_wif.Credentials
) -> None:
    handover = ExportedProfile(environ, credentials)
    handover.put(credentials.access_token())
    (handover.path / "credentials").chmod(0o500)
    handover.path.chmod(0o500)
    base = handover.path.parent
    handover.remove()
    assert list(base.iterdir()) == []


def test_whatever_goes_wrong_in_the_thread_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []
    broker: TokenRenewer

    def obtain() -> AccessToken:
        asked.append(1)
        if len(asked) > 1:
            broker.close()
        raise OSError("a surprise")

    broker = TokenRenewer(obtain, lambda _: None, retry_seconds=0.01)
    broker.run()
    assert len(asked) == 2
    assert "a surprise" in caplog.text


def test_where_no_folder_can_be_made_the_error_names_each_that_was_tried(
    environ: Environment, credentials: ant_wif.Credentials, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    nowhere = Environment(
        {**environ, "TMPDIR": str(tmp_path / "file"), "XDG_RUNTIME_DIR": str(tmp_path / "file" / "x")}
    )
    with pytest.raises(ConfigurationError, match="no folder for the credential can be made") as caught:
        ExportedProfile(nowhere, credentials)
    assert "set TMPDIR" in str(caught.value.hint)


def test_no_variable_of_a_credential_reaches_the_program_beside_those_that_are_meant_for_it(
    environ: Environment, credentials: ant_wif.Credentials, handover: ExportedProfile
) -> None:
    named = ("API_KEY", "AUTH_TOKEN", "IDENTITY_TOKEN", "IDENTITY_TOKEN_FILE", "PROFILE", "CONFIG_DIR", "WORKSPACE_ID")
    others = dict.fromkeys((*(f"ANTHROPIC_{name}" for name in (*named, "SCOPE")), "ANT_IDENTITY_SOURCE"), "x")
    full = {**environ, "PATH": os.defpath, **others}
    given = handover.variables(full, credentials.base_url)
    assert {name: value for name, value in given.items() if name.startswith(("ANTHROPIC_", "ANT_"))} == {
        "ANTHROPIC_CONFIG_DIR": str(handover.path),
        "ANTHROPIC_PROFILE": PROFILE,
        "ANTHROPIC_BASE_URL": credentials.base_url,
        "ANT_CACHE": "memory",
    }
    assert given["PATH"] == os.defpath
    token = credentials.access_token()
    once = in_variables(full, credentials, token)
    assert {name: value for name, value in once.items() if name.startswith("ANTHROPIC_")} == {
        "ANTHROPIC_AUTH_TOKEN": token.secret.get_secret_value(),
        "ANTHROPIC_BASE_URL": credentials.base_url,
    }
