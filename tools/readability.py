"""`make readability`: the mean length of the sentences in the documentation and in the help of commands, in words.

With an argument: the sentences of more than so many words. Needs textstat, which `make site` installs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import textstat

from command_pages import command_pages

ROOT = Path(__file__).parent.parent


def main() -> int:
    texts = {path.relative_to(ROOT).as_posix(): _prose(path.read_text(encoding="utf-8")) for path in _pages()}
    texts["ant --help"] = [
        sentence
        for page in command_pages()
        for paragraph in (f"{page.summary}.", *page.paragraphs)
        for sentence in _sentences(paragraph)
    ]
    for name, sentences in texts.items():
        print(f"{_mean(sentences):5.1f}  {name}")
    everything = [sentence for sentences in texts.values() for sentence in sentences]
    print(f"{_mean(everything):5.1f}  all {len(everything)} sentences")
    for limit in map(int, sys.argv[1:]):
        for name, sentences in texts.items():
            for sentence in sentences:
                if textstat.lexicon_count(sentence) > limit:
                    print(f"{name}: {sentence}")
    return int(_mean(everything) > 16)


def _pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _mean(sentences: list[str]) -> float:
    return sum(map(textstat.lexicon_count, sentences)) / max(1, len(sentences))


def _prose(markdown: str) -> list[str]:
    """Return the sentences of the paragraphs and list items: no code, no tables, no headings."""
    text = re.sub(r"^```.*?^```$|^\s*\|.*?$|^#.*?$|^!?\[.*?$|<!--.*?-->", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "code", text)).replace("*", "")
    blocks = re.split(r"\n\s*\n|\n\s*(?=[-\d]+\.? )", text)
    return [sentence for block in blocks for sentence in _sentences(re.sub(r"^\s*(?:-|\d+\.) ", "", block))]


def _sentences(paragraph: str) -> list[str]:
    pieces = re.split(r"(?<=[.!?:])\s+(?=[A-Z`(“\d])", " ".join(paragraph.split()))
    return [piece for piece in pieces if textstat.lexicon_count(piece) > 1]


if __name__ == "__main__":
    sys.exit(main())
