"""A credential as the `auth` of a client of httpx."""

import httpx

from ant_wif.integrations._auth import CredentialFlow

__all__ = ["HttpxAuth"]


class HttpxAuth(CredentialFlow, httpx.Auth):
    """`httpx.Client(auth=CredentialAuth(creds))`, and likewise for `AsyncClient`."""

    _whole_bodies = httpx.ByteStream
