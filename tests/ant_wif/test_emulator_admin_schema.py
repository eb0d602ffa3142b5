"""The Admin API against its own description: schemathesis makes up requests, and looks at what comes back."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from ant_wif.emulator import Emulator
from support.admin_api import Administrator

# Not beside the tests: with what it brings along, every process that imports httpx would start later.
SCHEMATHESIS = Path(__file__).parents[2] / ".venv" / "lint" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is in the environment of `make lint`: .venv/lint")
@pytest.mark.parametrize(
    ("phases", "examples"),
    [pytest.param("coverage,fuzzing,stateful", "3", marks=pytest.mark.long), ("fuzzing,stateful", "1")],
)
def test_what_schemathesis_makes_up_is_answered_as_described(phases: str, examples: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with Emulator() as emulator:
        token = emulator.login(scope="org:admin").access_token
        command = [
            *(str(SCHEMATHESIS), "run", f"{emulator.base_url}/_emulator/openapi.json"),
            *("--header", f"Authorization: Bearer {token}", "--header", "anthropic-version: 2026-10-21"),
            *("--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", examples),
            *("--seed", "1", "--warnings", "off", "--no-color"),
        ]
        outcome = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout.replace(token, "[token]")


def test_the_description_has_every_operation_and_no_more(running: Emulator) -> None:
    with httpx.Client(base_url=running.base_url) as client:
        described = client.get("/_emulator/openapi.json").json()
        admin = Administrator(running, client)
        operations = {
            (method, path) for path, item in described["paths"].items() for method in item if method != "parameters"
        }
        assert len(operations) == 28
        for method, path in operations:
            filled = path.replace("{", "").replace("}", "")
            is_control = path.startswith("/_emulator/")
            answer = (
                client.request(method, filled)
                if is_control
                else admin.ask(method.upper(), filled.removeprefix("/v1/organizations/"))
            )
            assert answer.status_code not in {405, 500}, (method, path)
            assert str(answer.status_code) in described["paths"][path][method]["responses"]


def test_every_reference_in_the_description_leads_to_a_part_of_it(running: Emulator) -> None:
    described = httpx.get(f"{running.base_url}/_emulator/openapi.json").json()
    references = set(re.findall(r'"\$ref": "#/components/([^"]+)"', json.dumps(described)))
    parts = {f"{kind}/{name}" for kind, named in described["components"].items() for name in named}
    assert references - parts == set()
    assert "schemas/ResourcePage_RuleResource_" in references
