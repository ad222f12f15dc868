"""Texts that look the same and are not: é may be one character, or an e and an accent, as macOS writes it."""

import unicodedata
from collections.abc import Iterable


def composed(text: str) -> str:
    """Return a text with é as one character."""
    return unicodedata.normalize("NFC", text)


def find_alike(texts: Iterable[str]) -> tuple[str, str] | None:
    """Return two different texts that look the same, None if there are none."""
    seen: dict[str, str] = {}
    for text in texts:
        if not text.isascii():
            twin = seen.setdefault(composed(text), text)
            if twin != text:
                return twin, text
    return None
