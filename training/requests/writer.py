"""Requests: a wish in natural words, written from what is known about an item, with a phrase bank.

Whatever a request asks for is true of its item: the categories it names are the item's, those it refuses are not, the
years contain the item's year. Titles are never used. Everything follows from the random generator, so a seed
reproduces a data set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.catalogue.catalogue import Catalogue, Item
from agent.records.conditions import Condition, Conditions
from training.requests.phrases import PhraseBank
from training.requests.sentences import Era, Parts, plain_era, sentence, soft_era
from training.requests.wording import Dice, plural, typed, with_article

Style = Literal["hard", "soft", "mixed"]
_ARTICLE = re.compile(r"^(?:an?|the) ")
STYLES: tuple[Style, ...] = ("hard", "soft", "mixed")


@dataclass(frozen=True, slots=True)
class Request:
    """A wish and what it means.

    ``categories`` are asked for and the item's own, ``without`` are refused and not the item's; the years are
    inclusive, None is open. ``style`` is ``hard`` (plain words only), ``soft`` (no plain word) or ``mixed``. ``words``
    are the expressions from the phrase bank, in the order they were drawn.
    """

    text: str
    categories: tuple[str, ...]
    without: tuple[str, ...]
    year_min: int | None
    year_max: int | None
    style: Style
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """A wish in words and the conditions that it was written from."""

    text: str
    conditions: Conditions


@dataclass(frozen=True)
class PhraseWriter:
    """Writes requests from a phrase bank, for a catalogue's items (:func:`write_request`)."""

    catalogue: Catalogue
    bank: PhraseBank

    def write(self, item: int, rng: np.random.Generator, style: Style, example: bool) -> WrittenRequest:
        """A request that the item at a catalogue index answers."""
        request = write_request(self.catalogue[item], rng, self.bank, style, like=example)
        primary, year = self.catalogue.primary, self.catalogue.year_facet
        found: list[Condition] = []
        if primary is not None:
            found += [Condition(primary.facet.name, "is", (name,)) for name in request.categories]
            if request.without:
                found.append(Condition(primary.facet.name, "is_not", tuple(sorted(request.without))))
        if year is not None and request.year_min is not None:
            found.append(Condition(year, "at_least", request.year_min))
        if year is not None and request.year_max is not None:
            found.append(Condition(year, "at_most", request.year_max))
        return WrittenRequest(request.text, tuple(found))


def write_request(
    item: Item,
    rng: np.random.Generator,
    bank: PhraseBank,
    style: Style | None = None,
    like: bool | None = None,
    typo: float = 0.04,
) -> Request:
    """Write one request that ``item`` answers.

    ``item``: the item; its title is not used; ``bank``: the words, see :meth:`PhraseBank.load`; ``style``: none draws
    one (hard 40 %, soft 35 %, mixed 25 %); ``like``: whether the sentence leans on an example named elsewhere ("like
    this, but ..."); None: 6 % do.

    An item without categories gets a wish by year alone; the style is then ``hard``.

    Raises:
        ValueError: ``style`` is unknown.
    """
    if style is not None and style not in STYLES:
        raise ValueError(f"unknown style {style!r}: use one of {', '.join(STYLES)}")
    dice = Dice(rng)
    categories = [category for category in item.categories if category in bank.soft]
    wanted = dice.weighted(STYLES, (0.4, 0.35, 0.25)) if style is None else style
    if not categories:
        wanted = "hard"
    leaning = dice.chance(0.06) if like is None else like
    plain, soft = _choose_categories(categories, wanted, bank, dice)
    era = _choose_era(item.year, wanted, not plain and not soft, bank, dice)
    refused, refusal = _choose_refusal(item.categories, wanted, bank, dice)
    words: list[str] = []
    parts = Parts(plain, [(category, *dice.one(bank.soft[category])) for category in soft], era, refusal)
    text = sentence(parts, bank, dice, leaning, words)
    return Request(
        text=typed(text, dice, typo),
        categories=(*plain, *(category for category in dict.fromkeys(soft) if category not in plain)),
        without=refused,
        year_min=era.year_min if era else None,
        year_max=era.year_max if era else None,
        style=wanted,
        words=tuple(words),
    )


def _choose_categories(
    categories: list[str], style: Style, bank: PhraseBank, dice: Dice
) -> tuple[list[str], list[str]]:
    """Categories asked for in plain words, and those in soft ones (one may come twice)."""
    if not categories:
        return [], []
    rest, chosen = list(categories), []
    count = dice.weighted((1, 2, 3), (0.45, 0.42, 0.13))
    if style == "mixed":
        count = max(count, 2)
    for _ in range(min(count, len(rest))):
        category = dice.weighted(rest, [bank.weights.get(category, 1.0) for category in rest])
        rest.remove(category)
        chosen.append(category)
    if style == "hard":
        return chosen, []
    if style == "soft":
        # Two expressions of one category now and then: people describe as much as they list.
        return [], [*chosen, chosen[0]] if len(chosen) < 3 and dice.chance(0.2) else chosen
    if len(chosen) == 1:
        return (chosen, chosen) if dice.chance(0.4) else ([], chosen)
    return chosen[:1], chosen[1:]


def _choose_era(year: int | None, style: Style, alone: bool, bank: PhraseBank, dice: Dice) -> Era | None:
    """A plain era for hard and mixed wishes, seldom a soft one for soft wishes."""
    if year is None:
        return None
    if style == "soft":
        return soft_era(year, bank, dice) if dice.chance(0.08) else None
    if alone or dice.chance(0.85 if style == "mixed" else 0.7):
        return plain_era(year, dice.weighted(("before", "after", "tail"), (0.4, 0.4, 0.2)), bank, dice)
    return None


def _choose_refusal(
    own: Sequence[str], style: Style, bank: PhraseBank, dice: Dice
) -> tuple[tuple[str, ...], str | None]:
    """A category that the item lacks, and its refusal in plain or (``soft``) soft words."""
    if not dice.chance(0.1 if style == "soft" else 0.18):
        return (), None
    lacking = [category for category in bank.soft if category not in own]
    category = dice.one(lacking)
    if style != "soft":
        template, words = dice.one(bank.plain_refusals), bank.plain[category]
        if "{n}" in template:
            return (category,), template.format(n=plural(dice.one(words.noun)))
        mod = dice.one(words.mod)
        return (category,), template.format(m=mod, a=with_article(mod))
    template = dice.one(bank.refusals)
    form = "with" if "{w}" in template else "adj"
    texts = [text for own_form, text in bank.soft[category] if own_form == form]
    text = dice.one(texts)
    if " the {w}" in template:
        text = _ARTICLE.sub("", text)
    return (category,), template.format(w=text, j=text)
