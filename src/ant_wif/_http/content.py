"""Unpacking compressed answers a little at a time, so that memory stays flat whatever they unpack to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

__all__ = ["ACCEPTED", "Unpacker"]

ACCEPTED = "gzip, deflate"
LARGEST_LINE = 64 << 20
_MOST_CODINGS = 2
_PIECE = 64 << 10
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Unpacker:
    """Undoes the codings that a `Content-Encoding` header names (RFC 9110 §8.4), in pieces of at most 64 KiB."""

    def __init__(self, encoding: str) -> None:
        """Raises httpx.DecodingError: there are more than two codings, or one that was not asked for."""
        names = [
            name for name in (part.strip().lower() for part in encoding.split(",")) if name not in {"", "identity"}
        ]
        if len(names) > _MOST_CODINGS:
            raise httpx.DecodingError(f"the answer is compressed {len(names)} times; at most {_MOST_CODINGS} are read")
        if not set(names) <= set(_WINDOWS):
            raise httpx.DecodingError("the answer is compressed in a way that was not asked for")
        self._decoders = [_Inflater(_WINDOWS[name]) for name in reversed(names)]
        self._run = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a part of the answer unpacks to.

        Raises:
            httpx.DecodingError: it is damaged, or one line of it is longer than any that is read.
        """
        for piece in _through(self._decoders, chunk):
            last = piece.rfind(b"\n")
            self._run = len(piece) - last - 1 if last >= 0 else self._run + len(piece)
            if self._run > LARGEST_LINE:
                raise httpx.DecodingError(f"a line of the answer is longer than {LARGEST_LINE} bytes")
            yield piece


def _through(decoders: list[_Inflater], chunk: bytes) -> Iterator[bytes]:
    if not decoders:
        yield chunk
        return
    for piece in decoders[0].feed(chunk):
        yield from _through(decoders[1:], piece)


class _Inflater:
    def __init__(self, window: int) -> None:
        self._window = window
        self._decoder = zlib.decompressobj(window)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            try:
                piece = self._decoder.decompress(chunk, _PIECE)
            except zlib.error:
                if self._begun or self._window != 15:
                    raise httpx.DecodingError("the compressed answer is damaged") from None
                # Some servers send "deflate" without the header that RFC 9110 §8.4.1.2 asks for.
                self._window, self._decoder = -15, zlib.decompressobj(-15)
                continue
            self._begun = True
            chunk = self._decoder.unconsumed_tail
            if self._decoder.eof:
                # A gzip stream may have several members (RFC 1952 §2.2).
                chunk, self._decoder = self._decoder.unused_data, zlib.decompressobj(self._window)
            if piece:
                yield piece
            elif not chunk:
                break
        # What zlib kept back because the piece was full comes with an empty input.
        while self._begun and not self._decoder.eof and (piece := self._decoder.decompress(b"", _PIECE)):
            yield piece
