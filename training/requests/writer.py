"""Requests: a wish in natural words, written from what is known about a film.

Whatever a request asks for is true of its film: the genres it names are the film's, those it refuses are not, the
years contain the film's year. Titles are never used. Everything follows from the random generator, so a seed
reproduces a data set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from agent.catalogue.catalogue import Catalogue
from agent.records.conditions import Condition, Conditions
from training.requests.eras import Era, plain_era, soft_era
from training.requests.phrases import PhraseBank, vocabulary
from training.requests.sentences import Parts, sentence
from training.requests.wording import Dice, plural, typed, with_article

__all__ = ["ItemStats", "PhraseBank", "Request", "Style", "describe_items", "vocabulary", "write_request"]

Style = Literal["hard", "soft", "mixed"]
_ARTICLE = re.compile(r"^(?:an?|the) ")
STYLES: tuple[Style, ...] = ("hard", "soft", "mixed")

# Genres that say little because so many films have them are asked for less often; all others weigh 1.
_WEIGHT = {"Drama": 0.35, "Comedy": 0.5, "Action": 0.7, "Thriller": 0.7, "Romance": 0.7}


class Film(Protocol):
    """What a request is written from; :class:`agent.catalogue.catalogue.Item` is one."""

    @property
    def title(self) -> str:
        """The title; it never enters the text."""
        ...

    @property
    def year(self) -> int | None:
        """The year it came out."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Its genres, by MovieLens names."""
        ...


