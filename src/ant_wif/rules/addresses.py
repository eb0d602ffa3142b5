"""Which addresses an issuer's keys may be fetched from: those that anyone on the internet can see, over https."""

from __future__ import annotations

import contextlib
import ipaddress
import re

# Strict, so that no two parsers can disagree about where a URL leads: no user, no blank, no backslash, ASCII only.
_URL = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?"
    r"([/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII,
)
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label of every public name begins with a letter. That of an IPv4 address, in any spelling, does not.
_DNS_NAME = re.compile(rf"({_LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?")
# Names that no public server answers (RFC 6761, RFC 6762, RFC 7686, RFC 8375). Those for tests and examples may stand.
_NOWHERE = ("localhost", "local", "internal", "home.arpa", "onion", "invalid", "alt")


def address_flaw(url: str, *, allow_loopback: bool = False) -> str | None:
    """Return what is wrong with a URL to fetch from, as in "must …", or `None`.

    With `allow_loopback`, this machine may be named as well, over http or https and on any port.
    """
    found = _URL.fullmatch(url)
    if found is None or int(found["port"] or 0) > 65535:
        return "must be a URL of scheme, host, port and path, such as https://idp.example.com"
    host = found["host"].lower()
    if allow_loopback and _is_loopback(host.strip("[]")):
        return None
    flaws = {
        "must use https": found["scheme"].lower() != "https",
        "must use port 443": int(found["port"] or 443) != 443,
        "must name its host by a public DNS name, not by an IP address or a name without a dot": len(host) > 253
        or not _DNS_NAME.fullmatch(host),
        f"must name a host that is public, and {host} is not": any(
            f".{host}".endswith(f".{name}") for name in _NOWHERE
        ),
    }
    return next((flaw for flaw, there in flaws.items() if there), None)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
