"""The share of hand-written messages that are read exactly, by kind: ``python -m tests.reading_share [-v] [FILE ...]``.

A message is what somebody ``say``s; ``is`` lists what its acts must be, as :func:`described` words them. ``shown`` is
the slate before it, ``spoken`` the items that the message before spoke of, ``holds`` the conditions that hold.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from agent.records.acts import Act, Ask, Command, Judge, Later, NotUnderstood, Pleasantry, Want, WhichItem
from agent.records.conditions import Condition
from agent.understanding.reader import understand
from agent.understanding.reading import Context, Reading

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

FILES = [Path(__file__).parent / name for name in ("messages.yaml", "messages_fresh.yaml")]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The messages of a file."""
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return rows


def item_of(catalogue: Catalogue, name: str) -> int:
    """The item of an exact "Title (year)"."""
    return next(item.index for item in catalogue.items if item.name == name)


def read_row(catalogue: Catalogue, row: dict[str, Any]) -> Reading:
    """The row's message, read in its context."""
    shown = tuple(item_of(catalogue, name) for name in row.get("shown", ()))
    spoken = tuple(item_of(catalogue, name) for name in row.get("spoken", ()))
    held = tuple(Condition.from_json(own) for own in row.get("holds", ()))
    acts: tuple[Act, ...] = tuple(Want(like=(item,)) for item in spoken)
    begun = bool(shown or spoken or held)
    return understand(row["say"], Context(held, shown, spoken, acts=acts, begun=begun), catalogue)


def described(catalogue: Catalogue, acts: Iterable[Act]) -> list[str]:
    """Acts in words, sorted: "liked Alien (1979)", "want genre is Comedy|Drama", "ask about Fargo (1996)".

    Hints are not told: their words are free.
    """
    found: list[str] = []
    for act in acts:
        found += _described(catalogue, act)
    return sorted(found)


def _described(catalogue: Catalogue, act: Act) -> list[str]:
    def names(items: Iterable[int]) -> str:
        return " + ".join(catalogue[item].name for item in items)

    if isinstance(act, Judge):
        return [f"{act.verdict} {names([act.item])}" + ("" if act.rating is None else f": {act.rating:g}")]
    if isinstance(act, WhichItem):
        return [f"which {names(act.options)}"]
    if isinstance(act, Ask):
        return [f"ask {act.kind} {names(act.items)}".strip()]
    if isinstance(act, Command):
        return [f"control {act.kind}"]
    if isinstance(act, Later):
        return [f"later {act.kind} {names(act.items)}".strip()]
    if isinstance(act, Pleasantry):
        return ["social"]
    if isinstance(act, NotUnderstood):
        return [f"unclear {act.kind}"]
    found = [_condition(own) for own in act.conditions]
    found += [f"{word} {names([item])}" for word in ("like", "unlike", "reject") for item in getattr(act, word)]
    found += [f"drop {facet}" for facet in act.drops]
    found += [] if act.count is None else [f"count {act.count}"]
    return found or ["want"]


def _condition(own: Condition) -> str:
    low, high = own.span
    value = (
        "|".join(sorted(own.names))
        if own.names
        else f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    )
    soft, ever = "?" if own.strength == "prefer" else "", " ever" if own.scope == "standing" else ""
    return f"{own.facet} {'not ' if own.negative else ''}{value}{soft}{ever}"


def shares(catalogue: Catalogue, rows: Iterable[dict[str, Any]]) -> tuple[dict[str, list[bool]], list[str]]:
    """For each kind whether each of its messages is fully right; and the misses, as text."""
    right: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for row in rows:
        found, wanted = described(catalogue, read_row(catalogue, row).acts), sorted(row["is"])
        right[row.get("kind", "all")].append(found == wanted)
        if found != wanted:
            misses.append(f"{row['say']}\n    wanted {wanted}\n    read   {found}")
    return dict(right), misses


def main() -> None:
    """Print the shares."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset

    given = [Path(argument) for argument in sys.argv[1:] if argument != "-v"]
    catalogue = Catalogue(load_dataset("ml-100k"))
    for path in given or FILES:
        right, misses = shares(catalogue, read_rows(path))
        for kind, found in sorted(right.items()):
            print(f"{kind:24} {sum(found):3} of {len(found):3}")
        total = [hit for found in right.values() for hit in found]
        print(f"{path.name}: {sum(total)} of {len(total)} fully right, {sum(total) / len(total):.1%}")
        if "-v" in sys.argv:
            print("\n".join(misses))


if __name__ == "__main__":
    main()
