"""Requests as values, and two drivers that send them."""

from ant_wif._http.debug_log import log_body, log_request, log_response, mask_foreign_logs, sent_secrets
from ant_wif._http.flow import (
    REQUEST_ID,
    TIMEOUT_SECONDS,
    Deadline,
    Flow,
    Request,
    RequestFailure,
    Response,
    T,
    call,
    pause,
    request_id_of,
    send,
)
from ant_wif._http.retry import Backoff, is_transient, retry_after
from ant_wif._http.transport import USER_AGENT, arun, client_for, request_failure, run
from ant_wif._http.urls import check_url, is_loopback

__all__ = [
    "REQUEST_ID",
    "TIMEOUT_SECONDS",
    "USER_AGENT",
    "Backoff",
    "Deadline",
    "Flow",
    "Request",
    "RequestFailure",
    "Response",
    "T",
    "arun",
    "call",
    "check_url",
    "client_for",
    "is_loopback",
    "is_transient",
    "log_body",
    "log_request",
    "log_response",
    "mask_foreign_logs",
    "pause",
    "request_failure",
    "request_id_of",
    "retry_after",
    "run",
    "send",
    "sent_secrets",
]
