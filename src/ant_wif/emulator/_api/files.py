"""Files: uploaded, listed, read and deleted. Unlike at the real service, uploaded files can be downloaded, too."""

from __future__ import annotations

import mimetypes
import re
from email.message import Message
from email.parser import HeaderParser
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._http.fields import MOST_BY_ID, limit_of, single
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal, json_response, media_type, read_body, timestamp
from ant_wif.emulator._state.state import State, StoredFile

_ROOT = "/v1/files"
_MOST_BYTES = 32 << 20
_QUOTA_BYTES = 256 << 20
_MOST_IDS = 100
_MOST_PARTS = 8
_LONGEST_NAME = 255
_FORBIDDEN = '<>:"|?*'
_SHORTEST_LIFE, _LONGEST_LIFE = 3_600, 7_776_000
_CURSOR = "page_"
_TYPE = re.compile(r"[a-z0-9.+_-]{1,64}/[a-z0-9.+_-]{1,64}")


def file_routes(state: State) -> list[Route]:
    async def upload(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        file = _uploaded(await _parts(request), workspace_id, state.clock())
        with state.lock:
            _drop_expired(state)
            if sum(len(each.content) for each in state.files.values()) + len(file.content) > _QUOTA_BYTES:
                raise Refusal(400, "The storage quota is exhausted: delete files first")
            state.files[file.id] = file
        return json_response(_shown(file))

    async def list_all(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        query = request.query_params
        ids = query.getlist("ids[]") or query.getlist("ids")
        limit, cursor = limit_of(query, MOST_BY_ID), single(query, "page")
        with state.lock:
            _drop_expired(state)
            found = [each for each in reversed(state.files.values()) if each.workspace_id == workspace_id]
        if "scope_id" in query:  # that of a session, of which there are none
            found = []
        if ids:
            if len(set(ids)) > _MOST_IDS or cursor is not None or "limit" in query:
                raise Refusal(400, f"ids: must be at most {_MOST_IDS}, without limit and page")
            return json_response({"data": [_shown(file) for file in found if file.id in ids], "next_page": None})
        begin = 0
        if cursor is not None:
            position = next((n for n, each in enumerate(found) if f"{_CURSOR}{each.id}" == cursor), None)
            if position is None:
                raise Refusal(400, "page: must be the next_page of an answer to the same request")
            begin = position
        page, rest = found[begin : begin + limit], found[begin + limit :]
        next_page = f"{_CURSOR}{rest[0].id}" if rest else None
        return json_response({"data": [_shown(file) for file in page], "next_page": next_page})

    async def get(request: Request) -> Response:
        return json_response(_shown(_found(state, request)))

    async def content(request: Request) -> Response:
        file = _found(state, request)
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename)}",
            "x-content-type-options": "nosniff",
        }
        return Response(file.content, headers=headers, media_type=file.mime_type)

    async def delete(request: Request) -> Response:
        file = _found(state, request)
        with state.lock:
            state.files.pop(file.id, None)
        return json_response({"id": file.id, "type": "file_deleted"})

    one = f"{_ROOT}/{{id}}"
    return [
        Route(_ROOT, upload, methods=["POST"]),
        Route(_ROOT, list_all, methods=["GET"]),
        Route(one, get, methods=["GET"]),
        Route(one, delete, methods=["DELETE"]),
        Route(f"{one}/content", content, methods=["GET"]),
    ]


def _found(state: State, request: Request) -> StoredFile:
    workspace_id = authenticate(state, request).workspace_id
    wanted = request.path_params["id"]
    with state.lock:
        _drop_expired(state)
        file = state.files.get(wanted)
    if file is None or file.workspace_id != workspace_id:
        raise Refusal(404, f"There is no file {sanitize(wanted, limit=64)}")
    return file


def _drop_expired(state: State) -> None:
    now = state.clock()
    expired = [each.id for each in state.files.values() if each.expires_at is not None and each.expires_at <= now]
    for identifier in expired:
        del state.files[identifier]


def _uploaded(parts: dict[str, tuple[Message, bytes]], workspace_id: str, now: float) -> StoredFile:
    for name in parts:
        if name not in {"file", "expires_in_seconds"}:
            raise Refusal(400, f"{sanitize(name, limit=64)}: Extra inputs are not permitted")
    if "file" not in parts:
        raise Refusal(400, "file: Field required")
    headers, content = parts["file"]
    filename = re.split(r"[/\\]", headers.get_filename() or "")[-1]
    if len(filename) > _LONGEST_NAME or not filename.isprintable() or set(_FORBIDDEN) & set(filename):
        rule = f"must have at most {_LONGEST_NAME} characters, all of them printable and none of {' '.join(_FORBIDDEN)}"
        raise Refusal(400, f"file: the filename {rule}")
    told = headers.get_content_type() if "content-type" in headers else mimetypes.guess_type(filename)[0]
    mime_type = told if told and _TYPE.fullmatch(told) else "application/octet-stream"
    filename = filename or f"unnamed{mimetypes.guess_extension(mime_type) or ''}"
    expires_at = None
    if "expires_in_seconds" in parts:
        text = parts["expires_in_seconds"][1]
        seconds = int(text) if re.fullmatch(rb"[0-9]{1,10}", text) else 0
        if not _SHORTEST_LIFE <= seconds <= _LONGEST_LIFE:
            raise Refusal(400, f"expires_in_seconds: must be from {_SHORTEST_LIFE} to {_LONGEST_LIFE}")
        expires_at = now + seconds
    return StoredFile(tagged_id("file"), workspace_id, now, filename, mime_type, content, expires_at)


async def _parts(request: Request) -> dict[str, tuple[Message, bytes]]:
    """Return the parts of a form (RFC 7578) by name, each with its headers. Raises `Refusal` (400, 413)."""
    if media_type(request) != "multipart/form-data":
        raise Refusal(400, "Content-Type: must be multipart/form-data")
    told = Message()
    told["content-type"] = request.headers["content-type"]
    boundary = told.get_param("boundary")
    malformed = Refusal(400, "The request body is not well-formed multipart/form-data")
    if not isinstance(boundary, str) or not re.fullmatch(r"[ -~]{1,70}", boundary):
        raise malformed
    body = await read_body(request, limit=_MOST_BYTES)
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii"))
    if not 1 <= len(pieces) <= _MOST_PARTS or not pieces.pop().startswith(b"--"):
        raise malformed
    parts: dict[str, tuple[Message, bytes]] = {}
    for piece in pieces:
        head, separator, content = piece.partition(b"\r\n\r\n")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip())
        name = headers.get_param("name", header="content-disposition")
        if not separator or not isinstance(name, str) or name in parts:
            raise malformed
        parts[name] = (headers, content)
    return parts


def _shown(file: StoredFile) -> dict[str, object]:
    return {
        "id": file.id,
        "type": "file",
        "filename": file.filename,
        "mime_type": file.mime_type,
        "size_bytes": len(file.content),
        "created_at": timestamp(file.created_at),
        "expires_at": None if file.expires_at is None else timestamp(file.expires_at),
        "downloadable": True,
    }
