"""Which URLs may carry secrets, and how their hosts are reached: proxies and trusted certificates.

The variables of an environment are read here, and not by httpx: it would send loopback traffic to a proxy,
stop at entries of `NO_PROXY` that curl and Go understand, and read the process's own variables only.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import logging
import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ant_wif._environment import endless
from ant_wif._secrets import SecretStr, facts_of, quoted, sanitize, sanitize_path
from ant_wif.errors import ConfigurationError, InsecureUrlError

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("ant_wif.http")

# Strict, so that no two parsers can disagree about where a URL leads.
_URL = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)


def is_loopback(host: str) -> bool:
    """Whether a parsed host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


INSECURE_HOSTS = "ANT_INSECURE_HOSTS"
_NEVER_INSECURE = r"(?:.*\.)?(?:anthropic|claude)\.com\.?"
_warned: set[str] = set()


class PermittedUrl(str):
    """A URL with plain http, whose host the user has named in `ANT_INSECURE_HOSTS`. Text made of it is not one."""

    __slots__ = ()

    def rstrip(self, chars: str | None = None, /) -> PermittedUrl:
        return PermittedUrl(super().rstrip(chars))


def permit_url(url: str, environ: Mapping[str, str]) -> str:
    """Return a URL without a slash at its end, as a `PermittedUrl` where `ANT_INSECURE_HOSTS` names its host.

    Another text is returned as it is. Names are exact, with commas between them. A warning is logged once.
    Anthropic's own hosts cannot be named.
    """
    named = (each.strip().lower() for each in environ.get(INSECURE_HOSTS, "").split(","))
    hosts = {each for each in named if each and not re.fullmatch(_NEVER_INSECURE, each, re.IGNORECASE)}
    found = _URL.fullmatch(url)
    if found is None:
        return url
    url, host = url.rstrip("/"), found["host"].strip("[]").lower()
    if found["scheme"].lower() != "http" or host not in hosts:
        return url
    if host not in _warned and not is_loopback(host):
        _warned.add(host)
        log.warning("%s allows plain http to %s: tokens are sent there without encryption", INSECURE_HOSTS, host)
    return PermittedUrl(url)


def check_url(url: str, *, what: str, environ: Mapping[str, str] | None = None) -> str:
    """Return `url` without a trailing slash if secrets may be sent there.

    That takes https, or plain http to a loopback host or to one that `ANT_INSECURE_HOSTS` of `environ` names; the host
    is judged as parsed, so that `http://localhost.evil.example` is not a loopback address.

    Raises InsecureUrlError: otherwise, or when it is not a URL, has a user, a query or a fragment. `what` says where
    the URL was found.
    """
    url = url if environ is None else permit_url(url, environ)
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 443) < 65536 or not _is_host(found["host"]):
        if "@" in url or "?" in url or "#" in url:
            # Not quoted: a password may stand there.
            raise InsecureUrlError(
                f"{what} may hold scheme, host, port and path, but no user, query or fragment",
                hint=f"remove the user, query or fragment from {what}",
            )
        raise InsecureUrlError(
            f"{what} is not a valid URL",
            facts=facts_of(url, "a URL such as https://host.example", limit=128),
            hint=f"correct {what}",
        )
    insecure = found["scheme"].lower() == "http" and not is_loopback(found["host"].strip("[]"))
    if insecure and not isinstance(url, PermittedUrl):
        raise InsecureUrlError(
            f"{what} must use https, because tokens are sent there",
            facts=(
                f"found: {quoted(url, limit=128)}",
                f"the host {quoted(found['host'], limit=128)} is not this machine",
            ),
            hint=f"use https in {what}; for a test server, name its host in {INSECURE_HOSTS}",
        )
    return url.rstrip("/")


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return len(host) <= 253 and all(0 < len(label) <= 63 for label in host.split("."))
    return isinstance(_address(host[1:-1]), ipaddress.IPv6Address)


