"""The plugin is loaded in every run of every project that has it installed, and none may end because of it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import pytest

Hook = TypeVar("Hook", bound=Callable[..., Any])

_WARNED = pytest.StashKey[bool]()


def never_raises(hook: Hook, guarded: str = "output") -> Hook:
    """Make of an error of a hook one warning; what it means to say, as UsageError and skips, is not an error.

    The warning says that what is `guarded` may be unmasked.
    """

    @functools.wraps(hook)
    def safe(*arguments: Any, **named: Any) -> Any:
        try:
            return hook(*arguments, **named)
        except pytest.UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is
            for each in (*arguments, *named.values()):
                warn_once(getattr(each, "config", None) or getattr(each, "_config", None) or each, error, guarded)
            return None

    return cast("Hook", safe)


def warn_once(config: object, error: Exception, guarded: str = "output") -> None:
    """Say once, in the summary, what does not work; a filter that makes errors of warnings is of no use."""
    if not isinstance(config, pytest.Config) or config.stash.get(_WARNED, False):
        return
    config.stash[_WARNED] = True
    with suppress(Exception), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The text of the error could quote what was to be masked.
        warnings.warn(
            pytest.PytestWarning(f"ant-wif: the leak guard failed ({type(error).__name__}), {guarded} may be unmasked"),
            stacklevel=2,
        )
        config.hook.pytest_warning_recorded.call_historic(
            kwargs={"warning_message": caught[0], "when": "runtest", "nodeid": "", "location": None}
        )
