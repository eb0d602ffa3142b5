"""The Admin API described in OpenAPI 3.1, for readers, code generators and testers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ant_wif.emulator._admin.resource import MOST, MOST_IDS, ROOT, Resource, model_named
from ant_wif.emulator._admin.rules import Enablements
from ant_wif.emulator._admin.service_accounts import Memberships
from ant_wif.emulator._http.fields import DEFAULT_LIMIT, MOST_BY_ID

if TYPE_CHECKING:
    from ant_wif.emulator._admin.schemas import Strict

_Object = dict[str, object]

_REFERENCE = "#/components/schemas/{model}"

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
_STRING: _Object = {"type": "string"}


def _query(name: str, schema: _Object, **more: object) -> _Object:
    return {"name": name, "in": "query", "schema": schema, **more}


def _limit(most: int) -> _Object:
    return _query("limit", {"type": "integer", "minimum": 1, "maximum": most, "default": DEFAULT_LIMIT})


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


def document(kinds: Sequence[Resource[Any]], workspaces: Sequence[Memberships | Enablements]) -> dict[str, object]:
    """Return the OpenAPI document of the routes of these, of the organization's workspaces, replies and requests."""
    paths: dict[str, object] = {}
    for kind in kinds:
        paths.update(_paths_of(kind))
    for group in workspaces:
        paths.update(_workspace_paths(group))
    paths.update(_READING)
    paths.update(_SCRIPTING)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The federation part of the Admin API, as the emulator has it, and the controls of its model",
            "version": "2026-10-21",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _models(kinds, workspaces),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An OAuth token with the scope org:admin"}
            },
            "responses": {
                str(status): {"description": sentence, "content": _json("ErrorBody")}
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
            "get": _operation(f"List every {kind.title}", f"ResourcePage[{kind.answer}]", (400,), parameters=filters),
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
                f"Archive a {kind.title}", kind.answer, (400, 404, 413), body="Nothing", needs_body=False
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
                f"List every {group.title}", f"ResourcePage[{group.answer}]", (400, 404), parameters=_PAGING
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
    answer: str,
    refusals: Iterable[int],
    *,
    parameters: Iterable[_Object] = (),
    body: str | None = None,
    needs_body: bool = True,
) -> _Object:
    described = _described(summary, _json(answer), (401, 403, *refusals), parameters=[_VERSION, *parameters])
    if body is not None:
        described["requestBody"] = {"required": needs_body, "content": _json(body)}
    return described


def _described(summary: str, content: _Object | None, refusals: Iterable[int], **more: object) -> _Object:
    """Return an operation that answers with `content`, or with 204 where there is none."""
    done = {"204": {"description": "Done"}} if content is None else {"200": {"description": "Done", "content": content}}
    return {
        "summary": summary,
        "operationId": summary.lower().replace(" ", "_"),
        "responses": {**done, **{str(each): {"$ref": f"#/components/responses/{each}"} for each in refusals}},
        **more,
    }


def _json(model: str) -> _Object:
    return _json_of({"$ref": _REFERENCE.format(model=_component(model))})


def _json_of(schema: _Object) -> _Object:
    return {"application/json": {"schema": schema}}


def _component(model: str) -> str:
    """Return the name that pydantic gives to the schema of a model, such as `ResourcePage[RuleResource]`."""
    return model.replace("[", "_").replace("]", "_")


def _models(kinds: Sequence[Resource[Any]], workspaces: Sequence[Memberships | Enablements]) -> object:
    """Return every model that a body is, as JSON Schema."""
    from pydantic.json_schema import models_json_schema

    from ant_wif.emulator._admin import schemas

    listed = [model_named(each.answer) for each in (*kinds, *workspaces)]
    names = [name for kind in kinds for name in (kind.creation, kind.change)]
    names += [name for group in workspaces for name in (group.creation, group.deletion)]
    models: list[type[Strict]] = [*listed, *map(model_named, [*names, "Nothing", "ErrorBody", "WorkspaceResource"])]
    models += [schemas.ResourcePage[model] for model in listed]  # type: ignore[valid-type]  # a model made at run time
    models.append(schemas.PageById[schemas.WorkspaceResource])
    schemas.Discovery.model_rebuild()  # a default: older releases of pydantic describe one only when its model is built
    modes: list[tuple[type[Strict], Literal["validation"]]] = [(model, "validation") for model in models]
    _, described = models_json_schema(modes, ref_template=_REFERENCE)
    return described["$defs"]


