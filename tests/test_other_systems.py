"""Windows and macOS, as far as they can be told apart here: the modules load, and their branches run.

Each in a process of its own, which has lost what the other system does not have. docs/systems.md says what that proves.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from support import preloaded

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"

SCENARIO = """
import anthropic, json, os, pathlib, sys  # forked from a process that has the first
sys.path.insert(0, sys.argv[2])
from support.other_system import become, import_everything

token = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"

def printed(ant_wif, program, environ, **options):
    from ant_wif.identity._subprocess import token_printed_by
    command = [sys.executable, "-I", "-S", "-c", program]
    try:
        return token_printed_by(command, environ, missing="", **options).get_secret_value()
    except ant_wif.IdentitySourceError as error:
        return str(error).partition(";")[0].rpartition("python ")[-1]

def everything(system, home):
    become(system)
    assert import_everything() > 200
    import ant_wif
    from ant_cli._process import Relay
    from ant_wif._config import CacheDir, locate
    from ant_wif._environment import HOME, Environment
    from ant_wif._files import PrivateFolder, check_place, owners_in, read_object, try_lock, write_atomically

    environ = {HOME: str(home), "PATH": os.environ["PATH"]}
    path = home / "configs" / "default.json"
    for content in (b'{"a": 1}', b'{"a": 2}'):
        write_atomically(path, lambda: content, mode=0o644, folder_mode=0o755)
    check_place(path, top=home, what="profile")
    release = try_lock(home / "lock")
    is_locked = try_lock(home / "lock") is None
    release()
    PrivateFolder(home, "ant-").remove()
    with Relay() as relay:
        status = relay.wait(relay.run([sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"], environ))
    return {
        "config": str(locate(Environment(environ))[0].relative_to(home)),
        "cache": str(CacheDir.locate(Environment(environ)).path.relative_to(home)),
        "judges owners": bool(owners_in()),
        "read": read_object(path, what="profile", secret=False),
        "is locked": is_locked,
        # filelock 3.21 removes its file, and later releases leave it.
        "left": sorted(entry.name for entry in home.iterdir() if entry.name != "lock"),
        "status": status,
        "command": [
            printed(ant_wif, f"print({token!r})", environ) == token,
            printed(ant_wif, "import sys; sys.stderr.write('no'); sys.exit(3)", environ),
            printed(ant_wif, "print('x' * 3_000_000)", environ),
            printed(ant_wif, "import time; time.sleep(60)", environ, timeout=0.5),
        ],
    }

home = pathlib.Path(sys.argv[1])
found = []
for system in ("darwin", "win32"):
    (home / system).mkdir()
    found.append(everything(system, home / system))
print(json.dumps(found))
"""


def test_every_module_loads_and_the_branches_of_other_systems_work(tmp_path: Path) -> None:
    """One process for all of it, because what the modules import takes seconds."""
    done = preloaded.run(
        [sys.executable, "-c", SCENARIO, str(tmp_path), str(TESTS)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    both = {
        "read": {"a": 2},
        "is locked": True,
        "status": 7,
        "command": [
            True,
            "failed with exit status 3",
            "printed more than 1048576 bytes",
            "did not end within 0.5s",
        ],
    }
    mac, windows = json.loads(done.stdout)
    assert mac == both | {
        "config": ".config/anthropic",
        "cache": "Library/Caches/ant-wif",
        "judges owners": True,
        "left": ["configs"],
    }
    assert windows == both | {
        "config": "AppData/Roaming/Anthropic",
        "cache": "AppData/Local/ant-wif/Cache",
        "judges owners": False,
        "left": ["configs"],
    }


def test_only_one_module_asks_which_system_this_is() -> None:
    asks = re.compile(
        r"\bos\.name\b|sys\.platform|platform\.system\(|\bimport (fcntl|pwd|grp|resource|termios|selectors)"
    )
    folders = (ROOT / "src", ROOT / "pytest_plugin")
    found = {
        path.relative_to(ROOT).as_posix(): line.strip()
        for folder in folders
        for path in folder.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if asks.search(line) and "for mypy" not in line
    }
    assert set(found) <= {"src/ant_wif/_environment.py"}, found
