"""The organization's workspaces, to be read: by whoever knows one by its name only."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from ant_wif._secrets import clean
from ant_wif.emulator._admin.resource import timestamp
from ant_wif.emulator._http.fields import is_set, page_answer, page_by_id
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.state import State, Workspace

MOST_IDS = 100


class Workspaces:
    """Hold the state's lock while anything is called."""

    path = "workspaces"

    def __init__(self, state: State) -> None:
        self._state = state

    def list(self, query: QueryParams) -> dict[str, object]:
        """Return what is asked for; the default workspace only where it is asked for by `include_default`."""
        is_set(query, "include_archived")  # there are none
        default = None if is_set(query, "include_default") else self._state.default_workspace.id
        asked = query.getlist("ids[]") or query.getlist("ids")
        if len(asked) > MOST_IDS:
            raise Refusal(400, f"ids: must be at most {MOST_IDS}")
        ids = [each for each in self._state.workspaces if each != default and (not asked or each in asked)]
        positions = {identifier: position for position, identifier in enumerate(ids)}
        page, has_more = page_by_id(query, "workspace", len(ids), positions.get)
        return page_answer([self.get(ids[position]) for position in page], has_more=has_more)

    def get(self, identifier: str) -> dict[str, object]:
        """Raises `Refusal` (404) where there is no such one."""
        found = self._state.workspaces.get(identifier)
        if found is None:
            raise Refusal(404, f"There is no workspace {clean(identifier, limit=64)}")
        return self._shown(found)

    def _shown(self, workspace: Workspace) -> dict[str, object]:
        return {
            "type": "workspace",
            "id": workspace.id,
            "name": workspace.name,
            "archived_at": None,
            "compartment_id": workspace.id.replace("wrkspc_", "cmpt_", 1),
            "created_at": timestamp(self._state.notes[workspace.id].created_at),
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
