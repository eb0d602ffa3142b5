"""`make lint`: find phrases that a reader stumbles over: in documentation, in strings and comments, in names of tests.

`PHRASES` has each with what to write in its place. Keep the list short: a phrase belongs here when it came back.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PHRASES", "findings"]

ROOT = Path(__file__).parent.parent

PHRASES = {
    r"(?<!here\s)\bis no (?!longer\b|more\b)": "is not a …",
    r"(?<!here\s)\b(is|are) none\b": "is not one, there is no …",
    r"(?<!here\s)\bis no such\b": "does not exist",
    r"\bnobody\b": "no one; better, name who",
    r"\bsomebody\b": "someone; better, name who",
    r"\bwhoever\b": "the user who; better, name who",
    r"\bwhom\b": "that",
    r"\boutright\b": "directly",
    r"\bcannot be had\b": "cannot be fetched, cannot be read",
    r"\banswered with\b": "returned",
    r"\bletter by letter\b": "the comparison is case-sensitive",
    r"\bstand-ins?\b": "emulator",
    r"(?<!`)\bmint(s|ed|ing)?\b": "issue",
    r"\bis good until\b": "expires at",
    r"\bmistake in ant-wif\b": "bug in ant-wif",
    r"\bwhat it says of itself\b": "its claims, which are not verified",
    r"\bbe it by\b": "even if only by",
    r"\bwhat stands\b": "the field, the value",
    r"\bis to be had\b": "is available",
    r"\bof (its|their|your) own accord\b": "automatically",
    r"\bthe whole story\b": "an end-to-end demo",
    r"\brenew(s|ed|al)?\b(?!\sthe\b)": "refresh; rotate, of a file or a key",
}
"""What to look for, as regular expressions without regard to case, and what to write."""

DOCUMENTATION = ("*.md", "docs/*.md", "ci-examples/**/*.md")
CODE = ("src/**/*.py", "pytest_plugin/**/*.py", "tools/*.py")
TESTS = ("tests/**/*.py",)


def findings(root: Path = ROOT) -> Iterator[str]:
    """Yield each place where a phrase stands: file, line, phrase and replacement."""
    for pattern in (*DOCUMENTATION, *CODE, *TESTS):
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            if path == Path(__file__):
                continue
            for line, text in _names(path) if pattern in TESTS else _texts(path):
                for phrase, instead in PHRASES.items():
                    for found in re.finditer(phrase.replace(" ", r"\s+"), text, re.IGNORECASE):
                        at = line + text.count("\n", 0, found.start())
                        yield f"{name}:{at}: {' '.join(found[0].split())!r}: write {instead!r}"


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what people read of a file, each with its line. Of Python that is docstrings, comments and messages."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the sentence that the name of each test in a file is, with its line."""
    source = path.read_text(encoding="utf-8")
    for found in re.finditer(r"def test_(\w+)", source):
        yield source.count("\n", 0, found.start()) + 1, found[1].replace("_", " ")


if __name__ == "__main__":
    found = list(findings())
    print("\n".join(found) or "no phrase of tools/words.py was found")
    sys.exit(bool(found))
