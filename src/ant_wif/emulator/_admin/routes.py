"""The routes of the Admin API: who calls, what the body says, and then the registration itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._admin.issuers import Issuers
from ant_wif.emulator._admin.openapi import document
from ant_wif.emulator._admin.resource import ROOT, Body, Resource, Workspaces, check_structure, model_named
from ant_wif.emulator._admin.rules import Enablements, Rules
from ant_wif.emulator._admin.service_accounts import Accounts, Memberships
from ant_wif.emulator._api.authentication import authenticate_admin
from ant_wif.emulator._http.protocol import Refusal, json_response, read_json
from ant_wif.emulator._state.state import State
from ant_wif.rules import RegistrationError

_NO_FIELDS = "Nothing"

_Handler = Callable[[Request, Body, str], dict[str, object]]
"""From a request, its body and who calls to what is answered."""


def admin_routes(state: State) -> list[Route]:
    accounts, issuers, rules = Accounts(state), Issuers(state), Rules(state)
    kinds, workspaces = (accounts, issuers, rules), (Memberships(accounts), Enablements(rules))

    async def openapi(_: Request) -> Response:
        return json_response(document(kinds, workspaces))

    return [
        *(route for kind in kinds for route in _routes_of(state, kind)),
        *(route for group in workspaces for route in _workspace_routes(state, group)),
        *_reading_routes(state, Workspaces(state)),
        Route("/_emulator/openapi.json", openapi, methods=["GET"]),
    ]


def _routes_of(state: State, kind: Resource[Any]) -> list[Route]:
    def create(_: Request, body: Body, actor: str) -> dict[str, object]:
        return kind.show(kind.create(body, actor))

    def update(request: Request, body: Body, actor: str) -> dict[str, object]:
        found = kind.live(request.path_params["id"])
        return kind.show(kind.update(found, body, actor))

    def list_all(request: Request, _: Body, __: str) -> dict[str, object]:
        return kind.list(request.query_params)

    def get(request: Request, _: Body, __: str) -> dict[str, object]:
        return kind.show(kind.known(request.path_params["id"]))

    def archive(request: Request, _: Body, actor: str) -> dict[str, object]:
        return kind.show(kind.archive(request.path_params["id"], actor))

    path = f"{ROOT}/{kind.path}"
    return [
        _route(state, path, {"GET": (list_all, None), "POST": (create, kind.creation)}),
        _route(state, f"{path}/{{id}}", {"GET": (get, None), "POST": (update, kind.change)}),
        _route(state, f"{path}/{{id}}/archive", {"POST": (archive, _NO_FIELDS)}),
    ]


def _reading_routes(state: State, workspaces: Workspaces) -> list[Route]:
    def list_all(request: Request, _: Body, __: str) -> dict[str, object]:
        return workspaces.list(request.query_params)

    def get(request: Request, _: Body, __: str) -> dict[str, object]:
        return workspaces.get(request.path_params["id"])

    path = f"{ROOT}/{workspaces.path}"
    return [_route(state, path, {"GET": (list_all, None)}), _route(state, f"{path}/{{id}}", {"GET": (get, None)})]


def _workspace_routes(state: State, workspaces: Memberships | Enablements) -> list[Route]:
    def list_all(request: Request, _: Body, __: str) -> dict[str, object]:
        return workspaces.list(request.path_params["id"], request.query_params)

    def add(request: Request, body: Body, actor: str) -> dict[str, object]:
        return workspaces.add(request.path_params["id"], body, actor)

    def remove(request: Request, _: Body, actor: str) -> dict[str, object]:
        return workspaces.remove(request.path_params["id"], request.path_params["workspace_id"], actor)

    path = f"{ROOT}/{workspaces.owners.path}/{{id}}/workspaces"
    return [
        _route(state, path, {"GET": (list_all, None), "POST": (add, workspaces.creation)}),
        _route(state, f"{path}/{{workspace_id}}", {"DELETE": (remove, None)}),
    ]


def _route(state: State, path: str, methods: Mapping[str, tuple[_Handler, str | None]]) -> Route:
    """Return a route that answers by method. Where a model is named there is a body, which has to fit it."""

    async def endpoint(request: Request) -> Response:
        answer, schema = methods["GET" if request.method == "HEAD" else request.method]
        actor = authenticate_admin(state, request)
        body = {} if schema is None else await _read(request, schema)
        try:
            if schema is not None:
                check_structure(body, model_named(schema))
            with state.lock:
                return json_response(answer(request, body, actor))
        except RegistrationError as error:
            raise Refusal(400, str(error)) from None

    return Route(path, endpoint, methods=list(methods))


async def _read(request: Request, schema: str) -> dict[str, object]:
    # Where no field is known a body may be missing, and with it what says that it is JSON.
    is_empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    return {} if schema == _NO_FIELDS and is_empty else await read_json(request)
