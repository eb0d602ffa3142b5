"""Which URLs may carry secrets."""

from __future__ import annotations

import re

from ant_wif._secrets import clean
from ant_wif.errors import InsecureUrlError

__all__ = ["check_url", "is_loopback"]

# Strict, so that no two parsers can disagree about where a URL leads.
_URL = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>\d{1,5}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)


def is_loopback(host: str) -> bool:
    """Whether a parsed host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, what: str) -> str:
    """Return `url` without a trailing slash if secrets may be sent there.

    That takes https, or plain http to a loopback host; the host is judged as parsed, so that
    `http://localhost.evil.example` is no loopback.

    Raises:
        InsecureUrlError: otherwise, or when it is no URL, has a user, a query or a fragment.
            `what` says where the URL was found.
    """
    found = _URL.fullmatch(url)
    if found is None or int(found["port"] or 0) > 65535 or not _is_host(found["host"]):
        if "@" in url or "?" in url or "#" in url:
            # Not quoted: a password may stand there.
            raise InsecureUrlError(
                f"{what} may hold scheme, host, port and path, but no user, query or fragment",
                hint=f"remove the user, query or fragment from {what}",
            )
        raise InsecureUrlError(
            f"{what} is not a URL: found {clean(url, limit=128)!r}, expected something like https://api.anthropic.com",
            hint=f"correct {what}",
        )
    if found["scheme"].lower() == "http" and not is_loopback(found["host"].strip("[]")):
        raise InsecureUrlError(
            f"{what} must use https, because tokens are sent there: found {clean(url, limit=128)!r}, whose host "
            f"{clean(found['host'], limit=128)!r} is not this machine",
            hint=f"use https in {what}",
        )
    return url.rstrip("/")


def _is_host(host: str) -> bool:
    import ipaddress

    if not host.startswith("["):
        return True
    try:
        return bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False
