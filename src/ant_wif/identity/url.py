"""`url`: an identity token that a server of yours gives for a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import SkipValidation

from ant_wif._http import Flow, Request, Response, call, check_url
from ant_wif._secrets import SecretStr, is_sendable, sanitize, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.file import read_token
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_QUERY = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@%/?&-]*")
# Words in the name of a header, a field or a parameter whose value is a secret; the others where they end the name.
_SECRET_WORDS = frozenset({"secret", "password", "passwd", "passphrase", "pwd", "credential", "credentials"})
_SECRET_LAST_WORDS = frozenset(
    {"token", "key", "auth", "authorization", "authentication", "cookie", "jwt", "assertion", "signature", "session",
     "pat", "api", "apikey", "bearer", "pass", "accesstoken", "authtoken", "idtoken", "code", "sas", "sig"}
)  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_VALUE = re.compile(r"(?i:bearer|basic|token)\s+\S|(?=\S*\d)(?=\S*[A-Za-z])[\w+/=~.-]{24,}")
# Long, and no secret.
_ID_OR_URL = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|https?://[^?#]*")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}[ =:]{0,2}|")
_FRAMING_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@dataclass(frozen=True)
class Url(IdentitySource):
    """Asks `url`; the token is the field `json_field` (a dotted path) of the answer, or the whole answer.

    A header is a text, or names what holds its value: `{"variable": NAME}` or `{"file": PATH}`, either with a
    `prefix` such as `"Bearer "`. Secrets do not stand in a profile: a text is refused where the name of its header, its
    field or its parameter, or the text itself, looks like one.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    # Judged below, in words: pydantic would name the members of the union.
    headers: Mapping[str, Annotated[str | Mapping[str, str], SkipValidation]] = field(default_factory=dict, hash=False)
    body: Mapping[str, Any] | None = field(default=None, hash=False)
    json_field: str | None = None
    source: Literal["url"] = "url"

    title: ClassVar[str] = "identity token URL"
    renewable: ClassVar[bool] = True
    undetected: ClassVar[str] = "only by configuration: a profile's identity_token with `url`"

    def __post_init__(self) -> None:
        """Raises ValueError: a header has a name that HTTP does not have, or a secret for a value."""
        for name, value in self.headers.items():
            shown = sanitize(name, limit=64)
            if not _NAME.fullmatch(name) or name.lower() in _FRAMING_HEADERS:
                raise ValueError(f"headers: {shown!r} is not a header that can be set")
            if isinstance(value, str):
                if _names_secret(name, anywhere=True) or _looks_secret(value):
                    raise ValueError(f"headers.{shown}: name the variable or file that holds it, not the value itself")
            elif not _is_reference(value):
                raise ValueError(f"headers.{shown}: expected a text, or an object with `variable` or `file`")
            elif not _PREFIX.fullmatch(value.get("prefix", "")):
                raise ValueError(f"headers.{shown}: the prefix must be one word, such as 'Bearer '")
        for place, name, value in (*_fields_of(self.body, "body"), *self._parameters()):
            if _names_secret(name) or _looks_secret(value):
                shown = sanitize(name, limit=64)
                raise ValueError(
                    f"{place}: {shown!r} looks like a secret: pass it in a header with `variable` or `file`"
                )
        if self.body is not None and self.method != "POST":
            raise ValueError("body needs the method POST")
        if self.json_field is not None and not all(self.json_field.split(".")):
            raise ValueError("json_field: expected names with dots between them")

    def _parameters(self) -> Iterator[tuple[str, str, str]]:
        """Yield the parameters of the URL's query with their values. One without `=` is a value without a name."""
        for pair in re.split("[&;]", self.url.partition("?")[2]):
            name, equals, value = pair.partition("=")
            if not equals:
                yield "url", "", unquote(name)
            elif value:
                yield "url", unquote(name), unquote(value)

    @property
    def _place(self) -> str:
        return self.url.partition("?")[0]

    def asks_for(self, context: Context) -> str:
        return f"{self.method} {sanitize(self._place, limit=128)}"

    def unmet(self, context: Context) -> IdentitySourceError | None:
        for value in self.headers.values():
            variable = None if isinstance(value, str) else value.get("variable")
            if variable is not None and variable not in context.environ:
                name = sanitize_path(variable)
                return IdentitySourceError(
                    f"the variable {name}, which a header of the identity token's URL is read from, is not set",
                    hint=f"set {name} from your CI system's secrets",
                )
        return None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        place, mark, query = self.url.partition("?")
        check_url(place, what="identity_token.url", environ=context.environ)
        if not _QUERY.fullmatch(query):
            raise IdentitySourceError(
                "the query of identity_token.url has a character that no URL holds, or a fragment follows it",
                hint="write the character as %XX, and leave the fragment out",
            )
        self.require_met(context)
        headers, sent = yield from call(lambda: self._headers(context))
        request = Request(self.method, f"{place}{mark}{query}", headers=headers, json=self.body)
        endpoint = Endpoint(f"the server at {sanitize(place, limit=128)}", "check url, method, headers and body")
        path = self.json_field.split(".") if self.json_field else ()
        raw = yield from endpoint.token(request, *path, sent=sent, explain=_explained)
        return context.parse(self, raw, audience=None)

    def _headers(self, context: Context) -> tuple[dict[str, str | SecretStr], list[SecretStr]]:
        """Return the headers, and what in them no message may repeat.

        Raises:
            IdentitySourceError: a file cannot be read, or its text cannot be sent.
        """
        headers: dict[str, str | SecretStr] = {}
        sent = []
        for name, value in self.headers.items():
            if isinstance(value, str):
                headers[name] = value
                continue
            secret = _held(value, context)
            sent.append(secret)
            headers[name] = SecretStr(f"{value.get('prefix', '')}{secret.get_secret_value()}")
        return headers, sent


def _is_reference(value: object) -> bool:
    """Whether it names one variable or file, with a prefix or without."""
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        return False
    named = [value[name] for name in ("variable", "file") if name in value]
    return len(named) == 1 and bool(named[0]) and set(value) <= {"variable", "file", "prefix"}


def _names_secret(name: str, *, anywhere: bool = False) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    last = words if anywhere else words[-1:]
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_LAST_WORDS.isdisjoint(last)


def _looks_secret(value: str) -> bool:
    return _ID_OR_URL.fullmatch(value) is None and _SECRET_VALUE.search(value) is not None


def _fields_of(body: object, place: str, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the texts and numbers in a JSON body, with the place and the name of the field that each is in."""
    if isinstance(body, Mapping):
        for field_name, value in body.items():
            yield from _fields_of(value, place, str(field_name))
    elif isinstance(body, list):
        for value in body:
            yield from _fields_of(value, place, name)
    elif body not in (None, "", True, False):
        yield place, name, str(body)


def _held(value: Mapping[str, str], context: Context) -> SecretStr:
    if "variable" in value:
        return context.header_value(value["variable"])
    path = context.environ.expand(value["file"])
    read = read_token(path, where="the header's `file`", what="the file of a header")
    found = SecretStr(read.get_secret_value().strip())
    if not is_sendable(found):
        raise IdentitySourceError(
            f"the file {sanitize_path(path)} holds a character that no HTTP header can carry, or nothing",
            hint="write the secret to the file alone, on one line",
        )
    return found


def _explained(reply: Response, shown: str) -> IdentitySourceError | None:
    if not 300 <= reply.status < 400:
        return None
    return IdentitySourceError(
        f"the server of the identity token's URL returned a redirect (HTTP {reply.status}), which is not followed: "
        f"{shown}",
        hint="name in identity_token.url the address that answers itself",
    )
