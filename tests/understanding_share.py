"""The share of hand-written messages that are understood exactly, by kind: ``python -m tests.understanding_share``.

Give files of messages (default: ``tests/messages_fresh.yaml``); ``-v`` shows each miss.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from agent.records.constraints import Constraints
from agent.understanding.merging import merge
from agent.understanding.parser import Understanding, understand

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

FRESH = Path(__file__).parent / "messages_fresh.yaml"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The messages of a file: ``say``, what it ``is``, and their context; see the head of ``messages.yaml``."""
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return rows


def item_of(catalogue: Catalogue, name: str) -> int:
    """The item of an exact "Title (year)"."""
    return next(item.index for item in catalogue.items if item.name == name)


def heard_row(catalogue: Catalogue, row: dict[str, Any]) -> Understanding:
    """The row's message, understood after its context.

    ``after`` are the messages before; ``shown`` is the slate, ``spoken`` the films that the last one spoke of, ``last``
    its intent. Without any of these the message stands alone.
    """
    alone = not row.keys() & {"after", "shown", "spoken", "last"}
    standing: Constraints | None = None if alone else Constraints()
    shown = [item_of(catalogue, name) for name in row.get("shown", ())]
    spoken = [item_of(catalogue, name) for name in row.get("spoken", ())]
    last = row.get("last")
    for earlier in row.get("after", ()):
        told = understand(earlier, catalogue, standing, (), spoken, last)
        standing = merge(standing or Constraints(), told)
        spoken, last = [mention.item for mention in told.mentions] or spoken, row.get("last", told.intent)
    return understand(row["say"], catalogue, standing, shown, spoken, last)


def described(catalogue: Catalogue, told: Understanding) -> dict[str, Any]:
    """The understanding in the words of ``messages.yaml``."""

    def name(item: int) -> str:
        return catalogue[item].name

    asked = told.constraints
    years = [asked.year_min, asked.year_max]
    stars = [f"{name(mention.item)}: {mention.rating:g}" for mention in told.mentions if mention.rating is not None]
    found: dict[str, Any] = {
        "intent": told.intent,
        "mentions": [f"{mention.attitude}: {name(mention.item)}" for mention in told.mentions],
        "stars": stars,
        "ambiguous": {title.text: [name(item) for item in title.options] for title in told.ambiguities},
        "genres": sorted("|".join(sorted(group)) for group in asked.genres),
        "without": sorted(asked.without_genres),
        "years": years if any(years) else [],
        "gaps": [list(span) for span in asked.without_years],
        "rating": asked.rating_min,
        "viewers": [asked.viewers_min, asked.viewers_max] if asked.viewers_min or asked.viewers_max else [],
        "tags": [*asked.tags, *(f"no {tag}" for tag in sorted(asked.without_tags))],
        "soft": sorted(asked.soft - set(asked.tags)),
        "unchecked": list(asked.unchecked),
        "excluded": sorted(name(item) for item in asked.excluded),
        "dropped": sorted(told.dropped),
        "critiques": [f"{'more' if critique.more else 'less'} {critique.aspect}" for critique in told.critiques],
        "corrected": [f"{name(old)} -> {name(new)}" for old, new in told.corrections],
        "language": told.language if told.language != "en" else "",
    }
    implied = ({"year_min", "year_max"} if any(years) else set()) | ({"rating_min"} if asked.rating_min else set())
    implied |= {"viewers_min", "viewers_max"} if asked.viewers_min or asked.viewers_max else set()
    found["replaces"] = sorted(told.replaces - implied)
    return {field: value for field, value in found.items() if value}


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says that its message is, in the form of :func:`described`."""
    wanted = dict(row["is"])
    for field in ("without", "excluded", "replaces", "dropped", "soft"):
        if field in wanted:
            wanted[field] = sorted(wanted[field])
    if "genres" in wanted:
        wanted["genres"] = sorted("|".join(sorted(group.split("|"))) for group in wanted["genres"])
    return wanted


def shares(catalogue: Catalogue, rows: Iterable[dict[str, Any]]) -> tuple[dict[str, list[bool]], list[str]]:
    """For each kind whether each of its messages is fully right; and the misses, as text."""
    right: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for row in rows:
        found, wanted = described(catalogue, heard_row(catalogue, row)), expected(row)
        right[row.get("kind", "all")].append(found == wanted)
        if found != wanted:
            wrong = {
                key: (wanted.get(key), found.get(key))
                for key in sorted({*wanted, *found})
                if wanted.get(key) != found.get(key)
            }
            misses.append(
                f"{row['say']}\n    " + "\n    ".join(f"{k}: {w!r}, heard {h!r}" for k, (w, h) in wrong.items())
            )
    return dict(right), misses


def main() -> None:
    """Print the shares."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset

    given = [argument for argument in sys.argv[1:] if argument != "-v"]
    catalogue = Catalogue(load_dataset("ml-100k"))
    for path in [Path(name) for name in given] or [FRESH]:
        right, misses = shares(catalogue, read_rows(path))
        for kind, found in sorted(right.items()):
            print(f"{kind:24} {sum(found):3} of {len(found):3}")
        total = [hit for found in right.values() for hit in found]
        print(f"{path.name}: {sum(total)} of {len(total)} fully right, {sum(total) / len(total):.1%}")
        if "-v" in sys.argv:
            print("\n".join(misses))


if __name__ == "__main__":
    main()
