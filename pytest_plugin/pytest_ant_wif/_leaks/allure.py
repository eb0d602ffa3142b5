"""No secret in the results of allure-pytest, which reads what a test did before its report is clean."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

Replace = Callable[[Any, str, object], None]


def clean_allure(
    config: pytest.Config, clean: Callable[[str], str], clean_item: Callable[[Any], None], replace: Replace
) -> None:
    """Clean each result, container and attachment as it is handed on to be written."""
    listener = config.pluginmanager.get_plugin("allure_listener")
    if listener is None or type(listener).__module__ != "allure_pytest.listener":
        return
    commons = import_module("allure_commons")
    kind = import_module("allure_commons.logger").AllureFileLogger

    reporter = listener.allure_logger
    attach_data, attach_file = reporter.attach_data, reporter.attach_file

    def clean_data(uuid: object, body: object, *more: object, **named: object) -> None:
        attach_data(uuid, _cleaned(body, clean), *more, **named)

    def clean_file(uuid: object, source: str, *more: object, **named: object) -> None:
        body = Path(source).read_bytes()
        if (cleaned := _cleaned(body, clean)) != body:
            attach_data(uuid, cleaned, *more, **named)
        else:
            attach_file(uuid, source, *more, **named)

    replace(reporter, "attach_data", clean_data)
    replace(reporter, "attach_file", clean_file)
    for logger in commons.plugin_manager.get_plugins():
        if isinstance(logger, kind) and hasattr(logger, "_report_item"):
            replace(logger, "_report_item", _cleaning(logger._report_item, clean_item))


def show_as_failed(item: Any, message: str) -> None:
    """Have the result of a test say that it failed: allure-pytest looked at the report when it had passed."""
    model = import_module("allure_commons.model2")
    if isinstance(item, model.TestResult):
        trace = getattr(item.statusDetails, "trace", None)
        item.status, item.statusDetails = model.Status.FAILED, model.StatusDetails(message=message, trace=trace)


def _cleaned(body: object, clean: Callable[[str], str]) -> object:
    if isinstance(body, (bytes, bytearray)):  # a secret is ASCII, and the rest need not be text
        text = bytes(body).decode("latin-1")
        return clean(text).encode("latin-1") if clean(text) != text else body
    return clean(body) if isinstance(body, str) else body


def _cleaning(write: Callable[[Any], None], clean_item: Callable[[Any], None]) -> Callable[[Any], None]:
    def write_clean(item: Any) -> None:
        clean_item(item)
        write(item)

    return write_clean
