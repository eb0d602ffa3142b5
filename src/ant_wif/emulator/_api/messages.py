"""Models, and messages to them (an echo) with their count of tokens: enough to prove that a credential works."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.answer import TOKEN, MessageAnswer, count_input, respond
from ant_wif.emulator._api.authentication import TOKENS, authenticate
from ant_wif.emulator._api.message_schema import MessageRequest, read_message_request
from ant_wif.emulator._http.fields import page_answer, page_by_id
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal, json_response, listed, read_json
from ant_wif.emulator._state.models import ModelList
from ant_wif.emulator._state.state import State

if TYPE_CHECKING:
    from starlette.datastructures import Headers, QueryParams

MAX_BYTES = 32 << 20
MOST_TOKENS = 128_000
_LIFECYCLE = frozenset({"active", "deprecated", "retired"})
_LONG_OUTPUT, _MOST_TOKENS_LONG = "output-300k-2026-03-24", 300_000


def echo(request: MessageRequest) -> MessageAnswer:
    """Return the last text of a user. Where nothing was said to echo, the answer has no content."""
    return _saying(request, request.last_user_text())


def _saying(request: MessageRequest, said: str) -> MessageAnswer:
    text, stopped_by = _up_to(request.stop_sequences, said)
    # One more than may be, to see that there are more; not all, for the text may be long.
    most = min(request.max_tokens, len(text)) + 1
    tokens = tuple(found.group() for found in islice(TOKEN.finditer(text), most))
    if len(tokens) > request.max_tokens:
        tokens, reason, stopped_by = tokens[: request.max_tokens], "max_tokens", None
    else:
        reason = "end_turn" if stopped_by is None else "stop_sequence"
    content = ({"type": "text", "text": "".join(tokens)},) if tokens else ()
    return MessageAnswer(request.model, content, count_input(request), reason, stopped_by)


def unscripted(request: MessageRequest) -> MessageAnswer:
    """Return the use of a tool where the request forces one, a document where it wants one, and else the echo.

    Raises `Refusal` (400) for a JSON schema that cannot be satisfied.
    """
    forced = _forced_tool(request)
    if forced is not None:
        place, tool = forced
        schema = {**tool["input_schema"]}
        if tool.get("input_examples"):
            schema["examples"] = tool["input_examples"]
        use = {"type": "tool_use", "id": tagged_id("toolu"), "name": tool["name"], "input": _example(place, schema)}
        return MessageAnswer(request.model, (use,), count_input(request), "tool_use")
    if request.output_schema is not None:
        document = _example("output_config.format.schema", request.output_schema)
        return _saying(request, json.dumps(document))
    return echo(request)


def _forced_tool(request: MessageRequest) -> tuple[str, Mapping[str, Any]] | None:
    """Return a tool of the caller's own that has to be used, and where its schema is."""
    kind, name = request.tool_choice.get("type"), request.tool_choice.get("name")
    for number, tool in enumerate(request.tools):
        if "input_schema" in tool and (kind == "any" or (kind == "tool" and tool["name"] == name)):
            return f"tools.{number}.input_schema", tool
    return None


def _example(place: str, schema: object) -> object:
    from ant_wif.emulator._api.example import UnsatisfiableError, example_of

    try:
        return example_of(schema)
    except UnsatisfiableError as error:
        path = f"{place}.{error.place}" if error.place else place
        raise Refusal(
            400,
            f"emulator: {sanitize(path)}: {sanitize(error.reason)}: the model cannot answer; set a reply instead",
        ) from None


def _up_to(stop_sequences: tuple[str, ...], text: str) -> tuple[str, str | None]:
    """Return the text before the first of the sequences, and which that is."""
    found = [(text.index(sequence), sequence) for sequence in stop_sequences if sequence in text]
    position, sequence = min(found, default=(len(text), None))
    return text[:position], sequence


