"""`ant exec`: programs in any language below it, and what becomes of them and of it."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ant_cli._logging import NowAndThen
from ant_wif._config.config_dir import ConfigDir
from ant_wif._profiles.login import CLIENT_ID
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator, Login
from support import preloaded
from support.loopback import TokenEndpoint
from support.preloaded import ANT
from support.terminal import in_a_terminal, rest

from .conftest import Ant

Environ = dict[str, str]

PYTHON_SDK = "import anthropic; print(next(iter(anthropic.Anthropic().models.list())).id)"


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Environ:
    """A GitHub Actions job, with a temp folder of its own."""
    for name in ("home", "runner"):
        (tmp_path / name).mkdir()
    path = f"{preloaded.programs()}:{os.environ['PATH']}"
    return {
        **emulator.env("github"),
        "HOME": str(tmp_path / "home"),
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "PATH": path,
    }


def left_behind(job: Environ) -> list[Path]:
    return list(Path(job["RUNNER_TEMP"]).rglob("ant-exec-*"))


def run(job: Environ, *words: str) -> subprocess.CompletedProcess[str]:
    return preloaded.run([ANT, *words], env=job, capture_output=True, text=True, check=False, timeout=120)


def start(job: Environ, *words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return preloaded.Popen([ANT, *words], env=job, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def python(program: str) -> list[str]:
    return ["exec", "--", sys.executable, "-c", program]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_thirty_two_processes_below_it_cost_one_exchange(job: Environ, emulator: Emulator) -> None:
    # A shell script that reads the file itself, a command and an SDK, all at once.
    by_hand = (
        'token=$(sed -n \'s/.*"access_token": "\\([^"]*\\)".*/\\1/p\' '
        '"$ANTHROPIC_CONFIG_DIR/credentials/$ANTHROPIC_PROFILE.json"); '
        'curl --silent --fail --output /dev/null --header "Authorization: Bearer $token" '
        '--header "anthropic-version: 2023-06-01" --header "anthropic-beta: oauth-2025-04-20" '
        '"$ANTHROPIC_BASE_URL/v1/models"'
    )
    program = shlex.join([str(preloaded.programs("sdk") / "python"), "-c", PYTHON_SDK])
    script = (
        f"for n in $(seq 29); do ( {by_hand} || touch failed ) & done; {program} || touch failed & "
        "for n in 1 2; do ant models list > /dev/null || touch failed & done; wait; test ! -e failed"
    )
    done = preloaded.run(
        [ANT, "exec", "--", "bash", "-c", script], env=job, cwd=job["HOME"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert emulator.exchanges == len(emulator.history) == 1


def short_login(job: Environ, emulator: Emulator, lifetime: int) -> tuple[Environ, Login]:
    """Replace the job's credential by a login whose tokens last so many seconds, fewer than a federated one may."""
    login = emulator.login(lifetime=lifetime)
    directory = ConfigDir(Path(job["HOME"]) / ".config" / "anthropic")
    authentication = {"type": "user_oauth", "client_id": CLIENT_ID}
    directory.write("short", {"authentication": authentication, "base_url": emulator.base_url})
    path = directory.credentials_path("short")
    path.parent.mkdir(mode=0o700)
    directory.write_credentials(
        path,
        {
            "access_token": SecretStr(login.access_token),
            "refresh_token": SecretStr(login.refresh_token),
            "expires_at": int(time.time()) + lifetime,
        },
    )
    return {**job, "ANTHROPIC_PROFILE": "short"}, login


def test_a_command_that_outlives_its_token_never_reads_an_expired_one_with_a_closed_stderr_or_not(
    job: Environ, emulator: Emulator
) -> None:
    environ, _ = short_login(job, emulator, 4)
    program = """
import json, os, pathlib, time
path = pathlib.Path(os.environ["ANTHROPIC_CONFIG_DIR"], "credentials", os.environ["ANTHROPIC_PROFILE"] + ".json")
seen = {}
while len(seen) < 3 or time.time() <= min(seen.values()):
    stored = json.loads(path.read_text())
    assert stored["expires_at"] > time.time()
    seen[stored["access_token"]] = stored["expires_at"]
    time.sleep(0.01)
"""
    gone = f"exec 2> >(exec true); sleep 0.3; exec {shlex.join(['ant', *python(program)])}"
    done = subprocess.run(["bash", "-c", gone], env=environ, check=False)
    assert done.returncode == 0
    times = [each.at for each in emulator.refreshes]
    assert 2 * (times[-1] - times[0]) >= len(times) - 1, "no more often than twice a second"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)])
def test_the_exit_status_is_the_command_s(script: str, status: int, job: Environ) -> None:
    assert run(job, "exec", "--", "sh", "-c", script).returncode == status
    assert left_behind(job) == []


