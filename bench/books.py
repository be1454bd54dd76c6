"""Which authors sellers name for a book: real claims, and for some books the truth."""

from __future__ import annotations

import html
import re
import unicodedata
from pathlib import Path

from bench.peers import Answer, Table


def book_claims(folder: Path) -> Table:
    """Book → seller → the authors' family names."""
    table: dict[str, dict[str, str]] = {}
    codes: dict[str, str] = {}
    for line in (folder / "book.txt").read_text("utf-8", errors="replace").splitlines():
        seller, isbn, _, names = line.split("\t")
        gist = family_names(names)
        if gist:
            dataset = codes.setdefault(seller, f"seller.s{len(codes)}")
            table.setdefault(isbn13(isbn), {}).setdefault(dataset, gist)
    return table


def book_truth(folder: Path, name: str, table: Table) -> Answer:
    """The family names of the authors of those books whose truth is known."""
    truth = {}
    lines = (folder / f"book_{name}.txt").read_text("utf-8", errors="replace").splitlines()
    for isbn, _, names in (line.partition("\t") for line in lines):
        if names.strip() and isbn13(isbn) in table:
            truth[isbn13(isbn)] = family_names(names)
    return truth


def isbn13(isbn: str) -> str:
    """The first 12 digits of the long form, the same for both forms."""
    return f"978{isbn[:9]}" if len(isbn.strip()) == 10 else isbn.strip()[:12]


def family_names(text: str) -> str:
    """The authors' family names, sorted: ``Knuth, Donald E.`` and ``D. Knuth`` are the same."""
    folded = unicodedata.normalize("NFKD", html.unescape(text).lower())
    plain = re.sub(
        r"\([^)]*\)|\b(by|author|editor|edited|jr|sr|ph\.?d)\b|not available", " ", folded
    )
    found = set()
    for part in re.split(r"[;/|&]|\band\b", plain):
        pieces = [_words(piece) for piece in part.split(",") if _words(piece)]
        if len(pieces) % 2 == 0 and all(len(piece) == 1 for piece in pieces[::2]):
            found |= {piece[-1] for piece in pieces[::2]}
        else:
            found |= {piece[-1] for piece in pieces}
    return " ".join(sorted(found))


def _words(piece: str) -> list[str]:
    return re.findall(r"[a-z]+", piece.replace("'", "").replace("-", ""))
