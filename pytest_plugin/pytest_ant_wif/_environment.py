"""An environment of the test's own: no variable, profile or cache of this machine is seen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ant_wif.emulator import Emulator

_PREFIXES = (
    "ANTHROPIC_", "ANT_", "ACTIONS_", "AWS_", "AZURE", "BITBUCKET_", "BUILDKITE", "CI_", "CIRCLE", "CLOUDSDK_",
    "CODEBUILD_", "FLY_", "GCE_", "GCLOUD_", "GITHUB_", "GITLAB_", "GOOGLE_", "IDENTITY_", "KUBERNETES_", "MSI_",
    "RUNNER_", "SEMAPHORE", "SPACELIFT_", "SPIFFE_", "SYSTEM_ACCESSTOKEN", "SYSTEM_OIDC", "TFC_", "TF_BUILD",
    "TF_VAR_spacelift_", "VERCEL", "WEBSITE_",
)  # fmt: skip
_NAMES = ("CI", "CLOUD_RUN_JOB", "FUNCTION_TARGET", "GAE_SERVICE", "K_SERVICE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")

# No variable names these sources: a job that uses one has a profile.
_BY_PROFILE = {"oauth", "url"}


class UnknownPlatformError(ValueError):
    """There is no such platform to pretend to be on."""


class AntEnv:
    """The isolated environment. Variables are put back when the test ends.

    Attributes:
        home: the temporary home.
        config_dir: where profiles are, below `home`.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, emulator: Emulator | None = None) -> None:
        self.home = home
        self.config_dir = home / ".config" / "anthropic"
        self._monkeypatch = monkeypatch
        self._emulator = emulator
        for name in [name for name in os.environ if name.startswith(_PREFIXES) or name in _NAMES]:
            monkeypatch.delenv(name)
        # Where profiles are follows from it. A variable that names the folder would demand that there be one.
        self.setenv("HOME", str(home))
        self.setenv("ANT_CACHE_DIR", str(home / ".cache" / "ant-wif"))

    def setenv(self, name: str, value: str) -> None:
        """Set a variable."""
        self._monkeypatch.setenv(name, value)

    def delenv(self, name: str) -> None:
        """Remove a variable, if it is there."""
        self._monkeypatch.delenv(name, raising=False)

    def write_profile(self, name: str = "default", *, activate: bool = False, **document: object) -> Path:
        """Write `configs/<name>.json`; keywords are its fields, `authentication` among them."""
        from ant_wif._config import ConfigDir
        from ant_wif._environment import Environment

        directory = ConfigDir(self.config_dir, environ=Environment())
        path = directory.write(name, document)
        if activate:
            directory.activate(name)
        return path

    def write_credentials(self, name: str = "default", **fields: object) -> Path:
        """Write `credentials/<name>.json` (0600); keywords are its fields, such as `access_token`, `expires_at`."""
        folder = self.config_dir / "credentials"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"version": "1.0", "type": "oauth_token", **fields}))
        return path

    def federate(self, platform: str = "github") -> Mapping[str, str]:
        """Make this look like a job on `platform`, with the emulator for a backend. Returns the variables set.

        For `oauth` and `url`, the default profile is written with what the other platforms have in variables.

        Raises:
            UnknownPlatformError: there is no such platform.
        """
        if self._emulator is None:
            raise RuntimeError("this environment was made without an emulator")
        try:
            variables = self._emulator.env(platform)
        except ValueError as error:
            raise UnknownPlatformError(str(error)) from None
        if platform in _BY_PROFILE:
            variables = self._in_a_profile(variables, self._emulator.identity_token(platform))
        for name, value in variables.items():
            self.setenv(name, value)
        return variables

    def _in_a_profile(self, variables: Mapping[str, str], identity_token: Mapping[str, object]) -> dict[str, str]:
        """Write the IDs among the variables into the default profile; return the others."""
        ids = {
            name: value for name, value in variables.items() if name.startswith("ANTHROPIC_") and name.endswith("_ID")
        }
        self.write_profile(
            authentication={
                "type": "oidc_federation",
                "federation_rule_id": ids["ANTHROPIC_FEDERATION_RULE_ID"],
                "service_account_id": ids["ANTHROPIC_SERVICE_ACCOUNT_ID"],
                "identity_token": identity_token,
            },
            organization_id=ids["ANTHROPIC_ORGANIZATION_ID"],
            workspace_id=ids["ANTHROPIC_WORKSPACE_ID"],
        )
        return {name: value for name, value in variables.items() if name not in ids}
