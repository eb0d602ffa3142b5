"""The Admin API with the credential of this run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ant_cli._click.options import Session

if TYPE_CHECKING:
    from ant_wif.admin.client import Admin

__all__ = ["admin_of"]


def admin_of(session: Session) -> Admin:
    """Return it, not opened yet. A profile that was named outright is used also where an API key is set.

    Raises AntWifError: there is no credential, or it is an API key. Raises click.BadParameter: `--transform` is no
    expression, which had better be known before anything is changed.
    """
    from ant_cli._output import print_items
    from ant_wif.admin.client import Admin

    print_items(session, ())
    named = bool(session.options.get("profile") or session.environ.get("ANTHROPIC_PROFILE"))
    return Admin(session.credentials(lambda candidate: named and candidate.tier != 3))
