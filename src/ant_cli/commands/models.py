"""`ant models`: look at the models that the credential may use."""

from __future__ import annotations

import click

from ant_cli._click.groups import AntGroup
from ant_cli._click.options import Number
from ant_cli._session import Session, pass_session

_LONGEST_ID = 256
_COLUMNS = {"ID": "id", "NAME": "display_name", "CREATED": "created_at"}


@click.group(
    cls=AntGroup,
    examples=(
        "ant models list",
        "ant models retrieve claude-opus-5-5",
    ),
)
def models() -> None:
    """List and retrieve models."""


@models.command(
    "list",
    examples=(
        "ant models list",
        "ant models list --limit 1 --transform id -r",
    ),
)
@click.option("--limit", type=Number(min=1), help="Maximum number of models.")
@pass_session
def list_(session: Session, limit: int | None) -> None:
    """List the models available to this credential.

    Prints a table in a terminal, and one JSON document a line elsewhere.
    """
    from ant_cli._output import print_list
    from ant_wif._api import Api

    with Api(session.credentials()) as api:
        print_list(session, api.items("/v1/models", limit=limit), _COLUMNS)


@models.command(examples=("ant models retrieve claude-opus-5-5",))
@click.argument("model_id", required=False)
@click.option("--model-id", "named", metavar="ID", help="The same as MODEL_ID.")
@pass_session
def retrieve(session: Session, model_id: str | None, named: str | None) -> None:
    """Retrieve one model."""
    from urllib.parse import quote

    from ant_cli._output import print_item
    from ant_wif._api import Api

    wanted = named or model_id
    if not wanted or (named and model_id):
        raise click.UsageError("which model? give its id, once: ant models retrieve MODEL_ID")
    if wanted in {".", ".."} or len(wanted) > _LONGEST_ID:
        raise click.UsageError("that is not a valid model ID; `ant models list` prints the IDs")
    with Api(session.credentials()) as api:
        print_item(session, api.get(f"/v1/models/{quote(wanted, safe='', errors='replace')}"))
