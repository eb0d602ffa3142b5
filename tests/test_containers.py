"""The recipes of docs/containers.md: a mount namespace and another user id stand for Docker."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
import yaml

from ant_wif.emulator import Emulator
from support import preloaded
from support.ci_repository import BIN, PROGRAM, ROOT
from support.jobs import federation_of, platform_of
from support.other_languages import PROGRAMS, PYTHON

PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
GID = 1000

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="only root becomes another user, and mounts"
)

DOCKER = """\
#!{python}
import http.client, encodings.idna, json, os, subprocess, sys
words = sys.argv[1:]
assert words[0] == "run", words
mounts, environ = [], {{"PATH": os.environ["PATH"], "HOME": "/"}}
words = words[1:]
while words[0].startswith("--"):
    option = words.pop(0)
    if option == "--rm":
        continue
    value = words.pop(0)
    if option == "--user":
        uid, gid = map(int, value.split(":"))
    elif option == "--volume":
        source, target, mode = value.split(":")
        assert mode == "ro"
        mounts.append((source, target))
    elif option == "--env":
        name, equals, text = value.partition("=")
        environ[name] = text if equals else os.environ[name]
    else:
        raise SystemExit(option)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)  # in this namespace
for source, target in mounts:
    os.makedirs("/mnt" + target, exist_ok=True)
    subprocess.run(["mount", "--bind", "-o", "ro", source, "/mnt" + target], check=True)
    environ = {{name: text.replace(target, "/mnt" + target) for name, text in environ.items()}}
