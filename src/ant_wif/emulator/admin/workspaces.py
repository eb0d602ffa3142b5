"""The organization's workspaces, to be read: by whoever knows one by its name only."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.access import authenticate_admin
from ant_wif.emulator.admin.kinds import timestamp
from ant_wif.emulator.state import State, Workspace
from ant_wif.emulator.wire import Refusal, json_response
from ant_wif.secrets import clean

_PATH = "/v1/organizations/workspaces"
_MOST = 1000


def workspace_routes(state: State) -> list[Route]:
    async def list_workspaces(request: Request) -> Response:
        authenticate_admin(state, request)
        with state.lock:
            return json_response(_page(state, request.query_params))

    async def get_workspace(request: Request) -> Response:
        authenticate_admin(state, request)
        wanted = request.path_params["id"]
        found = state.workspaces.get(wanted)
        if found is None:
            raise Refusal(404, f"There is no workspace {clean(wanted, limit=64)}")
        return json_response(_shown(state, found))

    return [
        Route(_PATH, list_workspaces, methods=["GET"]),
        Route(f"{_PATH}/{{id}}", get_workspace, methods=["GET"]),
    ]


def _page(state: State, query: QueryParams) -> dict[str, object]:
    """Return what is asked for; the default workspace only where it is asked for by `include_default`."""
    default = None if query.get("include_default") == "true" else state.default_workspace.id
    found = [each for each in state.workspaces.values() if each.id != default]
    limit = query.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= _MOST):
        raise Refusal(400, f"limit: must be a number from 1 to {_MOST}")
    after, before = query.get("after_id"), query.get("before_id")
    if after is not None and before is not None:
        raise Refusal(400, "before_id: not allowed together with after_id")
    begin = 0 if after is None else _position(found, "after_id", after) + 1
    end = begin + int(limit)
    if before is not None:
        end = _position(found, "before_id", before)
        begin = max(0, end - int(limit))
    page = found[begin:end]
    return {
        "data": [_shown(state, each) for each in page],
        "has_more": begin > 0 if before is not None else end < len(found),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _position(found: list[Workspace], parameter: str, cursor: str) -> int:
    position = next((number for number, each in enumerate(found) if each.id == cursor), None)
    if position is None:
        raise Refusal(400, f"{parameter}: no such workspace")
    return position


def _shown(state: State, workspace: Workspace) -> dict[str, object]:
    return {
        "type": "workspace",
        "id": workspace.id,
        "name": workspace.name,
        "archived_at": None,
        "compartment_id": workspace.id.replace("wrkspc_", "cmpt_", 1),
        "created_at": timestamp(state.notes[workspace.id].created_at),
        "data_residency": {
            "allowed_inference_geos": "unrestricted",
            "default_inference_geo": "global",
            "workspace_geo": "us",
        },
        "display_color": "#6C5BB9",
        "external_key_id": None,
        "tags": {},
        "user_profile_id": None,
    }
