"""Batches of messages. Each line gets the response that messages would give, when the batch is first read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.answer import take, whole
from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._api.messages import MAX_BYTES, read_generation, unscripted
from ant_wif.emulator._http.fields import page_answer, page_by_id, refuse_unknown
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal, json_response, read_json, timestamp
from ant_wif.emulator._state.history import RecordedRequest
from ant_wif.emulator._state.state import State, StoredBatch

_LIFETIME_SECONDS = 24 * 3600
_MOST_REQUESTS = 100_000
_MOST_BATCHES = 1_000
"""How many are kept; the oldest are forgotten first."""
_ROOT = "/v1/messages/batches"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def batch_routes(state: State) -> list[Route]:
    async def create(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        lines = _read(await read_json(request, limit=MAX_BYTES))
        now = state.clock()
        batch = StoredBatch(tagged_id("msgbatch"), workspace_id, now, now + _LIFETIME_SECONDS, lines)
        with state.lock:
            state.batches[batch.id] = batch
            while len(state.batches) > _MOST_BATCHES:
                del state.batches[next(iter(state.batches))]
        return json_response(_shown(request, batch))

    async def list_all(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        with state.lock:
            found = [each for each in reversed(state.batches.values()) if each.workspace_id == workspace_id]
            positions = {batch.id: position for position, batch in enumerate(found)}
            page, has_more = page_by_id(request.query_params, "batch", len(found), positions.get)
            shown = [_shown(request, _ended(state, request, found[position])) for position in page]
        return json_response(page_answer(shown, has_more=has_more))

    async def get(request: Request) -> Response:
        with state.lock:
            return json_response(_shown(request, _ended(state, request, _found(state, request))))

    async def cancel(request: Request) -> Response:
        with state.lock:
            batch = _found(state, request)
            if batch.ended_at is None and batch.cancel_initiated_at is None:
                batch = state.batches[batch.id] = replace(batch, cancel_initiated_at=state.clock())
            return json_response(_shown(request, batch))

    async def delete(request: Request) -> Response:
        with state.lock:
            batch = _found(state, request)
            if batch.ended_at is None:
                raise Refusal(400, f"Batch {batch.id} cannot be deleted: it has not ended")
            del state.batches[batch.id]
        return json_response({"id": batch.id, "type": "message_batch_deleted"})

    async def results(request: Request) -> Response:
        with state.lock:
            batch = _ended(state, request, _found(state, request))
        lines = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in batch.results)
        return Response(lines.encode("ascii"), media_type="application/x-jsonl")

    one = f"{_ROOT}/{{id}}"
    return [
        Route(_ROOT, create, methods=["POST"]),
        Route(_ROOT, list_all, methods=["GET"]),
        Route(one, get, methods=["GET"]),
        Route(one, delete, methods=["DELETE"]),
        Route(f"{one}/cancel", cancel, methods=["POST"]),
        Route(f"{one}/results", results, methods=["GET"]),
    ]


def _read(body: Mapping[str, object]) -> tuple[Mapping[str, Any], ...]:
    refuse_unknown(body, ("requests",))
    lines = body.get("requests")
    if not isinstance(lines, list) or not 1 <= len(lines) <= _MOST_REQUESTS:
        raise Refusal(400, f"requests: must be a list of 1 to {_MOST_REQUESTS} requests")
    ids: set[str] = set()
    for number, line in enumerate(lines):
        place = f"requests.{number}"
        if not isinstance(line, dict):
            raise Refusal(400, f"{place}: must be an object")
        refuse_unknown(line, ("custom_id", "params"), place=f"{place}.")
        custom_id = line.get("custom_id")
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            raise Refusal(400, f"{place}.custom_id: must be 1 to 64 letters, digits, hyphens and underscores")
        if custom_id in ids:
            raise Refusal(400, f"{place}.custom_id: must be unique in the batch")
        ids.add(custom_id)
        if not isinstance(line.get("params"), dict):
            raise Refusal(400, f"{place}.params: must be an object")
    return tuple(lines)


def _found(state: State, request: Request) -> StoredBatch:
    workspace_id = authenticate(state, request).workspace_id
    wanted = request.path_params["id"]
    batch = state.batches.get(wanted)
    if batch is None or batch.workspace_id != workspace_id:
        raise Refusal(404, f"There is no batch {sanitize(wanted, limit=64)}")
    return batch


def _ended(state: State, request: Request, batch: StoredBatch) -> StoredBatch:
    if batch.ended_at is not None:
        return batch
    now = state.clock()
    results = tuple(
        {"custom_id": line["custom_id"], "result": _result(state, request, batch, line["params"])}
        for line in batch.requests
    )
    batch = state.batches[batch.id] = replace(batch, requests=(), results=results, ended_at=min(now, batch.expires_at))
    return batch


def _result(state: State, request: Request, batch: StoredBatch, params: Mapping[str, Any]) -> dict[str, object]:
    if batch.cancel_initiated_at is not None:
        return {"type": "canceled"}
    if state.clock() > batch.expires_at:
        return {"type": "expired"}
    try:
        asked = read_generation(state, params, request.headers, batch.workspace_id)
        if asked.stream:
            return _errored(Refusal(400, "stream: a request of a batch cannot have a stream"))
        record = RecordedRequest("POST", "/v1/messages", QueryParams(), Headers(), state.clock())
        record.received += json.dumps(params).encode("ascii")
        reply = take(state, record, asked)
        return {"type": "succeeded", "message": whole(reply, asked, lambda: unscripted(asked))}
    except Refusal as refusal:
        return _errored(refusal)


def _errored(refusal: Refusal) -> dict[str, object]:
    return {"type": "errored", "error": refusal.payload(tagged_id("req"))}


def _shown(request: Request, batch: StoredBatch) -> dict[str, object]:
    has_ended = batch.ended_at is not None
    status = "ended" if has_ended else "in_progress" if batch.cancel_initiated_at is None else "canceling"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": len(batch.requests),
            **{kind: batch.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")},
        },
        "created_at": timestamp(batch.created_at),
        "expires_at": timestamp(batch.expires_at),
        "ended_at": None if batch.ended_at is None else timestamp(batch.ended_at),
        "cancel_initiated_at": None if batch.cancel_initiated_at is None else timestamp(batch.cancel_initiated_at),
        "archived_at": None,
        "results_url": f"{request.base_url}{_ROOT[1:]}/{batch.id}/results" if has_ended else None,
    }
