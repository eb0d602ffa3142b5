"""Every parameter of the official SDK is taken: read from the SDK's types, so that a new release is compared, too.

A failure names the parameter. Add it to the emulator, unless the release only renamed a type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, get_type_hints

import pytest
from anthropic.types import (
    file_list_params,
    file_upload_params,
    message_count_tokens_params,
    message_create_params,
    model_list_params,
)
from anthropic.types.beta import file_list_params as beta_file_list_params
from anthropic.types.beta import file_upload_params as beta_file_upload_params
from anthropic.types.beta import message_count_tokens_params as beta_message_count_tokens_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from anthropic.types.beta.organization import service_account_create_params, service_account_update_params
from anthropic.types.beta.organization.federation import (
    issuer_create_params,
    issuer_update_params,
    rule_create_params,
    rule_update_params,
)
from anthropic.types.beta.organization.federation.rules import workspace_add_params as enablement_params
from anthropic.types.beta.organization.service_accounts import workspace_add_params as membership_params
from anthropic.types.messages import batch_create_params, batch_list_params

from ant_wif.emulator._admin import schemas
from ant_wif.emulator._admin.schemas import Strict, find_flaw
from ant_wif.emulator._api.message_schema import read_message_request
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.blocks import SDK_TYPES
from support.samples import MODEL
from support.sdk_types import HEADERS, SentBody, sdk_is_locked, sent_body, types_for_the_emulator

ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
MESSAGES: dict[str, type] = {
    "messages.create": message_create_params.MessageCreateParamsNonStreaming,
    "messages.stream": message_create_params.MessageCreateParamsStreaming,
    "messages.count_tokens": message_count_tokens_params.MessageCountTokensParams,
    "beta.messages.create": beta_message_create_params.MessageCreateParamsNonStreaming,
    "beta.messages.count_tokens": beta_message_count_tokens_params.MessageCountTokensParams,
}
REGISTRATIONS: dict[str, tuple[type, type[Strict]]] = {
    "service_accounts.create": (service_account_create_params.ServiceAccountCreateParams, schemas.ServiceAccountCreate),
    "service_accounts.update": (service_account_update_params.ServiceAccountUpdateParams, schemas.ServiceAccountUpdate),
    "service_accounts.workspaces.add": (membership_params.WorkspaceAddParams, schemas.MembershipCreate),
    "federation.issuers.create": (issuer_create_params.IssuerCreateParams, schemas.IssuerCreate),
    "federation.issuers.update": (issuer_update_params.IssuerUpdateParams, schemas.IssuerUpdate),
    "federation.rules.create": (rule_create_params.RuleCreateParams, schemas.RuleCreate),
    "federation.rules.update": (rule_update_params.RuleUpdateParams, schemas.RuleUpdate),
    "federation.rules.workspaces.add": (enablement_params.WorkspaceAddParams, schemas.EnablementCreate),
}
# What a single field cannot say alone, and the service refuses: a choice or a result of a tool that is not there.
_NEEDS_MORE = (
    "tool_choice.name: Tool",
    "tool_choice: may only be specified while providing tools",
    "blocks can only be in",
    "unexpected `tool_use_id`",
    "input_schema.type: Input should be 'object'",
    "input_schema.type: Field required",
    "should be greater than or equal to 1024",
)
_MOST = 1_500
"""How many values of one parameter are tried: blocks within blocks are many."""
by_turns = pytest.mark.parametrize("turns", [3, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
"""Every third of the many, the beta's being others; under `-m long` all of them."""


def some(values: Iterator[Any], turns: int = 1, first: int = 0, most: int = _MOST) -> Iterator[Any]:
    return (value for number, value in enumerate(islice(values, most)) if number < 100 or number % turns == first)


def bodies(sent: SentBody, base: Mapping[str, Any], **which: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sent.fields:
        for value in some(sent.examples(name), **which):
            yield name, {**base, name: value}


OTHERS: dict[str, tuple[type, set[str]]] = {
    "models.list": (model_list_params.ModelListParams, {"after_id", "before_id", "lifecycle", "limit"}),
    "messages.batches.create": (batch_create_params.BatchCreateParams, {"requests"}),
    "messages.batches.list": (batch_list_params.BatchListParams, {"after_id", "before_id", "limit"}),
    "files.upload": (file_upload_params.FileUploadParams, {"file", "expires_in_seconds"}),
    "beta.files.upload": (beta_file_upload_params.FileUploadParams, {"file", "expires_in_seconds"}),
    "files.list": (file_list_params.FileListParams, {"ids", "limit", "page"}),
    "beta.files.list": (beta_file_list_params.FileListParams, {"ids", "limit", "page", "scope_id"}),
}


@pytest.mark.parametrize("method", OTHERS)
def test_the_parameters_of_lists_and_batches_are_those_that_are_emulated(method: str) -> None:
    parameters, emulated = OTHERS[method]
    known = get_type_hints(parameters).keys() - HEADERS
    assert known & emulated
    if sdk_is_locked():
        assert known == emulated, f"{method} of the SDK has other parameters"


@by_turns
@pytest.mark.parametrize("method", MESSAGES)
def test_every_parameter_of_messages_is_taken(method: str, turns: int) -> None:
    sent = sent_body(MESSAGES[method])
    base = ASKED if "count" in method else {**ASKED, "max_tokens": 9}
    assert set(sent.required) - {"stream"} == set(base)
    refused: dict[str, str] = {}
    # What these may hold is the same everywhere.
    most, first = _MOST if method.endswith("messages.create") else 1, method.startswith("beta") % turns
    for name, body in bodies(sent, base, turns=turns, first=first, most=most):
        try:
            read_message_request(body, counting="count" in method)
        except Refusal as refusal:
            if not any(each in refusal.message for each in _NEEDS_MORE):
                refused.setdefault(name, f"{refusal.message} for {body[name]!r}"[:500])
    assert refused == {}, f"{method}({', '.join(refused)}) of the SDK is refused"


@by_turns
def test_no_object_of_a_message_may_have_a_member_too_many_or_too_few(turns: int) -> None:
    sent = sent_body(MESSAGES["beta.messages.create"])
    for name in sent.fields:
        for value in some(sent.wrong_examples(name), turns):
            with pytest.raises(Refusal, match=f"^{name}"):
                read_message_request({**ASKED, "max_tokens": 9, name: value})


@pytest.mark.parametrize("method", REGISTRATIONS)
def test_every_parameter_of_a_registration_is_taken_and_no_other(method: str) -> None:
    parameters, model = REGISTRATIONS[method]
    sent = sent_body(parameters, frozenset({"betas"}))
    base = {name: next(sent.examples(name)) for name in sent.required}
    refused = {name: flaw for name, body in bodies(sent, base) if (flaw := find_flaw(model, body)) is not None}
    if method == "federation.issuers.update":
        del refused["jwks_polling_disabled"]  # the SDK says that `true` is rejected
    assert refused == {}, f"{method}({', '.join(refused)}) of the SDK is refused"
    wrong = [{**base, name: value} for name in sent.fields for value in sent.wrong_examples(name)]
    assert [body for body in wrong if find_flaw(model, body) is None] == []
    if sdk_is_locked():
        assert set(model.model_fields) == set(sent.fields), f"{method} of the SDK has other parameters"


def test_the_types_of_messages_are_those_of_the_sdk() -> None:
    # Another release than the locked one may have others.
    assert not sdk_is_locked() or SDK_TYPES.read_text() == types_for_the_emulator(), (
        "run python tests/support/sdk_types.py"
    )
