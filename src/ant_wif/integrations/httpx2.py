"""A credential as the `auth` of a client of httpx2, the successor of httpx."""

import httpx2

from ant_wif.integrations._auth import CredentialFlow

__all__ = ["Httpx2Auth"]


class Httpx2Auth(CredentialFlow, httpx2.Auth):
    """`httpx2.Client(auth=CredentialAuth(creds))`, and likewise for `AsyncClient`."""

    _whole_bodies = httpx2.ByteStream
