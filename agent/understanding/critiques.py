"""Critiques: wishes that compare with what was shown or named ("newer", "less violent", "more obscure")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import TYPE_CHECKING

from agent.understanding.ratings import WELL_RATED

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.records.constraints import Constraints


@dataclass(frozen=True, slots=True)
class Critique:
    """``more`` (or less) of an ``aspect`` than ``items``, the catalogue indices that were shown or named.

    Aspects: ``year`` (more: newer), ``viewers`` (more: better known), ``rating``, ``length``, ``dark``, ``violent``,
    ``scary``, ``funny``, ``serious``, ``romantic``, ``sad``, ``action``, ``weird``, ``pace`` (more: faster),
    ``demanding``.
    """

    aspect: str
    more: bool
    items: tuple[int, ...] = ()


_MORE = r"(?:(?:a (?:bit|little|lot) |much |way |far |even |slightly |something )*(?:more|extra))"
_LESS = (
    r"(?:(?:a (?:bit|little|lot) |much |way |far |even |slightly )*(?:less|fewer|not (?:as|so|that|quite (?:as|so))|"
    r"(?:is|was|are|were)n'?t (?:as|so))|too)"
)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{pattern})(?![\w])")


_THESE = r"(?:these|those|them|it|¤+)"
_KNOWN = r"(?:well[ -]?known|famous|popular|mainstream|commercial|widely seen|known|obvious)"
_OBSCURE = r"(?:obscure|underground|niche|hidden|unknown|unusual|offbeat|indie|off the beaten (?:path|track))"
_DARK = r"(?:dark|grim|gritty|bleak|heavy|depressing|intense|disturbing)"
_LIGHT = r"(?:light|lighthearted|light-hearted|cheerful|upbeat|fun|feel-?good|uplifting|happy|positive)"
_PATTERNS: tuple[tuple[str, bool, re.Pattern[str]], ...] = tuple(
    (aspect, more, _words(pattern))
    for aspect, more, pattern in (
        (
            "viewers",
            False,
            rf"{_MORE} {_OBSCURE}|obscurer|(?:lesser|less)[ -](?:well[ -])?known|{_LESS} {_KNOWN}|deeper cuts?|"
            rf"(?:fewer|less) people (?:have )?(?:seen|heard of|know)|nobody has (?:seen|heard of)|"
            rf"hidden gems? instead|"
            r"everyone(?:'s| has)? (?:already )?(?:seen|knows) {_THESE}",
        ),
        (
            "viewers",
            True,
            rf"better[ -]known|{_MORE} {_KNOWN}|{_LESS} {_OBSCURE}|bigger (?:hits?|names?|titles?)|"
            rf"more people have seen|"
            rf"never heard of (?:any of )?{_THESE}",
        ),
        (
            "rating",
            True,
            r"(?:better|higher)[ -](?:rated|reviewed|scor\w+|regarded)|(?:with )?(?:better|higher) (?:ratings?|"
            r"reviews?|scores?)|"
            rf"{_MORE} acclaimed|(?:something|anything|ones?|films?|movies?) better(?! than nothing| known|"
            rf" rated| reviewed)",
        ),
        ("length", False, rf"(?:a bit |much |even |little )*shorter|{_LESS} long\b|less long|not quite so long"),
        ("length", True, r"(?:a bit |much |even |little )*longer(?! than \d)"),
        (
            "dark",
            True,
            rf"(?:a (?:bit|little) |much |even )*(?:darker|grittier|bleaker|grimmer|heavier|edgier)|{_MORE} {_DARK}|"
            rf"{_LESS} (?:{_LIGHT}|cheesy|childish|sugary|sweet)",
        ),
        (
            "dark",
            False,
            rf"(?:a (?:bit|little) |much |even )*(?:lighter|happier|cheerier|softer|gentler)|{_MORE} {_LIGHT}|"
            rf"{_LESS} {_DARK}",
        ),
        ("violent", False, rf"{_LESS} (?:violen(?:t|ce)|bloody|blood|gory|gore|brutal|killing|graphic)|tamer|milder"),
        ("violent", True, rf"{_MORE} (?:violen(?:t|ce)|bloody|blood|gory|gore|brutal|killing)|bloodier|gorier"),
        ("scary", False, rf"{_LESS} (?:scary|frightening|creepy|terrifying|spooky)"),
        ("scary", True, rf"{_MORE} (?:scary|frightening|creepy|terrifying|spooky)|scarier|creepier|spookier"),
        ("funny", True, rf"funnier|{_MORE} (?:funny|humou?r|comedic|laughs|jokes|comedy)|{_LESS} serious"),
        ("funny", False, rf"{_LESS} (?:funny|silly|goofy|humou?r|slapstick|jokes|jokey)|more serious\b"),
        ("romantic", True, rf"{_MORE} (?:romantic|romance|love)"),
        ("romantic", False, rf"{_LESS} (?:romantic|romance|mushy|soppy|lovey[ -]dovey|sappy)"),
        ("action", True, rf"{_MORE} (?:action(?:[ -]packed)?)"),
        ("action", False, rf"{_LESS} (?:action(?:[ -]packed)?|explosions|shooting)"),
        ("sad", False, rf"{_LESS} (?:sad|tearjerking|tragic)"),
        ("sad", True, rf"sadder|{_MORE} (?:sad|tragic|emotional)"),
        ("weird", True, rf"weirder|stranger(?! things)|{_MORE} (?:weird|strange|surreal|experimental|original|quirky)"),
        ("weird", False, rf"{_LESS} (?:weird|strange|surreal|experimental|artsy|arty|bizarre)"),
        ("pace", True, rf"faster(?:[ -]paced)?|{_MORE} (?:fast|exciting|thrilling|gripping|suspense(?:ful)?)|"
        rf"{_LESS} slow"),
        ("pace", False, rf"slower(?:[ -]paced)?|calmer|quieter|{_LESS} (?:fast|hectic|loud|intense)|"
        rf"{_MORE} (?:slow|calm|quiet)"),
        ("demanding", True, rf"smarter|cleverer|deeper(?! cuts?)|{_MORE} (?:clever|intelligent|complex|"
        rf"thoughtful|artsy|demanding)"),
        ("demanding", False, rf"{_LESS} (?:complicated|complex|heavy going|demanding|pretentious)|easier|"
        rf"{_MORE} accessible"),
    )
)  # fmt: skip
_VIOLENT = frozenset({"Horror", "War", "Action", "Crime"})
_LIVELY = frozenset({"Comedy", "Children", "Musical", "Animation"})
_HEAVY = frozenset({"Horror", "War", "Crime", "Film-Noir", "Thriller"})
_WITHOUT: Mapping[tuple[str, bool], frozenset[str]] = {
    ("violent", False): _VIOLENT,
    ("scary", False): frozenset({"Horror"}),
    ("dark", True): _LIVELY,
    ("dark", False): _HEAVY,
    ("funny", False): frozenset({"Comedy"}),
    ("romantic", False): frozenset({"Romance"}),
    ("action", False): frozenset({"Action"}),
}
"""Genres that a film has less of when it is less violent, darker ...; as far as genres tell the tone of a film."""

_WITH: Mapping[tuple[str, bool], frozenset[str]] = {
    ("violent", True): frozenset({"Action", "War", "Horror", "Crime"}),
    ("scary", True): frozenset({"Horror"}),
    ("funny", True): frozenset({"Comedy"}),
    ("romantic", True): frozenset({"Romance"}),
    ("action", True): frozenset({"Action"}),
}


_NOT_TOO = re.compile(r"(?:\b(?:not|nothing|never|without|nor|isn't)|n't)(?: be| get| \w+ing)? $")


def critique_hits(flat: str, relative: str | None) -> list[tuple[str, bool, int, int]]:
    """The aspects that a folded message compares, as (aspect, more, start, end); "too long" asks for less.

    ``relative`` is ``newer`` or ``older`` where the grammar of years found it.
    """
    found = [
        (aspect, more, *match.span())
        for aspect, more, pattern in _PATTERNS
        for match in pattern.finditer(flat)
        # "not too scary" is a wish of its own and compares with nothing.
        if not (match.group().startswith("too ") and _NOT_TOO.search(flat[: match.start()]))
    ]
    if relative is not None:
        place = re.search(r"newer|older|recent|modern|later|earlier", flat)
        found.append(("year", relative == "newer", *(place.span() if place else (0, 0))))
    unique: dict[tuple[str, bool], tuple[str, bool, int, int]] = {}
    for hit in sorted(found, key=lambda hit: (hit[2], -hit[3])):
        inside = any(other[2] <= hit[2] and hit[3] <= other[3] and other[0] != hit[0] for other in unique.values())
        if not inside or hit[0] in ("violent", "funny"):
            unique.setdefault((hit[0], hit[1]), hit)
    return list(unique.values())


def applied(
    critique: Critique, constraints: Constraints, wanted: frozenset[str], catalogue: Catalogue
) -> tuple[Constraints, frozenset[str]]:
    """``constraints`` of a message with what a critique asks for, relative to its items.

    Args:
        critique: how films are to differ from ``critique.items``; without items nothing can be compared.
        constraints: of the message alone.
        wanted: the genres that are asked for; a critique never rules one of these out.
        catalogue: the items.

    Returns:
        The constraints, and the fields in which they replace what stood. The new year follows the middle of the items'
        years (newer than the newest where examples were named is the caller's choice of items), the number of viewers
        and the rating their medians. Tone is told by genres, as far as they do, and is only preferred.
    """
    items, more = critique.items, critique.more
    if not items:
        return constraints, frozenset()
    if critique.aspect == "viewers":
        middle = median_low([int(catalogue.rating_count[item]) for item in items])
        if more:
            return replace(constraints, viewers_min=middle + 1, viewers_max=None), frozenset({"viewers_max"})
        return replace(constraints, viewers_max=max(middle - 1, 0), viewers_min=None), frozenset({"viewers_min"})
    if critique.aspect == "rating" and more:
        means = sorted(float(catalogue.mean_rating[item]) for item in items if catalogue.rating_count[item])
        floor = median_low(means) if means else WELL_RATED
        return replace(constraints, rating_min=round(floor + 0.05, 1)), frozenset({"rating_min"})
    key = (critique.aspect, more)
    own = {genre for item in items for genre in catalogue[item].categories}
    if key in _WITHOUT:
        known = frozenset(catalogue.category_names)
        asked = wanted | {genre for group in constraints.genres for genre in group}
        less = (_WITHOUT[key] & known) - asked
        if own & _WITHOUT[key] and less:
            return replace(
                constraints,
                without_genres=constraints.without_genres | less,
                soft=constraints.soft | (less - constraints.without_genres),
            ), frozenset()
    elif key in _WITH and not constraints.genres:
        group = _WITH[key] & frozenset(catalogue.category_names)
        if group and not group & wanted:
            return replace(constraints, genres=(*constraints.genres, group)), frozenset()
    return constraints, frozenset()


def year_bound(
    newer: bool,
    named: Sequence[int],
    shown: Sequence[int],
    constraints: Constraints,
    previous: Constraints | None,
    catalogue: Catalogue,
) -> Constraints | None:
    """Newer or older: than the films named, else than what stands, else than the middle of what was shown.

    Returns:
        ``constraints`` with the bound; None where there is nothing to compare with.
    """
    years = [year for item in named if (year := catalogue[item].year) is not None]
    if years:
        reference: int | None = max(years) if newer else min(years)
    else:
        reference = None if previous is None else previous.year_max if newer else previous.year_min
        seen = [year for item in shown if (year := catalogue[item].year) is not None]
        if reference is None and seen:
            reference = median_low(seen)
    if reference is None:
        return None
    if newer:
        return replace(constraints, year_min=max(reference + 1, constraints.year_min or 0))
    return replace(constraints, year_max=min(reference - 1, constraints.year_max or 9999))
