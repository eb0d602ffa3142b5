"""A platform's command line program, as an executable that has the emulator do the work."""

from __future__ import annotations

import argparse
import hmac
import os
import secrets
import shlex
import sys
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._strict import read_object
from ant_wif.emulator._http.protocol import Refusal, bearer, json_response, read_body
from ant_wif.emulator._issuers import Folder, IdentityProvider, write_privately

# The first line after that of the shell is a command to the shell, and a string to Python: so the path
# of the interpreter may be long and have blanks.
_SCRIPT = """\
#!/bin/sh
'''exec' {interpreter} -I "$0" "$@"
' '''
import json, sys, urllib.error, urllib.request

request = urllib.request.Request(
    {url!r},
    json.dumps({{"arguments": sys.argv[1:]}}).encode("ascii"),
    {{"authorization": {authorization!r}, "content-type": "application/json"}},
)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
try:
    with opener.open(request, timeout=30) as answer:
        outcome = json.load(answer)
except (OSError, ValueError) as error:
    sys.exit(f"{name}: the emulator does not answer: {{error}}")
sys.stdout.write(outcome["stdout"])
sys.stderr.write(outcome["stderr"])
sys.exit(outcome["status"])
"""


class UsageError(Exception):
    """The arguments make no sense to the program."""


class Words(argparse.ArgumentParser):
    """A parser that raises `UsageError`, where argparse's own ends the process."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@dataclass(frozen=True)
class Outcome:
    """What a program prints, and its exit status."""

    stdout: str = ""
    stderr: str = ""
    status: int = 0


class CommandProvider(IdentityProvider):
    """A platform whose jobs get their token from a program on the PATH."""

    program: ClassVar[str]

    def __init__(self, clock: Callable[[], float] = time.time, folder: Folder | None = None) -> None:
        super().__init__(clock, folder)
        self._secret = secrets.token_urlsafe(32)

    @abstractmethod
    def run(self, arguments: list[str]) -> Outcome:
        """Do what the program does with these arguments."""

    def write_program(self, folder: str | os.PathLike[str]) -> str:
        """Write the executable into `folder`, and return its path. Raises OSError."""
        script = _SCRIPT.format(
            interpreter=shlex.quote(sys.executable),
            name=self.program,
            url=f"{self.base_url}/{self.name}/command",
            authorization=f"Bearer {self._secret}",
        )
        return write_privately(Path(folder) / self.program, script, mode=0o700)

    def search_path(self) -> str:
        """Return a PATH on which the program comes first, before the emulator's own PATH."""
        folder = self._folder.path / self.name / "bin"
        self.write_program(folder)
        return os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))

    def own_routes(self) -> list[Route]:
        return [Route(f"/{self.name}/command", self._command, methods=["POST"])]

    async def _command(self, request: Request) -> Response:
        if not hmac.compare_digest((bearer(request) or "").encode(), self._secret.encode()):
            raise Refusal(401, "Only the program that the emulator wrote may ask")
        try:
            arguments = read_object(await read_body(request)).get("arguments")
        except ValueError:
            arguments = None
        if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
            raise Refusal(400, "arguments: must be a list of strings")
        outcome = self.run(arguments)
        return json_response({"stdout": outcome.stdout, "stderr": outcome.stderr, "status": outcome.status})
