"""Batches of messages and files, used through the official SDK."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types.messages import MessageBatch

from ant_wif.emulator import Emulator
from support.samples import MODEL

VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def elsewhere(emulator: Emulator) -> Iterator[anthropic.Anthropic]:
    """A client in the other workspace."""
    token = emulator.login(workspace_id=emulator.rule().workspace_ids[0]).access_token
    with anthropic.Anthropic(auth_token=token, base_url=emulator.base_url, max_retries=0) as client:
        yield client


def line(custom_id: str, said: str, **more: Any) -> Any:
    messages = [{"role": "user", "content": said}]
    return {"custom_id": custom_id, "params": {"model": MODEL, "max_tokens": 9, "messages": messages, **more}}


def results(sdk: anthropic.Anthropic, batch: MessageBatch) -> dict[str, Any]:
    return {each.custom_id: each.result for each in sdk.messages.batches.results(batch.id)}


def test_every_line_of_a_batch_is_answered_like_a_message(emulator: Emulator, sdk: anthropic.Anthropic) -> None:
    emulator.reply("It rains.", when="Ulm")
    emulator.reply(error=(529, "overloaded_error", "Overloaded"), when={"metadata": {"user_id": "2"}})
    emulator.reply("by a predicate", when=lambda request: request.json["max_tokens"] == 7)
    emulator.reply(tool_use={"name": "weather"}, when="tool")
    created = sdk.messages.batches.create(
        requests=[
            line("echo", "Hello"),
            line("scripted", "Weather in Ulm?"),
            line("failed", "Fail", metadata={"user_id": "2"}),
            line("predicate", "Hello", max_tokens=7),
            line("tool", "tool"),
            line("wrong", "Hello", temperature=2),
            line("streamed", "Hello", stream=True),
            line("no-model", "Hello", model="gpt-4"),
        ]
    )
    assert (created.processing_status, created.request_counts.processing, created.results_url) == (
        "in_progress",
        8,
        None,
    )
    ended = sdk.messages.batches.retrieve(created.id)
    counts = ended.request_counts
    assert (ended.processing_status, counts.processing, counts.succeeded, counts.errored) == ("ended", 0, 4, 4)
    answered = results(sdk, ended)
    said = {name: result.message.content[0].text for name, result in answered.items() if name in {"echo", "scripted"}}
    assert said == {"echo": "Hello", "scripted": "It rains."}
    assert answered["predicate"].message.content[0].text == "by a predicate"
    assert answered["tool"].message.stop_reason == "tool_use"
    errors = {name: result.error.error for name, result in answered.items() if result.type == "errored"}
    assert errors["failed"].type == "overloaded_error"
    assert errors["wrong"].message == "temperature: Input should be less than or equal to 1"
    assert "cannot have a stream" in errors["streamed"].message
    assert errors["no-model"].type == "not_found_error"
    emulator.assert_all_used()
    again = results(sdk, ended)
    assert again == answered


def test_a_batch_is_cancelled_before_it_is_looked_at(sdk: anthropic.Anthropic) -> None:
    created = sdk.messages.batches.create(requests=[line("a", "Hello")])
    assert sdk.messages.batches.cancel(created.id).processing_status == "canceling"
    ended = sdk.messages.batches.retrieve(created.id)
    assert ended.request_counts.canceled == 1
    assert results(sdk, ended)["a"].type == "canceled"
    assert sdk.messages.batches.cancel(created.id).processing_status == "ended"


def test_a_batch_expires_after_a_day(emulator: Emulator, sdk: anthropic.Anthropic) -> None:
    created = sdk.messages.batches.create(requests=[line("a", "Hello")])
    emulator.advance(25 * 3600)
    ended = sdk.messages.batches.retrieve(created.id)
    assert (ended.request_counts.expired, ended.ended_at) == (1, created.expires_at)


def test_batches_are_listed_newest_first_and_deleted_when_they_have_ended(sdk: anthropic.Anthropic) -> None:
    for old in sdk.beta.messages.batches.list():
        sdk.beta.messages.batches.delete(old.id)
    ids = [sdk.messages.batches.create(requests=[line("a", "Hello")]).id for _ in range(3)]
    with pytest.raises(anthropic.BadRequestError, match="has not ended"):
        sdk.messages.batches.delete(ids[0])
    assert [batch.id for batch in sdk.messages.batches.list(limit=2)] == ids[::-1]
    deleted = sdk.messages.batches.delete(ids[0])
    assert (deleted.id, deleted.type) == (ids[0], "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.batches.retrieve(ids[0])


def test_batches_and_files_are_those_of_their_workspace(
    sdk: anthropic.Anthropic, elsewhere: anthropic.Anthropic
) -> None:
    batch = sdk.messages.batches.create(requests=[line("a", "Hello")])
    file = sdk.files.upload(file=("a.txt", b"a"))
    for call in (
        lambda: elsewhere.messages.batches.retrieve(batch.id),
        lambda: elsewhere.messages.batches.cancel(batch.id),
        lambda: elsewhere.files.retrieve_metadata(file.id),
        lambda: elsewhere.files.delete(file.id),
    ):
        with pytest.raises(anthropic.NotFoundError):
            call()
    assert list(elsewhere.messages.batches.list()) == []
    assert list(elsewhere.files.list()) == []


WRONG: list[tuple[Any, str]] = [
    ({}, "requests: must be a list of 1 to 100000"),
    ({"requests": []}, "requests: must be a list of 1 to 100000"),
    ({"requests": [line("a", "x"), line("a", "x")]}, "requests.1.custom_id: must be unique in the batch"),
    ({"requests": [line("a b", "x")]}, "requests.0.custom_id: must be 1 to 64 letters"),
    ({"requests": [{"custom_id": "a"}]}, "requests.0.params: must be an object"),
    ({"requests": ["a"]}, "requests.0: must be an object"),
    ({"requests": [{**line("a", "x"), "foo": 1}]}, "requests.0.foo: Extra inputs are not permitted"),
    ({"requests": [line("a", "x")], "foo": 1}, "foo: Extra inputs are not permitted"),
]


def test_a_malformed_batch_is_refused_with_its_place(emulator: Emulator, client: httpx.Client) -> None:
    headers = {"x-api-key": emulator.api_key, **VERSION}
    for body, said in WRONG:
        refused = client.post("/v1/messages/batches", json=body, headers=headers)
        assert (refused.status_code, said in refused.text) == (400, True), refused.text


CONTENT = bytes(range(256)) + b"\r\n--boundary\r\n\r\n" + b"\n\r--\x00"


def test_a_file_is_uploaded_read_and_deleted(sdk: anthropic.Anthropic) -> None:
    for name, sent, kind, kept in (
        ("plan.pdf", ("plan.pdf", CONTENT, "application/pdf"), "application/pdf", "plan.pdf"),
        ("folders", ("../a/b\\c.txt", CONTENT, "text/plain"), "text/plain", "c.txt"),
        ("unicode", ("Ümläut “x”.json", CONTENT), "application/json", "Ümläut “x”.json"),
        ("a stream", io.BytesIO(CONTENT), "application/octet-stream", "unnamed.bin"),
    ):
        file = sdk.files.upload(file=sent)  # type: ignore[arg-type]  # of several kinds
        assert (file.filename, file.mime_type, file.size_bytes) == (kept, kind, len(CONTENT)), name
        assert sdk.files.retrieve_metadata(file.id) == file
        assert sdk.files.download(file.id).read() == CONTENT
        assert sdk.files.delete(file.id).type == "file_deleted"
        with pytest.raises(anthropic.NotFoundError):
            sdk.beta.files.download(file.id)


def test_a_message_names_files_that_are_there(sdk: anthropic.Anthropic, elsewhere: anthropic.Anthropic) -> None:
    file = sdk.files.upload(file=("a.txt", b"a"))
    use: Any = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}
    document: Any = {"type": "document", "source": {"type": "file", "file_id": file.id}}
    result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [document]}
    asked: list[Any] = [
        [{"role": "user", "content": [document]}],
        [{"role": "user", "content": [{"type": "container_upload", "file_id": file.id}]}],
        [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}],
    ]
    for messages in asked:
        assert sdk.beta.messages.create(model=MODEL, max_tokens=9, messages=messages).stop_reason == "end_turn"
        assert sdk.beta.messages.count_tokens(model=MODEL, messages=messages).input_tokens
        with pytest.raises(anthropic.NotFoundError, match=f"File not found: {file.id}"):
            elsewhere.beta.messages.create(model=MODEL, max_tokens=9, messages=messages)
    sdk.files.delete(file.id)
    for messages in asked:
        with pytest.raises(anthropic.NotFoundError, match=f"File not found: {file.id}"):
            sdk.beta.messages.count_tokens(model=MODEL, messages=messages)


def test_files_are_listed_page_by_page_or_by_id(sdk: anthropic.Anthropic) -> None:
    for old in sdk.files.list():
        sdk.files.delete(old.id)
    ids = [sdk.files.upload(file=(f"{number}.txt", b"x")).id for number in range(5)]
    assert [file.id for file in sdk.files.list(limit=2)] == ids[::-1]
    assert {file.id for file in sdk.files.list(ids=[ids[1], ids[3], "file_unknown"])} == {ids[1], ids[3]}
    with pytest.raises(anthropic.BadRequestError, match="page: must be the next_page"):
        sdk.files.list(page="page_unknown")
    with pytest.raises(anthropic.BadRequestError, match="without limit and page"):
        sdk.files.list(ids=ids, limit=3)


def test_a_file_expires_when_that_was_asked_for(emulator: Emulator, sdk: anthropic.Anthropic) -> None:
    file = sdk.files.upload(file=("a.txt", b"x"), expires_in_seconds=3600)
    assert file.expires_at is not None
    emulator.advance(3601)
    with pytest.raises(anthropic.NotFoundError):
        sdk.files.retrieve_metadata(file.id)
    for name in ("a<b>.txt", "12:30.txt", "a|b", "what?", "*.txt", "x" * 256):
        with pytest.raises(anthropic.BadRequestError, match="file: the filename must have"):
            sdk.files.upload(file=(name, b"x"))
    with pytest.raises(anthropic.BadRequestError, match="expires_in_seconds: must be from 3600"):
        sdk.files.upload(file=("a.txt", b"x"), expires_in_seconds=60)


def test_a_malformed_upload_is_refused(emulator: Emulator, client: httpx.Client) -> None:
    headers = {"x-api-key": emulator.api_key, **VERSION}
    url = "/v1/files"
    assert client.post(url, json={}, headers=headers).status_code == 400
    assert "Extra inputs" in client.post(url, files={"file": b"x", "purpose": b"y"}, headers=headers).text
    assert "file: Field required" in client.post(url, files={"expires_in_seconds": b"1"}, headers=headers).text
    for body in (b"", b"--x", b"--x\r\n\r\n--x--", b"--x\r\nfoo\r\n\r\nbar\r\n--x--\r\n", b"--x--"):
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
            refused = client.post(url, content=body, headers={**headers, "content-type": kind})
            assert refused.status_code == 400, (body, refused.text)