def _path_parameter(name: str) -> _Object:
    return {"name": name, "in": "path", "required": True, "schema": _STRING}


_READING: _Object = {
    f"{ROOT}/workspaces": {
        "get": _operation("List every workspace", "PageById[WorkspaceResource]", (400,), parameters=_WORKSPACES),
    },
    f"{ROOT}/workspaces/{{workspace_id}}": {
        "parameters": [_path_parameter("workspace_id")],
        "get": _operation("Read a workspace", "WorkspaceResource", (400, 404)),
    },
}


def _control(
    summary: str, answer: _Object | None, refusals: Iterable[int] = (), *, body: _Object | None = None, **more: object
) -> _Object:
    """Return an operation for tests, which needs no credential."""
    if body is not None:
        more["requestBody"] = {"required": True, "content": _json_of(body)}
    return _described(summary, None if answer is None else _json_of(answer), (403, *refusals), security=[], **more)


def _object(properties: _Object) -> _Object:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _data_of(items: _Object) -> _Object:
    return _object({"data": {"type": "array", "items": items}})


def _or_null(kind: str) -> _Object:
    return {"type": [kind, "null"]}


_ANY: _Object = {"type": "object"}
_BLOCKS: _Object = {"type": ["array", "null"], "items": _ANY}
_TOOL_USE: _Object = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}, "input": _ANY, "id": _STRING},
    "required": ["name"],
    "additionalProperties": False,
}
_REPLY: _Object = {
    "type": "object",
    "description": "The reply to the next request to messages, with the fields of `Emulator.reply`",
    "properties": {
        "text": _or_null("string"),
        "content": _BLOCKS,
        "tool_use": {"anyOf": [_TOOL_USE, {"type": "array", "items": _TOOL_USE, "minItems": 1}, {"type": "null"}]},
        "thinking": _or_null("string"),
        "stop_reason": _or_null("string"),
        "usage": _or_null("object"),
        "model": _or_null("string"),
        "error": {"description": "Status, type and message", "type": ["array", "null"], "minItems": 3, "maxItems": 3},
        "events": {"type": ["array", "null"], "items": {"type": ["object", "string"]}},
        "delay": {"type": "number", "minimum": 0, "default": 0, "description": "In seconds"},
        "when": {
            "type": ["string", "object", "null"],
            "description": "A part of the last user text, or an object that the body must contain",
        },
        "times": {"type": ["integer", "null"], "minimum": 1, "default": 1, "description": "null: any number"},
    },
    "additionalProperties": False,
}
_REPLY_LEFT = _object(
    {"description": _STRING, "place": _STRING, "times_left": _or_null("integer"), "times_used": {"type": "integer"}}
)
_CALL = _object(
    {
        "method": _STRING,
        "path": _STRING,
        "query": {"type": "object", "additionalProperties": {"type": "array", "items": _STRING}},
        "headers": {"type": "object", "additionalProperties": _STRING},
        "json": {"description": "The body; null where it is empty or not JSON"},
        "credential": _or_null("object"),
        "status": _or_null("integer"),
        "at": {"type": "number", "description": "Unix time in seconds"},
        "milliseconds": _or_null("number"),
    }
)
_SCRIPTING: _Object = {
    "/_emulator/replies": {
        "get": _control("List the replies left", _data_of(_REPLY_LEFT)),
        "post": _control(
            "Set a reply", {"type": "object", "properties": {"left": {"type": "integer"}}}, (400, 413), body=_REPLY
        ),
        "delete": _control("Forget the replies", None),
    },
    "/_emulator/requests": {
        "get": _control(
            "List the API calls",
            _data_of(_CALL),
            (400,),
            parameters=[_query("path", _STRING, description="Only the calls to this path")],
        ),
        "delete": _control("Forget the API calls", None),
    },
}
