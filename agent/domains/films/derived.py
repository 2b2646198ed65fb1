"""What can be worked out from the titles of films: which of them continue another."""

from __future__ import annotations

import re
from collections.abc import Sequence

SEQUEL = "sequel"
_NUMBERED = re.compile(
    r"(?:\b(?:part|chapter|episode|volume|vol\.?) (?:[2-9]|1\d|ii+|iii|iv|v|vi{0,3}|ix|x|two|three|four|five)\b|"
    r"\b(?:ii|iii|iv|vi{1,3}|ix|xi{1,2})\b(?=:|$|\s*-)|(?<=\w) (?:[2-9]|1[0-3])(?=:|$| -)|\w[²³]|"
    r"\b(?:returns|strikes back|reloaded|revolutions|resurrection|strikes again|rides again|sequel)$)",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\bepisode (?:i|iv)\b|\bpart (?:i|1|one)\b", re.IGNORECASE)
_KNOWN = frozenset(
    {
        "aliens", "bride of frankenstein", "the dark knight", "the dark knight rises", "the color of money",
        "2 fast 2 furious", "fast & furious", "furious 6", "the fate of the furious", "die hard with a vengeance",
        "live free or die hard", "before sunset", "before midnight", "dawn of the dead", "day of the dead",
        "the silence of the lambs", "hannibal", "goldfinger", "thunderball", "skyfall", "spectre", "moonraker",
        "octopussy", "goldeneye", "quantum of solace", "jurassic world", "the lost world: jurassic park",
        "finding dory",
        "incredibles 2", "prometheus", "creed", "logan", "after the thin man", "a shot in the dark", "army of darkness",
        "evil dead ii", "mad max beyond thunderdome", "mad max: fury road", "for a few dollars more",
        "addams family values", "star trek beyond", "x-men: the last stand", "rocky balboa", "rambo", "hellbound",
        "the bourne supremacy", "the bourne ultimatum", "the bourne legacy", "jason bourne", "patriot games",
        "clear and present danger", "the two jakes", "ocean's twelve", "ocean's thirteen", "blade runner 2049",
        "terminator salvation", "terminator genisys", "tron: legacy", "t2: trainspotting", "men in black ii",
    }
)  # fmt: skip
_START = re.compile(r"^(?P<start>[^:]{4,}?)(?::| - | and the | of the (?=\w+ \w))")


def derive(titles: Sequence[str], years: Sequence[int | None]) -> dict[str, list[tuple[str, ...]]]:
    """``series``: "sequel" for each film whose title counts on, or begins like that of an older film."""
    first: dict[str, int] = {}
    for title, year in zip(titles, years, strict=True):
        for start in _starts(title):
            first[start] = min(first.get(start, 9999), year or 9999)
    found: list[tuple[str, ...]] = []
    for title, year in zip(titles, years, strict=True):
        folded = title.casefold()
        counted = _NUMBERED.search(title) is not None and not _FIRST.search(title)
        later = any(year is not None and first[start] < year for start in _starts(title) if _split(title) == start)
        found.append((SEQUEL,) if counted or later or folded in _KNOWN else ())
    return {"series": found}


def _split(title: str) -> str | None:
    match = _START.match(title.casefold())
    return match["start"] if match is not None and len(match["start"].split()) <= 4 else None


def _starts(title: str) -> set[str]:
    """What a later film of the series may begin with: the whole title, or the part before its colon."""
    start = _split(title)
    return {title.casefold(), *([start] if start else [])}
