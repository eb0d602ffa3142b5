"""The Admin API described in OpenAPI 3.1, for readers, code generators and testers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ant_wif.emulator._admin import schemas
from ant_wif.emulator._admin.resource import MOST, MOST_IDS, ROOT, Resource
from ant_wif.emulator._admin.rules import Enablements
from ant_wif.emulator._admin.schemas import Schema
from ant_wif.emulator._admin.service_accounts import Memberships
from ant_wif.emulator._http.fields import DEFAULT_LIMIT, MOST_BY_ID

_Object = dict[str, object]

_REFUSALS = {
    400: "The request is malformed, or the platform does not register that",
    401: "No credential, one that expired, or an API key",
    403: "The token has not the scope org:admin, or only the Console may do that",
    404: "There is no such thing",
    409: "The name is taken",
    413: "The body is too long",
}
_VERSION: _Object = {
    "name": "anthropic-version",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "format": "date", "examples": ["2026-10-21"]},
}
_STRING: Schema = {"type": "string"}


def _query(name: str, schema: Schema, **more: object) -> _Object:
    return {"name": name, "in": "query", "schema": schema, **more}


def _limit(most: int) -> _Object:
    return _query("limit", {**schemas.within(range(1, most + 1)), "default": DEFAULT_LIMIT})


def _flag(name: str) -> _Object:
    return _query(name, {"type": "boolean", "default": False})


_PAGING = [_limit(MOST), _query("page", _STRING, description="The next_page of the answer before")]
_ARCHIVED, _ISSUER = _flag("include_archived"), _query("issuer_id", _STRING)
_WORKSPACES = [
    _limit(MOST_BY_ID),
    _query("after_id", _STRING),
    _query("before_id", _STRING),
    _query("ids[]", {"type": "array", "items": _STRING, "maxItems": MOST_IDS}),
    _flag("include_default"),
    _ARCHIVED,
]


def document(kinds: Iterable[Resource[Any]], workspaces: Iterable[Memberships | Enablements]) -> dict[str, object]:
    """Return the OpenAPI document of the routes of these, and of the organization's workspaces."""
    paths: dict[str, object] = {}
    for kind in kinds:
        paths.update(_paths_of(kind))
    for group in workspaces:
        paths.update(_workspace_paths(group))
    paths.update(_READING)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The federation part of the Admin API, as the emulator has it",
            "version": "2026-10-21",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An OAuth token with the scope org:admin"}
            },
            "responses": {
                str(status): {"description": sentence, "content": _json(schemas.ERROR)}
                for status, sentence in _REFUSALS.items()
            },
        },
    }


def _paths_of(kind: Resource[Any]) -> dict[str, object]:
    path, identifier = f"{ROOT}/{kind.path}", _path_parameter(kind.parameter)
    filters = [*_PAGING, _ARCHIVED, *([_ISSUER] if kind.path == "federation_rules" else [])]
    one = f"{path}/{{{kind.parameter}}}"
    return {
        path: {
            "get": _operation(f"List every {kind.title}", schemas.page_of(kind.answer), (400,), parameters=filters),
            "post": _operation(f"Create a {kind.title}", kind.answer, (400, 409, 413), body=kind.creation),
        },
        one: {
            "parameters": [identifier],
            "get": _operation(f"Read a {kind.title}", kind.answer, (400, 404)),
            "post": _operation(f"Change a {kind.title}", kind.answer, (400, 404, 409, 413), body=kind.change),
        },
        f"{one}/archive": {
            "parameters": [identifier],
            "post": _operation(
                f"Archive a {kind.title}", kind.answer, (400, 404, 413), body=schemas.NOTHING, needs_body=False
            ),
        },
    }


def _workspace_paths(group: Memberships | Enablements) -> dict[str, object]:
    parameter = group.owners.parameter
    path, identifier = f"{ROOT}/{group.owners.path}/{{{parameter}}}/workspaces", _path_parameter(parameter)
    return {
        path: {
            "parameters": [identifier],
            "get": _operation(
                f"List every {group.title}", schemas.page_of(group.answer), (400, 404), parameters=_PAGING
            ),
            "post": _operation(f"Add a {group.title}", group.answer, (400, 404, 413), body=group.creation),
        },
        f"{path}/{{workspace_id}}": {
            "parameters": [identifier, _path_parameter("workspace_id")],
            "delete": _operation(f"Remove a {group.title}", group.deletion, (400, 404)),
        },
    }


def _operation(
    summary: str,
    answer: Schema,
    refusals: Iterable[int],
    *,
    parameters: Iterable[_Object] = (),
    body: Schema | None = None,
    needs_body: bool = True,
) -> _Object:
    described: _Object = {
        "summary": summary,
        "operationId": summary.lower().replace(" ", "_"),
        "parameters": [_VERSION, *parameters],
        "responses": {
            "200": {"description": "Done", "content": _json(answer)},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in (401, 403, *refusals)},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": needs_body, "content": _json(body)}
    return described


def _json(schema: Schema) -> Mapping[str, object]:
    return {"application/json": {"schema": schema}}


def _path_parameter(name: str) -> _Object:
    return {"name": name, "in": "path", "required": True, "schema": _STRING}


_READING: _Object = {
    f"{ROOT}/workspaces": {
        "get": _operation(
            "List every workspace", schemas.page_by_id(schemas.WORKSPACE), (400,), parameters=_WORKSPACES
        ),
    },
    f"{ROOT}/workspaces/{{workspace_id}}": {
        "parameters": [_path_parameter("workspace_id")],
        "get": _operation("Read a workspace", schemas.WORKSPACE, (400, 404)),
    },
}
