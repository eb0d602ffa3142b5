"""What an identity token is exchanged under."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ant_wif._http.urls import check_url
from ant_wif._secrets import clean
from ant_wif.errors import ConfigurationError

__all__ = ["Federation"]


@dataclass(frozen=True)
class Federation:
    """What an identity token is exchanged under: the rule, and where its token is to be valid."""

    base_url: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None = None
    workspace_id: str | None = None

    def check(self) -> None:
        """Refuse what the server could only refuse too, before a single-use assertion is spent on it.

        Raises:
            InsecureUrlError: the base URL must not carry a token.
            ConfigurationError: an id has not the form of its kind.
        """
        check_url(self.base_url, what="the base URL")
        wanted = [
            ("federation rule", self.federation_rule_id, _tagged("fdrl"), "fdrl_…"),
            ("organization", self.organization_id, _is_uuid, "a UUID without prefix"),
            ("service account", self.service_account_id, _tagged("svac"), "svac_…"),
            ("workspace", self.workspace_id, _is_workspace, "wrkspc_… or the word default"),
        ]
        for name, value, well_formed, expected in wanted:
            if value is not None and not well_formed(value):
                raise ConfigurationError(
                    f"{clean(value, limit=64)!r} is not the id of {'an' if name == 'organization' else 'a'} {name}: "
                    f"expected {expected}",
                    hint=f"copy the {name}'s id from the Console and mind which variable it goes into",
                )

    def fingerprint(self) -> str:
        """Tell this federation from others, without naming it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def _tagged(prefix: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(rf"{prefix}_[A-Za-z0-9_-]{{1,128}}", value) is not None


def _is_workspace(value: str) -> bool:
    return value == "default" or _tagged("wrkspc")(value)


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