assert words == ["app", "python", "program.py"], words
program = compile(open("program.py").read(), "program.py", "exec")
os.setgroups([]); os.setgid(gid); os.setuid(uid)
# The interpreter of this process: another user may not start that of the suite.
os.environ.clear(); os.environ.update(environ)
exec(program)
"""


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder for the PATH with a `docker run` that mounts, becomes the user, and has no other variables."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER.format(python=sys.executable))
    (tools / "docker").chmod(0o755)
    return tools


SDK = (ROOT / "ci-examples" / "program.py").read_text(encoding="utf-8")


@as_root
@pytest.mark.parametrize(("option", "program"), [("-- sh", SDK), ("--group", PROGRAM)], ids=["sdk", "reader"])
def test_a_container_of_another_user_has_a_credential_by_the_recipe(
    option: str, program: str, docker: Path, tmp_path: Path
) -> None:
    (recipe,) = re.findall(rf"^```sh\n(ant exec {option} .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    with Emulator() as emulator:
        path = os.pathsep.join((str(docker), str(BIN), os.environ["PATH"]))
        environ = {**emulator.env("github"), "HOME": str(tmp_path / "home"), "TMPDIR": "/tmp", "PATH": path}
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-e", "-c", recipe], env=environ, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "claude-" in done.stdout
        assert emulator.exchanges == 1


def by_a_member(owner: int, *programs: list[str]) -> list[str]:
    """Return the words that run programs as a member of the group below `ant exec` of the user `owner`.

    In its mount namespace they reach the interpreter and the packages that are in the home of the suite's user.
    """
    places = {sys.prefix: "/mnt/environment", sys.base_prefix: "/mnt/base"}
    mounts = ["mount -t tmpfs -o mode=755 tmpfs /mnt", "mkdir /mnt/environment /mnt/base /mnt/src"]
    for here, there in {**places, str(ROOT / "src"): "/mnt/src"}.items():
        mounts.append(f"mount --bind {shlex.quote(here)} {there}")

    def reached(words: list[str]) -> str:
        for here, there in places.items():
            words = [word.replace(here, there) for word in words]
        return shlex.join(words)

    # The owner's `ant` says where the folder is, and waits; only root could start a program of another user below it.
    shown = ["sh", "-c", 'env | grep ^ANTHROPIC_ | sed "s/^/export /"; echo; exec sleep 100']
    export = ("exec", "--group", str(GID), "--", *shown)
    # That of root needs no place of these: it may be one that starts at once.
    run = shlex.join([str(preloaded.programs() / "ant"), *export])
    if owner:
        run = f"setpriv --reuid {owner} --regid {owner} --groups {GID} {reached(ant(*export))}"
    member = f"HOME=/nonexistent setpriv --reuid 54321 --regid {GID} --clear-groups"
    lines = [
        *mounts,
        "export PYTHONPATH=/mnt/environment/lib/python{}.{}/site-packages:/mnt/src".format(*sys.version_info),
        "export LD_LIBRARY_PATH=/mnt/base/lib",
        f"{run} > $TMPDIR/variables & started=$!",
        "until grep -qs '^$' $TMPDIR/variables; do kill -0 $started; sleep 0.05; done",
        'variables=$(cat $TMPDIR/variables); unset ${!ANTHROPIC_*}; eval "$variables"',
        *(
            f"{member} {reached(words)} <<< '' > $TMPDIR/{number}.out 2> $TMPDIR/{number}.err && echo 0 || echo $?"
            for number, words in enumerate(programs)
        ),
        "kill $started; wait $started || true",
    ]
    return ["unshare", "--mount", "bash", "-e", "-c", "\n".join(lines)]


def ant(*words: str) -> list[str]:
    return [f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}", "-m", "ant_cli", *words]


Started = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture
def member(open_folder: Path) -> Iterator[Started]:
    """Runs programs as a member of the group below `ant exec` of a user; returns how each ended, and what it said."""
    for name in ("home", "tmp"):
        (open_folder / name).mkdir()
    with Emulator() as emulator:
        environ = {
            **emulator.env("github"), "HOME": str(open_folder / "home"), "TMPDIR": str(open_folder / "tmp"),
            "PATH": os.environ["PATH"],
        }  # fmt: skip

        def run(owner: int, *programs: list[str]) -> list[tuple[int, str, str]]:
            for name in ("home", "tmp"):
                os.chown(open_folder / name, owner, owner)
            (open_folder / "tmp").chmod(0o711)
            done = subprocess.run(
                by_a_member(owner, *programs), env=environ, capture_output=True, text=True, check=False
            )
            assert (done.returncode, emulator.exchanges) == (0, 1), done.stderr
            said = ((open_folder / "tmp" / str(number)).with_suffix for number in range(len(programs)))
            return [
                (int(status), suffixed(".out").read_text(), suffixed(".err").read_text())
                for status, suffixed in zip(done.stdout.split(), said, strict=True)
            ]

        yield run


@as_root
def test_ant_below_ant_exec_of_another_user_says_how_to_have_the_credential(member: Started) -> None:
    for status, (ended, out, err) in zip(
        (0, 3), member(4711, ant("auth", "status"), ant("models", "list")), strict=True
    ):
        said = out + err
        assert ended == status, said
        assert "belongs to another user (uid 4711, mode 0710)" in said
        assert "run this program as the user of `ant exec`, or pass it the token: `ant exec --env`" in said
        assert "ant-exec-" not in "".join(line for line in said.splitlines() if "chown" in line)


@as_root
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("python", "is accessible by group or others"),
        ("typescript", "is group/world-readable"),
        pytest.param("go", "has unsafe permissions", marks=pytest.mark.long),
        pytest.param("java", None, marks=pytest.mark.long),
        pytest.param("go ant", "has unsafe permissions", marks=pytest.mark.long),
    ],
)
def test_what_a_group_may_read_is_used_by_ant_and_refused_by_each_official_tool_or_used(
    tool: str, said: str | None, member: Started
) -> None:
    """A fact about the tools, which docs/containers.md tells: one that behaves otherwise is to be heard of here."""
    program = [*ant()[:1], "-c", PYTHON] if tool == "python" else PROGRAMS[tool]()
    ours = [ant("models", "list", "--limit", "1")] if tool == "python" else []  # it is the same beside each
    (status, out, err), *own = member(0, program, *ours)
    if said is None:
        assert status == 0, err
        assert out.startswith("claude-")
    else:
        assert status != 0
        assert said in err
    for status, out, err in own:
        assert (status, err) == (0, "")
        assert "claude-" in out


@as_root
def test_a_group_may_read_what_other_users_may_not(tmp_path: Path) -> None:
    listing = 'find "$ANTHROPIC_CONFIG_DIR" -printf "%m %g %y %P\\n"'
    with Emulator() as emulator:
        environ = {
            **emulator.env("github"), "HOME": str(tmp_path), "RUNNER_TEMP": str(tmp_path), "PATH": os.environ["PATH"],
        }  # fmt: skip
        words = [preloaded.ANT, "exec", "--group", str(GID), "--", "sh", "-c", listing]
        done = preloaded.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [line.split(" ")[:3] for line in done.stdout.splitlines()]
    assert len(found) == 6
    assert found[0][0] == "710", "what a member of the group could open, it could lock"
    assert {tuple(each) for each in found[1:] if each[2] == "d"} == {("750", found[0][1], "d")}
    assert {tuple(each) for each in found if each[2] == "f"} == {("640", found[0][1], "f")}
    assert not list(tmp_path.glob("ant-exec-*"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that other users reach, as pytest's own is not."""
    folder = Path(mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@as_root
def test_the_group_keeps_its_access_when_the_token_is_refreshed_and_a_killed_run_is_swept(open_folder: Path) -> None:
    from ant_wif import resolve
    from ant_wif._environment import Environment
    from ant_wif._export import PROFILE, ExportedProfile
    from ant_wif._files import sweep_private
    from ant_wif._secrets import SecretStr
    from ant_wif._tokens import AccessToken

    environ = Environment({"RUNNER_TEMP": str(open_folder), "HOME": str(open_folder)})
    credentials = resolve(auth_token="example", environ=environ)
    profile = ExportedProfile(environ, credentials, group=GID)
    for token in ("one", "two"):
        profile.put(AccessToken(SecretStr(token)))
        status = (profile.path / "credentials" / f"{PROFILE}.json").stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, GID)
    sweep_private(open_folder, "ant-exec-")
    assert profile.path.exists()
    profile._folder._unlock()  # as when its maker is killed
    member = ["setpriv", "--reuid=54321", f"--regid={GID}", "--clear-groups"]
    token = f"{profile.path}/credentials/{PROFILE}.json"
    assert b"two" in subprocess.run([*member, "cat", token], capture_output=True, check=True).stdout
    locked = subprocess.run([*member, "flock", profile.path, "true"], capture_output=True, check=False)
    assert b"Permission denied" in locked.stderr, "a member would keep the folder from being swept"
    sweep_private(open_folder, "ant-exec-")
    assert not profile.path.exists()