@dataclass(frozen=True, slots=True)
class ItemStats:
    """How an item is received: any of ``loved``, ``gem``, ``crowd``, ``obscure`` and ``recent``."""

    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A wish and what it means.

    ``genres`` are asked for and the film's own, ``without`` are refused and not the film's; the years are inclusive,
    None is open. ``style`` is ``hard`` (plain words only), ``soft`` (no plain word) or ``mixed``. ``words`` are the
    expressions from the phrase bank, in the order they were drawn.
    """

    text: str
    genres: tuple[str, ...]
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
            found += [Condition(primary.facet.name, "is", (name,)) for name in request.genres]
            if request.without:
                found.append(Condition(primary.facet.name, "is_not", tuple(sorted(request.without))))
        if year is not None and request.year_min is not None:
            found.append(Condition(year, "at_least", request.year_min))
        if year is not None and request.year_max is not None:
            found.append(Condition(year, "at_most", request.year_max))
        return WrittenRequest(request.text, tuple(found))


def describe_items(
    years: Sequence[int | None], mean_rating: npt.ArrayLike, rating_count: npt.ArrayLike
) -> tuple[ItemStats, ...]:
    """What may be said about the reception of each item, all arguments of length n_items.

    The mean rating is shrunk towards the mean of all by ten ratings' worth. ``loved``: the top fifth of it with at
    least the median of ratings; ``gem``: the top third, but between the 30th and the 65th percentile of popularity;
    ``crowd``: the most rated eighth; ``obscure``: the least rated 30 %; ``recent``: the last two years of the data.
    """
    count = np.asarray(rating_count, dtype=np.float64)
    mean = np.nan_to_num(np.asarray(mean_rating, dtype=np.float64))
    overall = float((mean * count).sum() / max(count.sum(), 1.0))
    rank_mean, rank_count = _ranks((mean * count + 10 * overall) / (count + 10)), _ranks(count)
    latest = max((year for year in years if year is not None), default=0)
    stats = []
    for year, liked, known in zip(years, rank_mean.tolist(), rank_count.tolist(), strict=True):
        holds = {
            "loved": liked >= 0.8 and known >= 0.5,
            "gem": liked >= 0.67 and 0.3 <= known <= 0.65,
            "crowd": known >= 0.875,
            "obscure": known <= 0.3,
            "recent": year is not None and year >= latest - 1,
        }
        stats.append(ItemStats(tuple(kind for kind, true in holds.items() if true)))
    return tuple(stats)


def write_request(
    item: Film,
    rng: np.random.Generator,
    bank: PhraseBank,
    style: Style | None = None,
    item_stats: ItemStats | None = None,
    like: bool | None = None,
    typo: float = 0.04,
) -> Request:
    """Write one request that ``item`` answers.

    Args:
        item: the film; its title is not used.
        rng: every choice is drawn from it.
        bank: the words, see :meth:`PhraseBank.load`.
        style: None draws one (hard 40 %, soft 35 %, mixed 25 %).
        item_stats: allows words on reception ("hidden gem"); None leaves them out.
        like: whether the sentence leans on an example named elsewhere ("like this, but ..."); None: 6 % do.
        typo: probability of one slip of the finger.

    A film without genres gets a wish by year alone; the style is then ``hard``.

    Raises:
        ValueError: ``style`` is unknown.
    """
    if style is not None and style not in STYLES:
        raise ValueError(f"unknown style {style!r}: use one of {', '.join(STYLES)}")
    dice = Dice(rng)
    genres = [genre for genre in item.categories if genre in bank.soft]
    wanted = dice.weighted(STYLES, (0.4, 0.35, 0.25)) if style is None else style
    if not genres:
        wanted = "hard"
    leaning = dice.chance(0.06) if like is None else like
    plain, soft = _choose_genres(genres, wanted, dice)
    era = _choose_era(item.year, wanted, not plain and not soft, bank, dice)
    quality = None
    if item_stats is not None and dice.chance(0.18):
        quality = _choose_quality(item_stats, bank, dice)
    refused, refusal = _choose_refusal(item.categories, wanted, bank, dice)
    words: list[str] = []
    parts = Parts(plain, [(genre, *dice.one(bank.soft[genre])) for genre in soft], era, quality, refusal)
    text = sentence(parts, bank, dice, leaning, words)
    return Request(
        text=typed(text, dice, typo),
        genres=(*plain, *(genre for genre in dict.fromkeys(soft) if genre not in plain)),
        without=refused,
        year_min=era.year_min if era else None,
        year_max=era.year_max if era else None,
        style=wanted,
        words=tuple(words),
    )


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Each value's share of values below it, ties counted half."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    ranks: npt.NDArray[np.float64] = below / (2.0 * max(len(values), 1))
    return ranks


def _choose_genres(genres: list[str], style: Style, dice: Dice) -> tuple[list[str], list[str]]:
    """Genres asked for in plain words, and those in soft ones (one may come twice)."""
    if not genres:
        return [], []
    rest, chosen = list(genres), []
    count = dice.weighted((1, 2, 3), (0.45, 0.42, 0.13))
    if style == "mixed":
        count = max(count, 2)
    for _ in range(min(count, len(rest))):
        genre = dice.weighted(rest, [_WEIGHT.get(genre, 1.0) for genre in rest])
        rest.remove(genre)
        chosen.append(genre)
    if style == "hard":
        return chosen, []
    if style == "soft":
        # Two expressions of one genre now and then: people describe as much as they list.
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


def _choose_quality(stats: ItemStats, bank: PhraseBank, dice: Dice) -> tuple[str, str] | None:
    """(place, text): an adjective (``before``) or a clause (``tail``) on how the film is received."""
    place = "before" if dice.chance(0.55) else "tail"
    texts = bank.qualities if place == "before" else bank.quality_tails
    kinds = [kind for kind in stats.kinds if kind in texts]
    return (place, dice.one(texts[dice.one(kinds)])) if kinds else None


def _choose_refusal(
    own: Sequence[str], style: Style, bank: PhraseBank, dice: Dice
) -> tuple[tuple[str, ...], str | None]:
    """A genre that the film lacks, and its refusal in plain or (``soft``) soft words."""
    if not dice.chance(0.1 if style == "soft" else 0.18):
        return (), None
    lacking = [genre for genre in bank.soft if genre not in own]
    genre = dice.one(lacking)
    if style != "soft":
        template, words = dice.one(bank.plain_refusals), bank.plain[genre]
        if "{n}" in template:
            return (genre,), template.format(n=plural(dice.one(words.noun)))
        mod = dice.one(words.mod)
        return (genre,), template.format(m=mod, a=with_article(mod))
    template = dice.one(bank.refusals)
    form = "with" if "{w}" in template else "adj"
    texts = [text for own_form, text in bank.soft[genre] if own_form == form]
    text = dice.one(texts)
    if " the {w}" in template:
        text = _ARTICLE.sub("", text)
    return (genre,), template.format(w=text, j=text)
