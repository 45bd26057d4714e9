"""What people write: odd texts that providers change, and planted private words that must never be seen elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

ODD_TITLES = (
    "Lunch with Zoë 🥗",
    "👩‍👩‍👧‍👦 Family dinner 🎉🎂",
    'Review: <b>Q3</b> & Q4 "final"',
    "  leading and trailing spaces   ",
    "Überraschung für Jürgen – straße",
    "歯医者の予約",
    "موعد طبيب الأسنان",
    "Zahnarzt\tum die Ecke",
    "1:1 Kim/Alex",
    "",
    "e\u0301crit décomposé",
    "Long title " + "that does not end " * 11,
)

ODD_DESCRIPTIONS = (
    "<p>Agenda:</p><ul><li>Budget</li><li>Hiring &amp; <b>growth</b></li></ul>",
    "Plain text\r\nwith CRLF\r\n\r\nand an empty line",
    "Trailing spaces   \nand a last line   ",
    "😀 emoji 🧑🏽‍🚀 and ZWJ",
    "<html><body><div>Pasted from <i>Word</i><br>second line</div></body></html>",
    "See https://example.com/a?b=1&c=2 for more",
    "Tabs\tand\tmore & less than: 3 < 4",
    "Ein langer Text. " * 220,
    "",
)

PLACES = ("", "Room 4.12", "Café «Zum Löwen»", "https://meet.example.com/abc", "Bahnhofstrasse 1, 8001 Zürich")


class Canaries:
    """Planted words: unmistakable, and none the same twice. Everything handed out is in `planted`."""

    def __init__(self, random: Random, *, most: int) -> None:
        self._random = random
        self._most = most
        self.planted: list[str] = []

    def word(self) -> str:
        """A fresh private word, or "" once enough are planted."""
        if len(self.planted) == self._most:
            return ""
        self.planted.append(f"canary{self._random.getrandbits(64):016x}")
        return self.planted[-1]

    def hide(self, text: str) -> str:
        """The text with a private word in it."""
        return f"{text} {self.word()}".strip()
