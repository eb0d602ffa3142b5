"""The models of the emulator, compared with those that the official SDK names."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

import anthropic
import pytest
from anthropic import _data as sdk_data
from anthropic.types import Model

from ant_wif.emulator import Emulator
from support.samples import MODEL
from support.sdk_types import sdk_is_locked

NAMED_BY_SDK = {
    name for alternative in get_args(Model) if get_origin(alternative) is Literal for name in get_args(alternative)
}
DEPRECATED_BY_SDK = set(sdk_data.DEPRECATED_MODELS)


def test_the_listed_models_are_the_current_ones_of_the_sdk(sdk: anthropic.Anthropic) -> None:
    listed = [model.id for model in sdk.models.list()]
    assert MODEL in listed
    assert all(name.startswith("claude-") for name in listed)
    assert NAMED_BY_SDK & set(listed)
    # Another release than the locked one may name more models, or fewer.
    if sdk_is_locked():
        assert set(listed) == NAMED_BY_SDK - DEPRECATED_BY_SDK


def test_the_tests_name_a_model_that_the_sdk_does_not_warn_about() -> None:
    """Fails with a new release of the SDK that deprecates it: change `MODEL` then."""
    assert MODEL not in DEPRECATED_BY_SDK


def test_the_newest_model_is_listed_first(sdk: anthropic.Anthropic) -> None:
    created = [model.created_at for model in sdk.models.list()]
    assert created == sorted(created, reverse=True)


def test_models_are_listed_by_their_lifecycle(sdk: anthropic.Anthropic) -> None:
    active = list(sdk.models.list(lifecycle=["active", "retired"]))
    assert {model.lifecycle for model in active} == {"active"}
    assert list(sdk.models.list(lifecycle=["deprecated", "retired"])) == []
    with pytest.raises(anthropic.BadRequestError, match="lifecycle: must be at most 3 of active, deprecated"):
        sdk.models.list(extra_query={"lifecycle": "young"})


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("claude-opus-5-5", "Claude Opus 5.5"),
        ("claude-sonnet-5", "Claude Sonnet 5"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
        ("claude-3-5-sonnet-latest", "Claude 3.5 Sonnet"),
        ("claude-brandnew-9", "Claude Brandnew 9"),
    ],
)
def test_every_claude_model_is_served(sdk: anthropic.Anthropic, model_id: str, name: str) -> None:
    model = sdk.models.retrieve(model_id)
    assert (model.id, model.display_name) == (model_id, name)
    counted = sdk.messages.count_tokens(model=model_id, messages=[{"role": "user", "content": "Hello"}])
    assert counted.input_tokens > 0


def test_models_that_are_set_are_the_only_ones_served(emulator: Emulator) -> None:
    other = emulator.spawn()
    try:
        other.serve_models(["claude-one", "two"])
        with anthropic.Anthropic(api_key=other.api_key, base_url=other.base_url, max_retries=0) as sdk:
            assert [model.id for model in sdk.models.list()] == ["claude-one", "two"]
            assert sdk.models.retrieve("two").id == "two"
            with pytest.raises(anthropic.NotFoundError):
                sdk.models.retrieve(MODEL)
            with pytest.raises(anthropic.NotFoundError):
                sdk.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
    finally:
        other.stop()
