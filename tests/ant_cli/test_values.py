"""Values of options and bodies: what is read is what was meant, and nothing that is typed breaks the reader."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ant_cli._values import encoded, read_document
from ant_wif._strict import read_json, read_object, read_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> object:
    try:
        return read_value(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@given(JSON)
def test_json_is_read_as_json(value: object) -> None:
    assert read(json.dumps(value)) == value
    assert read(f" \n{json.dumps(value, ensure_ascii=False)}") == value or isinstance(value, str)


@given(JSON)
def test_what_a_yaml_writer_writes_is_read_as_it_was(value: object) -> None:
    written = yaml.safe_dump(value)
    if "&id" not in written and "!!" not in written:
        assert read(written) == value


def refuses_in_words(reading: Callable[[], object]) -> None:
    """Whatever it is, it is read, or refused as wrong usage with a sentence."""
    with contextlib.suppress(click.UsageError):
        reading()


@given(st.text() | st.text("{}[],:\"'&*!|>-? \n\tab01#%@`\\", max_size=60))
def test_any_text_is_read_or_refused_as_wrong_usage(text: str) -> None:
    refuses_in_words(lambda: encoded(read(text)))


@given(st.binary())
def test_any_file_is_read_or_refused_as_wrong_usage(content: bytes) -> None:
    refuses_in_words(lambda: read_document(content, "the file"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("nan")}])
def test_what_json_cannot_hold_is_not_sent(value: object) -> None:
    with pytest.raises(click.UsageError, match="cannot be written as JSON"):
        encoded(value)


def test_a_body_has_an_end() -> None:
    with pytest.raises(click.UsageError, match="longer than"):
        encoded({"a": ["x" * (1 << 20)] * 40})


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "[" * 600 + "]" * 600])
def test_json_with_two_meanings_or_none_is_refused(text: str) -> None:
    for reader in (read_json, read_object):
        with pytest.raises(ValueError, match=r"twice|NaN|1e999|deep"):
            reader(text)
    if "NaN" not in text:  # in YAML that is a text like others
        with pytest.raises(click.UsageError, match=r"twice|too large|deep"):
            read(text)


def test_the_limit_of_a_body_is_one_of_bytes() -> None:
    encoded({"text": "\u00e9" * (15 << 20)})
    with pytest.raises(click.UsageError, match="longer than"):
        encoded({"text": "\u00e9" * (17 << 20)})


def test_a_document_in_utf_16_is_named_and_a_mark_is_passed_over() -> None:
    assert read_document("{a: 1}".encode("utf-8-sig"), "the file x") == {"a": 1}
    with pytest.raises(click.UsageError, match="the file x is UTF-16 text; save it as UTF-8"):
        read_document("{a: 1}".encode("utf-16"), "the file x")
