"""Spots: the places in a message that stand for films, by their titles or by references to what was shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.title_index import Link
from agent.records.constraints import Constraints
from agent.understanding.conditions import MASK
from agent.understanding.intents import Intent
from agent.understanding.reference_cues import CORRECTION
from agent.understanding.references import references
from agent.understanding.years import year_hits

_OF_THAT_TIME = re.compile(r"[\s\"'”’(]*(?:(?:the )?(?:one )?(?:from|of|in) )?$")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the cleaned message that stands for films: a linked title (perhaps ambiguous), or a reference."""

    start: int
    end: int
    items: tuple[int, ...]
    options: tuple[int, ...] = ()
    reference: bool = False


def spots_of(
    text: str,
    folded: str,
    catalogue: Catalogue,
    previous: Constraints | None,
    shown: Sequence[int],
    spoken: Sequence[int],
    last: Intent | None,
) -> tuple[list[Spot], bool]:
    """Linked titles and references, in order; and whether the message mends what an earlier one named."""
    links = list(catalogue.link(text, previous or ()))
    years = year_hits(
        masked_at(folded, [(k.start, k.end) for k in links]), catalogue.newest_year, catalogue.oldest_year
    )
    for number, link in enumerate(links):
        if link.item is not None:
            continue
        here = tuple(item for item in link.options if item in (*shown, *spoken))
        for hit in years:
            near = catalogue.titles.narrowed(link, (hit.first, hit.last))
            beside = hit.start - link.end >= 0 and _OF_THAT_TIME.fullmatch(folded, link.end, hit.start) is not None
            if near.item is not None:
                # "Hamlet from the 40s" tells which one; the decade is then no wish of its own.
                links[number] = replace(near, end=hit.end, text=text[near.start : hit.end]) if beside else near
                break
        else:
            if len(here) == 1:
                links[number] = replace(link, options=here)
    # "It" is what was spoken of only where that is still the subject.
    subject = spoken if last in ("ask", "why", "why_not", "compare", "rate", "refine") or not shown else ()
    correcting = bool(spoken) and CORRECTION.search(folded) is not None
    taken = [(link.start, link.end) for link in links]
    found = references(folded, taken, shown, spoken if correcting else subject, catalogue)
    spots = [_linked(link) for link in links]
    spots += [Spot(told.start, told.end, told.items, reference=True) for told in found]
    return sorted(spots, key=lambda spot: spot.start), correcting


def _linked(link: Link) -> Spot:
    return Spot(link.start, link.end, () if link.item is None else (link.item,), link.options)


def masked_at(text: str, places: Sequence[tuple[int, int]]) -> str:
    """``text`` with the mask of titles at ``places`` (start, end)."""
    for start, end in places:
        text = text[:start] + MASK * (end - start) + text[end:]
    return text
