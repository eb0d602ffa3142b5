"""The environment of this machine, for what installs something, and what the tests change in it."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

__all__ = ["ENVIRON", "read_files_of_botocore_once", "trust_no_authority"]

ENVIRON = dict(os.environ)


def trust_no_authority() -> None:
    """Have no client of this process read the certificates of all authorities, which costs it 30 ms.

    All servers of the tests are on loopback; those with TLS have authorities of their own, which a test names.
    """
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


def read_files_of_botocore_once() -> None:
    """Have this process read each description of AWS in the package once: all endpoints take a session 50 ms."""
    if "botocore.loaders" not in sys.modules:
        return
    from botocore.loaders import JSONFileLoader, Loader

    read = JSONFileLoader.load_file
    once = functools.cache(functools.partial(read, JSONFileLoader()))
    JSONFileLoader.load_file = lambda self, path: (
        once(path) if path.startswith(Loader.BUILTIN_DATA_PATH) else read(self, path)
    )