def test_the_token_of_a_build_comes_from_a_variable() -> None:
    (recipe,) = re.findall(r"^```sh\n(ant exec --env .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (mount,) = re.findall(r"^RUN --mount=(\S+) python program.py$", PAGE, re.MULTILINE)
    asked = dict(re.findall(r"(\w+)=(\w+)", mount))
    given = dict(re.findall(r"(\w+)=(\w+)", recipe))
    assert asked == {"type": "secret", **given}
    assert given["env"] == "ANTHROPIC_AUTH_TOKEN"
    with Emulator() as emulator:
        environ = {**emulator.env("github"), "HOME": "/nonexistent", "PATH": os.environ["PATH"], "ANT_CACHE": "memory"}
        inner = 'case "$ANTHROPIC_AUTH_TOKEN" in sk-ant-oat*) echo there;; esac'
        words = [preloaded.ANT, "exec", "--env", "--", "sh", "-c", inner]
        done = preloaded.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "there\n")


def test_compose_hands_on_what_a_container_needs() -> None:
    found = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    app = found[0]["services"]["app"]
    assert app["volumes"] == ["${ANTHROPIC_CONFIG_DIR}:/run/anthropic:ro"]
    assert set(app["environment"]) == {"ANTHROPIC_CONFIG_DIR", "ANTHROPIC_PROFILE", "ANTHROPIC_BASE_URL"}
    assert app["environment"]["ANTHROPIC_CONFIG_DIR"] == "/run/anthropic"
    assert app["user"] == "${APP_USER}", "the official SDKs refuse a token that is not for its owner alone"


def test_a_program_exchanges_what_the_sidecar_of_the_recipe_writes(tmp_path: Path) -> None:
    pod = yaml.safe_load(re.findall(r"^```yaml\n(spec:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0])["spec"]
    (sidecar,), (app,) = pod["initContainers"], pod["containers"]
    (mount,) = sidecar["volumeMounts"]
    shared = tmp_path / "identity"
    shared.mkdir()
    words = [word.replace(mount["mountPath"], str(shared)) for word in sidecar["args"]]
    with Emulator() as emulator:
        platform = emulator.env("github")
        ids, own = federation_of(platform), platform_of(platform)
        watch = preloaded.Popen([preloaded.ANT, *words], env={**own, "HOME": str(tmp_path), "PATH": "/bin"})
        try:
            while not (shared / "token").exists():  # the startup probe
                assert watch.poll() is None
                time.sleep(0.05)
            given = {each["name"]: each["value"].replace(mount["mountPath"], str(shared)) for each in app["env"]}
            environ = {**ids, **given, "HOME": str(tmp_path), "PATH": "/bin", "ANT_CACHE": "memory"}
            done = preloaded.run(
                [preloaded.ANT, "models", "list", "--limit", "1"], env=environ,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            watch.terminate()
            watch.wait()
        assert done.returncode == 0, done.stderr
        assert emulator.exchanges == 1


@pytest.mark.parametrize("words", [["--env", "--group", "0"], ["--group", "no-such-group"], ["--group", "-1"]])
def test_a_group_that_cannot_be_meant_is_wrong_usage(words: list[str], tmp_path: Path) -> None:
    from ant_cli.main import main

    assert main(["exec", *words, "--", "true"], {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}) == 2