def message_routes(state: State) -> list[Route]:
    async def generate(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        body = await read_json(request, limit=MAX_BYTES)
        asked = read_generation(state, body, request.headers, workspace_id)
        return await respond(state, request, asked, workspace_id, lambda: unscripted(asked))

    async def count(request: Request) -> Response:
        workspace_id = authenticate(state, request).workspace_id
        asked = _served(state, await read_json(request, limit=MAX_BYTES), workspace_id, counting=True)
        return json_response({"input_tokens": count_input(asked)})

    return [
        Route("/v1/messages", generate, methods=["POST"]),
        Route("/v1/messages/count_tokens", count, methods=["POST"]),
    ]


def read_generation(state: State, body: Mapping[str, Any], headers: Headers, workspace_id: str) -> MessageRequest:
    """Return what a body asks to generate. Raises `Refusal` (400, 404)."""
    asked = _served(state, _with_thread(state, body, workspace_id), workspace_id)
    most = _MOST_TOKENS_LONG if _LONG_OUTPUT in listed(headers, "anthropic-beta") else MOST_TOKENS
    if asked.max_tokens > most:
        sentence = f"{min(asked.max_tokens, 10**18)} > {most}, which is the maximum allowed number of output tokens"
        raise Refusal(400, f"max_tokens: {sentence} for {sanitize(asked.model, limit=64)}")
    thinking = body.get("thinking") or {}
    if thinking.get("budget_tokens", -1) >= asked.max_tokens and not any(
        flag.startswith("interleaved-thinking-") for flag in listed(headers, "anthropic-beta")
    ):
        raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`")
    return asked


def _with_thread(state: State, body: Mapping[str, Any], workspace_id: str) -> Mapping[str, Any]:
    """Return a body with what was said before, where it continues from an answer. Raises `Refusal` (400, 404)."""
    thread, messages = body.get("thread"), body.get("messages")
    before = thread.get("previous_message_id") if isinstance(thread, dict) else None
    if not isinstance(before, str) or not isinstance(messages, list):
        return body
    owner, said = state.threads.get(before, (None, ()))
    if owner != workspace_id:
        raise Refusal(404, f"Thread not found: {sanitize(before, limit=64)}", code="thread_not_found")
    if said is None:
        sentence = f"{sanitize(before, limit=64)} was continued already: continue from the latest answer"
        raise Refusal(400, f"thread.previous_message_id: {sentence}", code="thread_already_continued")
    return {**body, "messages": [*said, *messages]}


def _served(state: State, body: Mapping[str, Any], workspace_id: str, *, counting: bool = False) -> MessageRequest:
    asked = read_message_request(body, counting=counting)
    if asked.model not in state.models:
        raise unknown_model(asked.model)
    for file_id in asked.file_ids():
        file = state.files.get(file_id)
        if file is None or file.workspace_id != workspace_id:
            raise Refusal(404, f"File not found: {sanitize(file_id, limit=64)}")
    return asked


def model_routes(state: State) -> list[Route]:
    async def list_models(request: Request) -> Response:
        authenticate(state, request, with_version=TOKENS)
        models = state.models if _wants_active(request.query_params) else ModelList.of([])
        page, has_more = page_by_id(request.query_params, "model", len(models), models.position)
        return json_response(page_answer(models.part(page.start, page.stop), has_more=has_more))

    async def get_model(request: Request) -> Response:
        authenticate(state, request, with_version=TOKENS)
        wanted = request.path_params["model_id"]
        model = state.models.find(wanted)
        if model is None:
            raise unknown_model(wanted)
        return json_response(model)

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model_id}", get_model, methods=["GET"]),
    ]


def _wants_active(query: QueryParams) -> bool:
    """Return whether a list is to have active models, which all of the emulator's are. Raises `Refusal` (400)."""
    wanted = query.getlist("lifecycle[]") or query.getlist("lifecycle")
    if len(wanted) > len(_LIFECYCLE) or not set(wanted) <= _LIFECYCLE:
        raise Refusal(400, f"lifecycle: must be at most {len(_LIFECYCLE)} of {', '.join(sorted(_LIFECYCLE))}")
    return not wanted or "active" in wanted


def unknown_model(wanted: str) -> Refusal:
    return Refusal(404, f"model: {sanitize(wanted, limit=64)}")
