"""The environment of this machine, for what installs something, and what the tests change in it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ENVIRON", "trust_no_authority"]

ENVIRON = dict(os.environ)


def trust_no_authority() -> None:
    """Have no client of this process read the certificates of all authorities, which costs it 30 ms.

    All servers of the tests are on loopback; those with TLS have authorities of their own, which a test names.
    """
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
