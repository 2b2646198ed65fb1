"""Eras: the time from which an item is, in words that stay true of its year."""

from __future__ import annotations

from dataclasses import dataclass

from training.requests.phrases import PhraseBank
from training.requests.wording import Dice

KINDS = ("decade", "year", "range", "older", "newer")
_SHARES = (0.5, 0.14, 0.12, 0.12, 0.12)


@dataclass(frozen=True, slots=True)
class Era:
    """``place`` says where the text stands: ``before`` or ``after`` the noun, or as a clause of its own (``tail``).

    The years are inclusive; None is open.
    """

    text: str
    place: str
    year_min: int | None
    year_max: int | None


def plain_era(year: int, place: str, bank: PhraseBank, dice: Dice) -> Era:
    """An era with a number in it that contains ``year``."""
    kinds = bank.eras[place]
    options = [kind for kind in KINDS if kind in kinds and (kind != "decade" or year // 10 * 10 in bank.decades)]
    kind = dice.weighted(options, [_SHARES[KINDS.index(option)] for option in options])
    template = dice.one(kinds[kind])
    if kind == "decade":
        decade = year // 10 * 10
        name = dice.one(bank.decades[decade])
        return Era(template.format(d=name), place, decade, decade + 9)
    if kind == "year":
        return Era(template.format(y=year), place, year, year)
    if kind == "range":
        first, last = year - dice.whole(0, 6), year + dice.whole(1, 6)
        if dice.chance(0.5):
            first, last = first // 5 * 5, -(-last // 5) * 5
        return Era(template.format(a=first, b=last), place, first, last)
    if kind == "older":
        limit = year + dice.whole(1, 8)
        if dice.chance(0.6):
            limit = -(-limit // 5) * 5
        return Era(template.format(u=limit, o=limit - 1), place, None, limit - 1)
    limit = year - dice.whole(1, 8)
    if dice.chance(0.6):
        limit = limit // 5 * 5
    return Era(template.format(l=limit, n=limit + 1), place, limit + 1, None)


def soft_era(year: int, bank: PhraseBank, dice: Dice) -> Era | None:
    """An era without a number that contains ``year``; None if the bank has none."""
    fitting = [
        era
        for era in bank.soft_eras
        if (era.year_min is None or era.year_min <= year) and (era.year_max is None or year <= era.year_max)
    ]
    if not fitting:
        return None
    era = dice.one(fitting)
    return Era(era.text, "after", era.year_min, era.year_max)
