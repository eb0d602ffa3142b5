"""`ant api`: call any endpoint."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ant_cli.options import Command, Session, not_empty, pass_session
from ant_cli.values import encoded, inlined, read_document, read_stdin

if TYPE_CHECKING:
    import httpx

    from ant_wif.api import Api

__all__ = ["api"]

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.1
_OWN_HEADERS = {"authorization", "x-api-key", "host", "content-length", "transfer-encoding", "connection"}


@click.command(cls=Command)
@click.argument("path")
@click.option("-X", "--method", type=click.Choice(_METHODS, case_sensitive=False), help="GET, or POST with a body.")
@click.option(
    "-f", "--field", "fields", multiple=True, metavar="NAME=VALUE",
    help="A field of the body, of the query with GET. VALUE is JSON, YAML or @FILE.",
)  # fmt: skip
@click.option("-F", "--raw-field", "raw_fields", multiple=True, metavar="NAME=TEXT", help="The same, always a text.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the request.")
@click.option("--input", "input_", metavar="FILE", callback=not_empty, help="The body: a file, or - for stdin.")
@click.option("--paginate", is_flag=True, help="Go on to the last page, and print what is in it one by one.")
@click.option("--limit", type=click.IntRange(min=1), help="With --paginate: print at most so many.")
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
    """Call the endpoint at PATH with the credential, and print the answer.

    PATH is as the API's reference has it: /v1/models, v1/models?limit=5, or the whole URL. The credential goes to
    its own host only. `ant api /v1/models --paginate`, `ant api /v1/messages/count_tokens -f model=… -f messages='[…]'`
    """
    from ant_cli.output import print_items
    from ant_wif.api import Api
    from ant_wif.errors import InsecureUrlError

    given = _fields(fields, raw_fields)
    extra = _headers(headers)
    method = (method or ("POST" if (given or input_) and not paginate else "GET")).upper()
    has_body = method not in {"GET", "HEAD"}
    query = [] if has_body else [(name, _in_query(value)) for name, value in given.items()]
    if input_ and not has_body:
        raise click.UsageError(f"{method} has no body: leave out --input, or choose another method with -X")
    if paginate and method != "GET":
        raise click.UsageError(f"--paginate is for lists, which are read with GET and not with {method}")
    if limit and not paginate:
        raise click.UsageError("--limit is for --paginate; a limit for one page is a field: -X GET -f limit=…")
    content = _content(session, input_, given, extra) if has_body and (given or input_) else None
    with Api(session.credentials()) as client:
        try:
            if paginate:
                print_items(session, client.items(path, query=query, headers=extra, limit=limit, page_size=None))
            else:
                with client.open(method, path, query=query, body=content, headers=extra) as response:
                    _print(session, client, response)
        except InsecureUrlError:
            session.failure = 2
            raise


def _print(session: Session, client: Api, response: httpx.Response) -> None:
    from ant_cli.output import print_item, print_items
    from ant_wif.events import EVENT_STREAM, events

    if response.headers.get("content-type", "").startswith(EVENT_STREAM):
        print_items(session, events(response))
        return
    answer = client.read(response)
    if not answer.body:
        return
    if answer.is_json:
        try:
            document = answer.document()
        except ValueError:
            raise click.ClickException("the answer says that it is JSON, and is not") from None
        print_item(session, document)
    else:
        if b"\0" in answer.body and sys.stdout.isatty():
            raise click.ClickException(f"the answer is {len(answer.body)} bytes of {answer.media_type}; add > FILE")
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.body)


def _fields(fields: tuple[str, ...], raw_fields: tuple[str, ...]) -> dict[str, object]:
    from ant_cli.relaxed import read_value

    found: dict[str, object] = {}
    for text, raw in (*((each, False) for each in fields), *((each, True) for each in raw_fields)):
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise click.UsageError(f"a field is NAME=VALUE, and {text!r} has no {'name' if separator else '='}")
        if name in found:
            raise click.UsageError(f"the field {name!r} is given twice; a list is {name}='[…, …]'")

        def fail(problem: str, name: str = name) -> object:
            raise click.UsageError(f"the value of the field {name!r} is neither JSON nor YAML: {problem}")

        found[name] = value if raw else inlined(value if value.startswith(("@", "\\@")) else read_value(value, fail))
    return found


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, separator, value = (part.strip() for part in line.partition(":"))
        if not separator or not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise click.UsageError(f"a header is NAME: VALUE in printable ASCII, and {name or 'one'!r} is not")
        if name.lower() in _OWN_HEADERS:
            raise click.UsageError(
                f"the header {name} is not yours to set; --api-key and --auth-token choose the credential"
            )
        found[name.lower()] = f"{found[name.lower()]},{value}" if name.lower() in found else value
    return found


def _content(session: Session, source: str | None, given: dict[str, object], headers: dict[str, str]) -> bytes:
    body = b"" if source is None else _read(session, source)
    if "json" not in headers.get("content-type", "json").lower():
        if given:
            raise click.UsageError(
                f"fields make JSON, and the content type is {headers['content-type']}: use --input only"
            )
        return body
    return encoded({**read_document(body, "stdin" if source == "-" else f"the file {source}"), **given})


def _read(session: Session, source: str) -> bytes:
    if source == "-":
        if session.is_guest:
            raise click.UsageError("--input - reads stdin, which is not this command's here: name a file")
        return read_stdin()
    try:
        return Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise click.UsageError(
            f"the file {source} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _in_query(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        raise click.UsageError("a query has texts and numbers only; choose a method with a body: -X POST")
    return encoded(value).decode()
