"""A repository that has copied the examples: where they are, and what runs in it besides."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "ci-examples"
IDS = {f"ANTHROPIC_{name}_ID" for name in ("FEDERATION_RULE", "ORGANIZATION", "SERVICE_ACCOUNT", "WORKSPACE")}
BIN = Path(sys.executable).parent

# These of the project's own plugins are installed in no job; to import them costs a third of a second each time.
PYTEST_ADDOPTS = "-p no:asyncio -p no:hypothesispytest -p no:anyio"

# Stands for the program of the repository. It looks where every official SDK does, and takes a hundredth of the time
# that importing one takes; the SDK itself runs in the example of GitHub Actions.
PROGRAM = """\
import http.client, json, os
home, name = os.environ["ANTHROPIC_CONFIG_DIR"], os.environ["ANTHROPIC_PROFILE"]
with open(f"{home}/credentials/{name}.json") as file:
    token = json.load(file)["access_token"]
host = http.client.HTTPConnection(os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://"))
headers = {"Authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20", "anthropic-version": "2023-06-01"}
host.request("GET", "/v1/models", headers=headers)
print(*(model["id"] for model in json.load(host.getresponse())["data"]))
"""


def read(path: str) -> Any:
    return yaml.safe_load((EXAMPLES / path).read_text())


def locked(name: str) -> str:
    """Return a requirement with the version that the suite runs with."""
    found = re.search(rf"^{re.escape(name)}==\S+", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found.group()


def without_installing(script: str) -> str:
    """Leave out what the project's own environment has done already."""
    installs = re.compile(r"pip\"? install|-m venv|npm install")
    return "\n".join(line for line in script.splitlines() if not installs.search(line))


def repository(folder: Path, program: str = PROGRAM) -> None:
    (folder / "program.py").write_text(program)
    shutil.copy(ROOT / "tests" / "howto" / "suite_with_credentials.py", folder / "test_suite.py")