WAITING = """
import os, signal, time
def end(number, _):
    os.write(1, f"got {{signal.Signals(number).name}}\\n".encode())
    os._exit(42)
for name in {handled}:
    signal.signal(getattr(signal, name), end)
os.write(1, b"ready\\n")
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("name", "handled"),
    [(name, True) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1")]
    + [("SIGTERM", False), ("SIGHUP", False)],
)
def test_a_signal_to_it_is_the_command_s_once(name: str, handled: bool, job: Environ) -> None:
    child = start(job, *python(WAITING.format(handled=[name] if handled else [])))
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(getattr(signal, name))
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == ((42, f"got {name}\n") if handled else (128 + getattr(signal, name), "")), err
    assert left_behind(job) == []


def test_ctrl_c_reaches_the_command_once(job: Environ) -> None:
    program = """
import signal, sys, time
count = 0
def note(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
end = time.monotonic() + 60
while not count and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)
print(f"{count} times")
sys.exit(5)
"""
    with in_a_terminal(*python(program), environ=job) as ant:
        ant.expect_exact("ready")
        ant.sendintr()
        ant.expect_exact("1 times")
        assert rest(ant)[0] == 5
    assert left_behind(job) == []


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_when_it_is_killed_its_command_ends_and_the_next_one_removes_what_is_left(job: Environ) -> None:
    child = start(job, *python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"))
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    child.kill()
    child.communicate()
    end = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(pid)
    assert left_behind(job)
    assert run(job, "exec", "--", "true").returncode == 0
    assert left_behind(job) == []


def test_it_may_be_nested(job: Environ, emulator: Emulator) -> None:
    done = run(
        job, "exec", "--", "ant", "exec", "--", "ant", "models", "list", "--limit", "1", "--transform", "id", "-r"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("claude-")
    assert emulator.exchanges == 1
    assert left_behind(job) == []


def test_two_jobs_on_one_machine_under_one_user_do_not_see_each_other_s_token(
    job: Environ, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = {**job, **emulator.env("github"), "RUNNER_TEMP": str(tmp_path / "other"), "HOME": job["HOME"]}
    show = "import os; print(os.environ['ANTHROPIC_CONFIG_DIR'], flush=True); input()"
    running = [start(environ, *python(show)) for environ in (job, other)]
    folders = []
    for child in running:
        assert child.stdout is not None
        folders.append(Path(child.stdout.readline().strip()))
    assert folders[0].is_relative_to(job["RUNNER_TEMP"])
    assert folders[1].is_relative_to(other["RUNNER_TEMP"])
    tokens = {(folder / "credentials" / "ant-exec.json").read_text() for folder in folders}
    assert len(tokens) == 2
    for child in running:
        child.communicate("\n")
    assert emulator.exchanges == 2


def test_a_variable_hands_the_token_over_once_and_says_until_when(job: Environ) -> None:
    show = "import os; print({n: v[:14] for n, v in os.environ.items() if n.startswith(('ANTHROPIC_', 'ANT_'))})"
    done = run(job, "exec", "--env", "--", sys.executable, "-c", show)
    assert done.stdout.startswith("{'ANTHROPIC_")
    assert "'ANTHROPIC_AUTH_TOKEN': 'sk-ant-oat01-" in done.stdout
    assert "FEDERATION" not in done.stdout
    assert "CONFIG_DIR" not in done.stdout
    assert "note: the token expires at 20" in done.stderr
    assert left_behind(job) == []


def test_a_token_is_handed_over_as_a_key_to_programs_that_insist_on_that_variable(job: Environ) -> None:
    show = 'printf "%.14s %s" "$ANTHROPIC_API_KEY" "${ANTHROPIC_AUTH_TOKEN-none}"'
    done = run(job, "exec", "--as-api-key", "--", "sh", "-c", show)
    assert done.stdout == "sk-ant-oat01-" + done.stdout[13] + " none"
    assert "note: the token expires at 20" in done.stderr
    static = {**job, "ANTHROPIC_AUTH_TOKEN": "a-gateway's-token"}
    assert run(static, "exec", "--as-api-key", "--", "sh", "-c", show).stdout == "a-gateway's-to none"


def test_an_api_key_which_never_expires_is_handed_over_as_what_it_is(job: Environ, emulator: Emulator) -> None:
    environ = {**job, "ANTHROPIC_API_KEY": emulator.api_key}
    done = run(environ, "exec", "--", "sh", "-c", 'printf %s "$ANTHROPIC_API_KEY$ANTHROPIC_AUTH_TOKEN"')
    assert done.stdout == emulator.api_key, done.stderr
    assert emulator.exchanges == 0


@pytest.mark.parametrize(
    ("make", "status", "sentence"),
    [
        (lambda path: path / "nowhere", 127, "no such program"),
        (lambda path: "ant-no-such-program", 127, "no such program"),
        (lambda path: path, 126, "Is a directory"),
        (lambda path: plain(path / "text"), 126, "Permission denied"),
        (lambda path: plain(path / "garbage", mode=0o700), 126, "Exec format error"),
        (
            lambda path: plain(path / "script", b"#!/bin/sh\r\n", mode=0o700),
            126,
            "the interpreter that it names does not exist; in a script see its first line, and its line ends",
        ),
    ],
    ids=["no file", "nothing on PATH", "folder", "not executable", "no program", "line ends of Windows"],
)
def test_what_cannot_be_run_is_told_as_a_shell_does_and_costs_no_folder(
    make: Callable[[Path], object],
    status: int,
    sentence: str,
    job: Environ,
    emulator: Emulator,
    tmp_path: Path,
    ant: Ant,
) -> None:
    outcome = ant("exec", "--", str(make(tmp_path)), **job)
    assert outcome.status == status
    error, hint = outcome.err.splitlines()[-2:]
    assert error.endswith(f"cannot be run: {sentence}")
    assert hint.startswith("hint: ")
    assert left_behind(job) == []
    if "Exec format" not in sentence and "interpreter" not in sentence:  # which only the start of the program tells
        assert emulator.exchanges == 0


def plain(path: Path, content: bytes = b"\x00 no program", *, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01none"}, 4, "hint: "),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, 3, "id-token: write"),
        ({"RUNNER_TEMP": "", "TMPDIR": "/dev/null"}, 1, "no folder for the credential can be made.*hint: set TMPDIR"),
    ],
    ids=["denied", "no permission for identity tokens", "no temp folder"],
)
def test_what_is_wrong_beforehand_runs_nothing(
    changes: Environ, status: int, words: str, job: Environ, tmp_path: Path, ant: Ant
) -> None:
    outcome = ant("exec", "--", "touch", str(tmp_path / "ran"), **{**job, **changes})
    assert outcome.status == status
    assert re.search(words, outcome.err, re.DOTALL)
    assert not (tmp_path / "ran").exists()
    assert left_behind(job) == []


def test_a_credential_that_is_denied_in_the_middle_lets_the_command_go_on_with_one_warning_a_minute(
    job: Environ, emulator: Emulator
) -> None:
    environ, login = short_login(job, emulator, 3)
    child = start(environ, *python("print('ready', flush=True); input(); print('done')"))
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdout.readline() == "ready\n"
    emulator.revoke(login.refresh_token)
    said = next(line for line in child.stderr if line.startswith("ant: warning: "))
    # Of a token of three seconds, either is noticed first; the other is not said within the minute.
    assert "has ended: its refresh was refused" in said or "has expired, and there is no newer one" in said
    time.sleep(1)  # meanwhile it is tried again
    out, err = child.communicate("\n", timeout=60)
    assert (child.returncode, out) == (0, "done\n")
    assert "ant: warning: " not in err


def test_a_mask_in_the_middle_of_the_command_s_line_begins_one_of_its_own(job: Environ, emulator: Emulator) -> None:
    environ, _ = short_login(job, emulator, 4)
    script = (
        'path="$ANTHROPIC_CONFIG_DIR/credentials/$ANTHROPIC_PROFILE.json"; first=$(cat "$path"); '
        'printf \'progress 50%%\' >&2; while [ "$(cat "$path")" = "$first" ]; do sleep 0.05; done'
    )
    done = run(environ, "exec", "--github-mask", "--", "sh", "-c", script)
    masks = [line for line in done.stderr.splitlines() if "add-mask" in line]
    assert len(masks) >= 2
    assert all(line.startswith("::add-mask::sk-ant-oat01-") for line in masks)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_a_signal_before_it_has_a_token_ends_it_at_once(sent: signal.Signals, job: Environ) -> None:
    with TokenEndpoint(delay=60) as endpoint:
        child = start({**job, "ANTHROPIC_BASE_URL": endpoint.base_url}, "exec", "--", "sleep", "30")
        end = time.monotonic() + 30
        while not endpoint.requests and time.monotonic() < end:
            time.sleep(0.01)
        child.send_signal(sent)
        out, err = child.communicate(timeout=60)
    assert child.returncode == (130 if sent == signal.SIGINT else -sent)
    assert (out, "Traceback" in err) == ("", False)
    assert left_behind(job) == []


RELAYING = """
import os, signal, sys
from ant_cli._process import Ended, Relay
with Relay() as relay:
    for name in sys.argv[1:]:
        os.kill(os.getpid(), getattr(signal, name))
    try:
        relay.run(["true"], os.environ)
    except Ended as ended:
        sys.exit(ended.status)