_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_SCHEMES = ("http", "https", "socks5", "socks5h")
_NO_HOST = r"[\s\x00-\x1f\x7f\"<>\\^`{|}]"
_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy through which to reach `url`, or `None` to connect directly.

    A loopback host is never reached through a proxy.

    Raises ConfigurationError: the variable that names the proxy cannot be used.
    """
    name = proxy_variable(url, environ)
    return _checked(name, environ[name].strip()) if name is not None else None


def proxy_variable(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable whose proxy `url` is reached through, or `None` to connect directly."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    if is_loopback(host):
        return None
    name = next((name for name in _variables(parts.scheme, environ) if environ.get(name, "").strip()), None)
    return None if name is None or _is_exempt(host, port, environ) else name


def proxy_secrets(environ: Mapping[str, str]) -> Iterator[SecretStr]:
    """Yield the passwords of the proxies that variables name, and what is sent of them: a proxy may quote it."""
    for name in {name for scheme in _PORTS for name in _variables(scheme, environ)}:
        login = re.sub(f"^{_SCHEME}", "", environ.get(name, "").strip()).rpartition("@")[0]
        user, _, password = map(unquote, login.partition(":"))
        if password:
            yield SecretStr(password)
            yield SecretStr(base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode())


def shown_proxy(name: str, environ: Mapping[str, str]) -> str:
    """Return what a message calls the proxy that a variable names."""
    return f"the proxy {without_login(environ[name].strip())} ({name})"


def _variables(scheme: str, environ: Mapping[str, str]) -> list[str]:
    # In a CGI process, HTTP_PROXY is a header of the client's (https://httpoxy.org): the lower case form only.
    upper = [] if scheme == "http" and "REQUEST_METHOD" in environ else [f"{scheme.upper()}_PROXY"]
    return [f"{scheme}_proxy", *upper, "all_proxy", "ALL_PROXY"]


def _checked(name: str, value: str) -> str:
    url = value if re.match(_SCHEME, value) else f"http://{value}"
    shown = without_login(url)
    problem, hint = "", f"set {name} to a URL such as http://proxy.example:3128, or unset it"
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in _SCHEMES:
            problem = "only http, https, socks5 and socks5h proxies are supported"
        elif parts.port == 0 or re.search(_NO_HOST, parts.netloc) or not _is_host(parts.hostname or ""):
            problem = "it is not the URL of a proxy"
        elif parts.scheme.lower().startswith("socks"):
            import_module("socksio")  # httpcore needs it for these schemes
    except ValueError:
        problem = "it is not the URL of a proxy"
    except ImportError:
        problem, hint = "a SOCKS proxy needs the package socksio", f"pip install 'httpx[socks]', or unset {name}"
    if problem:
        raise ConfigurationError(f"{name} cannot be used: {problem} (found {shown})", hint=hint)
    return url


def without_login(url: str) -> str:
    """Show a URL without the user, password and query that may stand in it."""
    scheme = re.match(_SCHEME, url)
    start = scheme.end() if scheme else 0
    return sanitize(re.split("[?#]", url[:start] + url[start:].rpartition("@")[2])[0], limit=128)


def _is_exempt(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    stated = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return any(_matches(entry, host.lower().rstrip("."), port) for entry in re.split(r"[\s,]+", stated) if entry)


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Judge one entry as curl and Go's net/http do; one that neither understands matches nothing."""
    if entry == "*":
        return True
    pattern, stated_port = _split_port(entry.lower())
    if pattern is None:
        log.debug("NO_PROXY: the entry %r is not understood and is ignored", without_login(entry))
        return False
    return stated_port in {None, port} and _covers(pattern, host)


def _covers(pattern: str, host: str) -> bool:
    address = _address(host)
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(pattern, strict=False)
        return address is not None and address.version == network.version and address in network
    if address is not None:
        return pattern == "*"
    name = pattern.removeprefix("*")
    if name.startswith("."):
        # `.example.com` is for the names below it; curl takes it for the name itself, too.
        return host == name[1:] or host.endswith(name)
    return not name or host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str | None, int | None]:
    """Split `host`, `host:port`, `[::1]`, `[::1]:port`, `::1` or a CIDR block; `(None, None)` for anything else."""
    bracketed = re.fullmatch(r"\[([0-9a-f:.]+)(?:%[^\]]*)?\](?::(\d{1,5}))?", entry)
    if bracketed:
        return (bracketed[1], int(bracketed[2]) if bracketed[2] else None) if _address(bracketed[1]) else (None, None)
    if "/" in entry or entry.count(":") > 1:
        try:
            return str(ipaddress.ip_network(entry, strict=False)), None
        except ValueError:
            return None, None
    named = re.fullmatch(r"((?:\*|\*?\.)?(?:[a-z0-9_](?:[a-z0-9._-]*))?\.?)(?::(\d{1,5}))?", entry)
    if named is None or not named[1]:
        return None, None
    return named[1].rstrip("."), int(named[2]) if named[2] else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def tls_context(environ: Mapping[str, str], ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what certificates are checked against: `ca_file`, else `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's.

    Raises:
        ConfigurationError: a variable names something that holds no certificates.
        OSError: `ca_file` cannot be read, or holds none (`ssl.SSLError`).
    """
    import ssl

    if ca_file is not None:
        return ssl.create_default_context(cafile=str(ca_file))
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file:
        return _trusting("SSL_CERT_FILE", file, cafile=file)
    if folder:
        folders = [each for each in folder.split(os.pathsep) if each]
        if not any(os.path.isdir(each) for each in folders):
            raise _unusable("SSL_CERT_DIR", folder, "there is no such directory")
        if not any(re.fullmatch(_HASHED, name) for each in folders for name in _names_in(each)):
            problem = "no file there has the hashed name of a certificate; `openssl rehash` makes them"
            raise _unusable("SSL_CERT_DIR", folder, problem)
        context = ssl.create_default_context(capath=folders[0])
        for each in folders[1:]:
            context.load_verify_locations(capath=each)
        return context
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


_LARGEST_BUNDLE = 16 << 20
# As openssl-rehash(1) names what it links to.
_HASHED = r"[0-9a-f]{8}\.\d+"


def _names_in(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def _trusting(name: str, value: str, *, cafile: str) -> ssl.SSLContext:
    import ssl

    try:
        if not (endlessness := endless(cafile, _LARGEST_BUNDLE)):
            return ssl.create_default_context(cafile=cafile)
        problem = f"it {endlessness}"
    except ssl.SSLError:
        problem = "the file holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        problem = sanitize(getattr(error, "strerror", None) or "it is not a path")
    raise _unusable(name, value, problem)


def _unusable(name: str, value: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} cannot be used: {problem} (found {sanitize_path(without_login(value) if '://' in value else value)})",
        hint=f"set {name} to certificates in PEM form, or unset it to trust the public authorities",
    )
