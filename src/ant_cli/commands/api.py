"""`ant api`: call any endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ant_cli._click import completing
from ant_cli._click.groups import AntCommand
from ant_cli._click.options import Number, not_empty
from ant_cli._request_input import read_input
from ant_cli._session import Session, pass_session
from ant_cli._values import encoded, field_value, read_document
from ant_cli.headers import header_lines

if TYPE_CHECKING:
    import httpx

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


@click.command(
    cls=AntCommand,
    examples=(
        "ant api /v1/models",
        "ant api /v1/models --paginate --transform id -r",
        "ant api /v1/messages/count_tokens --input body.json",
        "ant api /v1/messages/count_tokens -f model=claude-opus-5-5 -f 'messages=[{role: user, content: Hi}]'",
    ),
)
@click.argument("path", callback=not_empty)
@click.option(
    "-X", "--method", type=click.Choice(_METHODS, case_sensitive=False), help="Default: GET, or POST with a body."
)
@click.option(
    "-f", "--field", "fields", multiple=True, metavar="NAME=VALUE",
    help="A field of the body, or of the query with GET. VALUE is a text, a number, true, false, null, JSON or @FILE.",
)  # fmt: skip
@click.option(
    "-F", "--raw-field", "raw_fields", multiple=True, metavar="NAME=TEXT", help="The same, but VALUE is always a text."
)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Request header.")
@click.option(
    "--input", "input_", metavar="FILE", callback=not_empty, shell_complete=completing.files,
    help="Request body: a file, or - for stdin.",
)  # fmt: skip
@click.option("--paginate", is_flag=True, help="Fetch all pages and print the items one at a time.")
@click.option("--limit", type=Number(min=1), help="Maximum number of items, with --paginate.")
@pass_session
def api(
    session: Session,
    *,
    path: str,
    method: str | None,
    fields: tuple[str, ...],
    raw_fields: tuple[str, ...],
    headers: tuple[str, ...],
    input_: str | None,
    paginate: bool,
    limit: int | None,
) -> None:
    """Send a request to any API endpoint.

    PATH is a path of the API reference, such as /v1/models or v1/models?limit=5, or a complete URL. The credential is
    sent to the configured host only.
    """
    from ant_cli._output import print_items
    from ant_wif._api import Api
    from ant_wif.errors import InsecureUrlError

    given, extra = _fields(fields, raw_fields), header_lines(headers)
    method = (method or ("POST" if (given or input_) and not paginate else "GET")).upper()
    has_body = method not in {"GET", "HEAD"}
    query = [] if has_body else [(name, text) for name, text, _ in given]
    if input_ and not has_body:
        raise click.UsageError(f"{method} has no body: leave out --input, or choose another method with -X")
    if paginate and method != "GET":
        raise click.UsageError(f"--paginate is for lists, which are read with GET and not with {method}")
    if limit and not paginate:
        raise click.UsageError("--limit is for --paginate; a limit for one page is a field: -X GET -f limit=…")
    content = _content(session, input_, _body(given), extra) if has_body and (given or input_) else None
    with Api(session.credentials()) as client:
        try:
            if paginate:
                print_items(session, client.items(path, query=query, headers=extra, limit=limit, page_size=None))
            else:
                with client.open(method, path, query=query, body=content, headers=extra) as response:
                    _print(session, response)
        except InsecureUrlError:
            with session.scope(on_failure=2):
                raise


def _print(session: Session, response: httpx.Response) -> None:
    from ant_cli._output import print_bytes, print_item, print_items
    from ant_wif._api import EVENT_STREAM, JSON_LINES, events, is_json, json_lines, media_type, pieces, read_answer

    kind = media_type(response.headers)
    if kind == EVENT_STREAM:
        print_items(session, events(response))
    elif kind in JSON_LINES:
        print_items(session, json_lines(response))
    elif is_json(kind):
        answer = read_answer(response)
        if answer.body:
            print_item(session, answer.document())
    elif "transform" in session.options:
        raise click.ClickException(f"the answer is {kind or 'of no stated kind'}, and --transform is for JSON")
    else:
        print_bytes(pieces(response), is_text=kind.startswith("text/"))


def _fields(fields: tuple[str, ...], raw_fields: tuple[str, ...]) -> list[tuple[str, str, bool]]:
    """Return name, text and whether it is to stay a text."""
    found = []
    for given, raw in ((fields, False), (raw_fields, True)):
        for text in given:
            name, separator, value = text.partition("=")
            if not name or not separator:
                raise click.UsageError(f"a field is NAME=VALUE, and {text!r} has no {'name' if separator else '='}")
            found.append((name, value, raw))
    return found


def _body(given: list[tuple[str, str, bool]]) -> dict[str, object]:
    body: dict[str, object] = {}
    for name, text, raw in given:
        value = text if raw else field_value(name, text)
        values = body.setdefault(name[:-2], []) if name.endswith("[]") else None
        if isinstance(values, list):
            values.append(value)
        elif name in body or values is not None:
            raise click.UsageError(
                f"the field {name!r} is given twice; a list is {name}[]=… for each, or {name}='[…, …]'"
            )
        else:
            body[name] = value
    return body


def _content(session: Session, source: str | None, given: dict[str, object], headers: dict[str, str]) -> bytes:
    from ant_wif._api import is_json, media_type

    body = b"" if source is None else read_input(session, source)
    if not is_json(media_type({"content-type": "application/json", **headers})):
        if given:
            raise click.UsageError(
                f"fields make JSON, and the content type is {headers['content-type']}: use --input only"
            )
        return body
    return encoded({**read_document(body, "stdin" if source == "-" else f"the file {source}"), **given})