"""


@pytest.mark.parametrize(
    "sent", [("SIGTERM", "SIGTERM", "SIGINT", "SIGHUP"), ("SIGHUP", "SIGTERM"), ("SIGINT", "SIGTERM")]
)
def test_the_first_of_several_signals_before_the_command_starts_is_its_exit_status(sent: tuple[str, ...]) -> None:
    done = preloaded.run([sys.executable, "-c", RELAYING, *sent], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + getattr(signal, sent[0]), "")


@pytest.mark.parametrize("delay", [0.2, 0.25, 0.3, 0.35, 0.4])
def test_many_signals_while_it_starts_leave_nothing_behind(delay: float, job: Environ) -> None:
    """Which of them ends it is open: the kernel delivers signals that wait together in an order of its own."""
    sent = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    pipe = subprocess.PIPE  # not from a process that imported all: its start is what is interrupted
    child = subprocess.Popen([ANT, "exec", "--", "sleep", "30"], env=job, stdout=pipe, stderr=pipe, text=True)
    time.sleep(delay)
    for number in sent:
        child.send_signal(number)
    _, err = child.communicate(timeout=60)
    # Before it has a token it dies of the signal itself; after that, its exit status tells the signal.
    assert child.returncode in {status for number in sent for status in (-number, 128 + number)}
    assert "Traceback" not in err
    assert left_behind(job) == []


def test_a_failing_command_fails_where_the_end_of_children_is_ignored(job: Environ) -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", ignoring, ANT, "exec", "--", "sh", "-c", "sleep 0.1; exit 7"], env=job, check=False
    )
    assert done.returncode == 7


def test_an_exported_token_that_stands_in_front_of_a_federation_is_named(job: Environ, emulator: Emulator) -> None:
    token = run(job, "auth", "print-credentials", "--access-token").stdout.strip()
    done = run({**job, "ANTHROPIC_AUTH_TOKEN": token}, "exec", "--", "true")
    assert done.returncode == 0
    assert (
        "note: ANTHROPIC_AUTH_TOKEN is handed on as it is, and never refreshed; without it, environment" in done.stderr
    )
    assert token not in done.stderr


@pytest.mark.parametrize("options", [(), ("--env",)], ids=["profile", "variable"])
@pytest.mark.parametrize("kind", ["federation", "key"])
def test_a_build_log_made_of_all_its_output_holds_no_token(
    kind: str, options: tuple[str, ...], job: Environ, emulator: Emulator, tmp_path: Path
) -> None:
    environ = {**job, "ANTHROPIC_API_KEY": emulator.api_key} if kind == "key" else job
    build = shlex.join(["ant", "exec", *options, "--", "sh", "-c", "ant models list --limit 1 > /dev/null; echo built"])
    subprocess.run(["sh", "-c", f"{build} > build.log 2>&1"], env=environ, cwd=tmp_path, check=True)
    log = (tmp_path / "build.log").read_text()
    assert log.endswith("built\n")
    assert "add-mask" not in log
    assert "sk-ant-" not in log


@pytest.mark.parametrize("options", [(), ("--env",)], ids=["profile", "variable"])
def test_the_runner_masks_the_token_where_that_is_asked_for(options: tuple[str, ...], job: Environ) -> None:
    show = "ant auth print-credentials --access-token 2> /dev/null"
    done = run(job, "exec", "--github-mask", *options, "--", "sh", "-c", show)
    assert f"::add-mask::{done.stdout}" in done.stderr
    outside = run({**job, "GITHUB_ACTIONS": ""}, "exec", "--github-mask", *options, "--", "sh", "-c", show)
    assert "add-mask" not in outside.stderr


def test_relative_folders_are_good_for_a_command_that_goes_elsewhere(job: Environ) -> None:
    (Path(job["HOME"]) / "tmp").mkdir()
    environ = {name: value for name, value in job.items() if name != "RUNNER_TEMP"}
    done = preloaded.run(
        [ANT, "exec", "--", "sh", "-c", "cd /; ant models list --limit 1 > /dev/null"],
        env={**environ, "TMPDIR": "tmp"},
        cwd=job["HOME"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_warnings_are_printed_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    handler = NowAndThen(lambda: now)
    for now in (0.0, 5.0, 59.0, 60.0, 61.0, 130.0):
        handler.handle(logging.LogRecord("x", logging.WARNING, __file__, 1, f"at {now:.0f}", None, None))
    assert capsys.readouterr().err == "at 0\nat 60\nat 130\n"
