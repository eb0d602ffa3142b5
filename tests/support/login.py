"""What tests of `ant auth login` share: the login that there was, and what became of the files."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def config(directory: ConfigDir, name: str = "default") -> dict[str, object]:
    document: dict[str, object] = json.loads(directory.config_path(name).read_text())
    return document


def stored(directory: ConfigDir, name: str = "default") -> dict[str, object]:
    document: dict[str, object] = json.loads(directory.credentials_path(name).read_text())
    return document


def keep_a_login(
    directory: ConfigDir,
    emulator: Emulator,
    name: str = "default",
    *,
    scope: str = "user:profile user:inference user:developer",
    **more: object,
) -> None:
    """Leave a login of the default workspace, as an earlier `ant auth login` did."""
    login = emulator.login(scope=scope)
    path = directory.secrets_path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "version": "1.0",
                "type": "oauth_token",
                "access_token": login.access_token,
                "refresh_token": login.refresh_token,
                "expires_at": 4_000_000_000,
                "scope": scope,
            }
        )
    )
    authentication = {"type": "user_oauth", "client_id": "41077d10-94b8-4194-be48-d251e9eb21b4"}
    directory.write(
        name,
        {
            "authentication": authentication,
            "workspace_id": login.workspace_id,
            "organization_id": emulator.organization_id,
            "base_url": emulator.base_url,
            **more,
        },
    )
    directory.activate(name)


def tree(directory: ConfigDir) -> dict[str, bytes]:
    root = directory.config_path("default").parent.parent
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.suffix != ".lock" and path.is_file()
    }
