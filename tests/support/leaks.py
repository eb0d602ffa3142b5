"""Whether a secret is seen: in a text, or in an error and its frames, as crash reporters print them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from pydantic import Secret, SecretBytes, SecretStr

import ant_cli
import ant_wif
import pytest_ant_wif
from ant_wif.errors import AntWifError

OURS = tuple(str(Path(str(package.__file__)).parent) for package in (ant_wif, ant_cli, pytest_ant_wif))


def fragments(secret: str) -> set[str]:
    """Pieces of which none may be seen: of a JWT those of payload and signature, else all behind the first 16."""
    parts = secret.split(".")[1:] if secret.count(".") == 2 else [secret[16:] if len(secret) > 24 else secret]
    return {part[at : at + 12] for part in parts for at in range(max(1, len(part) - 11)) if len(part) >= 8}


def jwts_in(text: str) -> list[str]:
    """Beginnings of JWTs. The same three letters within a random id, after one of its letters, are not one."""
    return re.findall(r"\beyJ[\w-]*", text)


def assert_unseen(text: str, *secrets: str) -> None:
    found = next((piece for secret in secrets for piece in fragments(secret) if piece in text), None)
    assert found is None, f"{found!r} of a secret is seen in: {text[:1200]}"


def everything_seen(error: BaseException) -> Iterator[tuple[str, str]]:
    """Where and what: the error's texts and attributes, and the locals of this project's frames, causes included."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
        yield f"str({type(one).__name__})", str(one)
        yield f"repr({type(one).__name__})", repr(one)
        yield from ((f"{type(one).__name__}.{name}", _repr(value)) for name, value in vars(one).items())
        yield f"{type(one).__name__}.args", _repr(one.args)
        step = one.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            if code.co_filename.startswith(OURS):
                for name, value in step.tb_frame.f_locals.items():
                    yield f"{code.co_filename}:{step.tb_lineno} {code.co_name} {name}", _repr(value)
            step = step.tb_next


def _repr(value: object) -> str:
    try:
        return repr(value)
    except RecursionError:
        return ""


def assert_in_lines(error: AntWifError) -> None:
    """Fit for a terminal and a log: no line break within a fact, no escape sequence, no lone surrogate."""
    for line in (error.summary, *error.facts, error.hint or ""):
        assert line.isprintable(), ascii(line)
    assert str(error).split("\n  ") == [error.summary, *error.facts]


def assert_explains_and_keeps(error: AntWifError, *secrets: str) -> None:
    assert error.hint, f"no hint: {error}"
    assert_in_lines(error)
    pieces = {piece for secret in secrets for piece in fragments(secret)}
    assert pieces or not secrets
    for where, text in everything_seen(error):
        found = next((piece for piece in pieces if piece in text), None)
        assert found is None, f"a secret's {found!r} is seen in {where}: {text[:600]}"


_PLAIN = (str, bytes, bytearray, memoryview)
_SENT = {"httpx", "httpx2"}
"""Libraries whose requests and clients hold what they send."""


def bare(value: object, *secrets: str, seen: set[tuple[int, int]] | None = None) -> str | None:
    """Say where a value holds a secret that is not wrapped: in itself, its elements, its attributes or its texts.

    What is in `seen` is not looked through again; it lives as long as that does.
    """
    texts = _texts(value, set() if seen is None else seen)
    return next((f"{where}: {text[:200]!r}" for where, text in texts for s in secrets if s in text), None)


def _texts(value: object, seen: set[tuple[int, int]], depth: int = 3, where: str = "") -> Iterator[tuple[str, str]]:
    module, _, _ = type(value).__module__.partition(".")
    if isinstance(value, (Secret, SecretStr, SecretBytes)) or module in _SENT or value is os.environ:
        return
    if isinstance(value, _PLAIN):
        yield where, value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
        return
    if (id(value), depth) in seen:
        return
    seen.add((id(value), depth))
    yield f"repr {where}", _repr(value)
    if isinstance(value, Mapping) and not module.startswith("ant_wif"):
        for name, item in list(value.items()) if depth else []:
            yield from _texts(name, seen, 0, f"{where} key")
            yield from _texts(item, seen, depth - 1, f"{where}[{name!r}]")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in list(value) if depth else []:
            yield from _texts(item, seen, depth - 1, f"{where}[]")
    elif depth and not isinstance(value, (type, ModuleType)):
        names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
        for name in names:
            yield from _texts(getattr(value, name, None), seen, min(depth - 1, 1), f"{where}.{name}")


def bare_in_frames(error: BaseException, *secrets: str, of: tuple[str, ...] = OURS) -> list[str]:
    """Say where the frames `of` these folders that an error passed hold a secret not wrapped, causes included."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    looked_through: set[tuple[int, int]] = set()
    found = []
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
        step = one.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            if code.co_filename.startswith(of):
                for name, value in step.tb_frame.f_locals.items():
                    hit = bare(value, *secrets, seen=looked_through)
                    if hit:
                        place = f"{code.co_filename}:{step.tb_lineno} {code.co_name}"
                        found.append(f"{place} {name}{hit}")
            step = step.tb_next
        hit = bare([str(one), one.args, vars(one)], *secrets) if isinstance(one, AntWifError) else None
        found += [f"{type(one).__name__} {hit}"] if hit else []
    return found
