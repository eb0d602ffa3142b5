"""Requests as values, and two drivers that send them."""

from ant_wif._http.debug_log import log_body, log_request, log_response, mask_foreign_logs, sent_secrets
from ant_wif._http.flow import (
    TIMEOUT_SECONDS,
    Deadline,
    ErrorAnswer,
    Flow,
    Request,
    RequestFailure,
    Response,
    T,
    call,
    masked_headers,
    pause,
    read_error,
    request_id_of,
    send,
    what_it_is,
)
from ant_wif._http.retry import Backoff, is_transient, retry_after, send_again
from ant_wif._http.transport import USER_AGENT, arun, client_for, http_errors, request_failure, run, with_issuer
from ant_wif._http.urls import check_url, is_loopback

__all__ = [
    "TIMEOUT_SECONDS",
    "USER_AGENT",
    "Backoff",
    "Deadline",
    "ErrorAnswer",
    "Flow",
    "Request",
    "RequestFailure",
    "Response",
    "T",
    "arun",
    "call",
    "check_url",
    "client_for",
    "http_errors",
    "is_loopback",
    "is_transient",
    "log_body",
    "log_request",
    "log_response",
    "mask_foreign_logs",
    "masked_headers",
    "pause",
    "read_error",
    "request_failure",
    "request_id_of",
    "retry_after",
    "run",
    "send",
    "send_again",
    "sent_secrets",
    "what_it_is",
    "with_issuer",
]
