"""Judges: whether what one sentence says is so, by the tables of the data and by asking the policy anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.slate import shortlist
from agent.policy.distribution import Policy, Ranking
from agent.records.answer import Answer
from agent.records.state import POSITIVE, State
from eval.explanations.truth import KINDS, Truth, listed, percent, quoted

PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass
class Said:
    """What the sentences are judged by; ``item`` is the id of the film spoken of, which sentences may change.

    ``history`` is the stars by item id of all that the user rated, in the data or in the chat (None: only seen);
    ``shown`` holds the ids of all that was shown in the chat before. ``applied`` tells at which place a film stands
    after a message (None: it is not in the slate). ``alike`` are the films that a description fits: the data holds a
    few films twice.
    """

    truth: Truth
    catalogue: Catalogue
    policy: Policy
    state: State
    history: dict[str, float | None]
    answer: Answer
    slate: Answer | None
    applied: Callable[[str, str], int | None]
    shown: frozenset[str] = frozenset()
    item: str | None = None
    alike: tuple[str, ...] = ()

    def find(self, title: str) -> list[str]:
        """The ids of the items called so; the one spoken of first."""
        return sorted(self.truth.by_title.get(title, []), key=lambda item: item != self.item)

    def full(self) -> Ranking:
        """The policy's distribution over all that the state allows."""
        allowed = self.catalogue.mask(self.state.constraints, left_out=self.state.seen)
        return self.policy.rank(self.state, np.flatnonzero(allowed))


def was_liked(match: re.Match[str], said: Said) -> bool:
    """Everything listed was liked by the user."""
    return all(
        any((said.history.get(item) or 0) >= POSITIVE for item in said.find(title)) for title in quoted(match["list"])
    )


def was_watched(match: re.Match[str], said: Said) -> bool:
    """Everything listed was seen by the user."""
    return all(any(item in said.history for item in said.find(title)) for title in quoted(match["list"]))


def examples(match: re.Match[str], said: Said) -> bool:
    """Everything listed was named as an example."""
    named = {said.catalogue[index].title for index in said.state.like}
    return set(quoted(match["list"])) <= named


def of_kinds(match: re.Match[str], said: Said) -> bool:
    """The film spoken of is of these kinds, and from this year."""
    parts = match.groupdict()
    if said.item is None:
        return False
    good = said.truth.kinds(said.item, listed(parts["kinds"])) if parts.get("kinds") else True
    return good and (not parts.get("year") or said.truth.year(said.item) == int(parts["year"]))


def as_asked(match: re.Match[str], said: Said) -> bool:
    """It is so, and it was asked for."""
    wanted = said.state.constraints
    genres = {genre for group in wanted.genres for genre in group}
    parts = match.groupdict()
    asked = all(
        any(said.truth.kinds(item, [kind]) for item in said.truth.by_id if said.truth.genres(item) == {genre})
        for kind in (listed(parts["kinds"]) if parts.get("kinds") else [])
        for genre in [_genre_of(kind, genres)]
    )
    low, high = wanted.year_min, wanted.year_max
    timed = low is not None or high is not None
    year = int(parts["year"]) if parts.get("year") else None
    return asked and (year is None or (timed and (low or 0) <= year <= (high or year))) and of_kinds(match, said)


def _genre_of(kind: str, genres: set[str]) -> str:
    word = re.sub(r"^an? ", "", kind)
    return KINDS.get(word, "") if KINDS.get(word) in genres else ""


def starred(match: re.Match[str], said: Said) -> bool:
    """Mean stars and number of viewers."""
    items = said.alike if said.item in said.alike else (said.item or "",)
    figures = [said.truth.stars.get(item, (0.0, 0)) for item in items]
    return any(
        count == int(match["viewers"]) and abs(mean - float(match["stars"])) <= 0.05 + 1e-9 for mean, count in figures
    )


def plainly(match: re.Match[str], said: Said) -> bool:
    """Genres and year."""
    genres = set(match["genres"].split(", ")) if match["genres"] else set()
    year = said.truth.year(said.item or "")
    return genres <= said.truth.genres(said.item or "") and (not match["year"] or year == int(match["year"]))


def slate_found(match: re.Match[str], said: Said) -> bool:
    """As many films as are said meet the wish."""
    items = [item.item_id for item in said.answer.items]
    count = match["count"]
    good = (COUNTS.index(count) if count in COUNTS else int(count)) == len(items)
    if match["like"]:
        named = {said.catalogue[index].title for index in said.state.like}
        good &= set(quoted(match["like"])) == named
    return good and all(said.truth.meets(item, match["wish"]) for item in items)


def slate_relaxed(match: re.Match[str], said: Said) -> bool:
    """Nothing unseen meets the wish, and the films meet what is said to be closest."""
    items = [item.item_id for item in said.answer.items]
    shown = {item for item in items}
    unseen = (item for item in said.truth.by_id if item not in said.history)
    none = not any(said.truth.meets(item, match["wish"]) for item in unseen)
    count = match["count"]
    good = (COUNTS.index(count) if count in COUNTS else int(count)) == len(shown)
    return none and good and all(said.truth.meets(item, match["closest"]) for item in items)


def no_such(match: re.Match[str], said: Said) -> bool:
    """Nothing unseen meets the wish."""
    unseen = (item for item in said.truth.by_id if item not in said.history)
    return not said.answer.items and not any(said.truth.meets(item, match["wish"]) for item in unseen)


def described(match: re.Match[str], said: Said) -> bool:
    """A film called so is of these kinds; from now on it is the one spoken of (or they are, where several are so)."""
    fitting = []
    for item in said.find(match["title"]):
        said.item = item
        if of_kinds(match, said):
            fitting.append(item)
    said.item = fitting[0] if fitting else None
    said.alike = tuple(fitting)
    return bool(fitting)


def own_stars(match: re.Match[str], said: Said) -> bool:
    """The user gave it these stars."""
    return said.history.get(said.item or "") == float(match["stars"])


def preferred(match: re.Match[str], said: Said) -> bool:
    """The two chances, as the policy gives them among the compared films."""
    titles = quoted(said.answer.reply)
    items = {item for title in titles for item in said.find(title)[:1]}
    compared = [said.catalogue.index(item) for item in items]
    pairs = [(match["title"], match["share"]), (match["other"], match["rest"])]
    ids = [said.catalogue.index(said.find(title)[0]) for title, _ in pairs]
    # Titles of what carries the choice are quoted too: of all sets that hold the two, the named ones come first.
    for size in range(len(compared), 1, -1):
        chosen = [*dict.fromkeys([*ids, *(i for i in compared if i not in ids)])][:size]
        ranking = said.policy.rank(said.state, sorted(chosen))
        chance = dict(zip(ranking.candidates.tolist(), ranking.probabilities.tolist(), strict=True))
        if all(percent(chance[index]) == text for index, (_, text) in zip(ids, pairs, strict=True)):
            return True
    return False


def placed(match: re.Match[str], said: Said) -> bool:
    """The place and the share in the slate that stands."""
    if said.slate is None:
        return False
    place = PLACES.index(match["place"])
    item = said.slate.items[place]
    said.item = item.item_id
    if item.title != match["title"]:
        return False
    return "share" not in match.groupdict() or percent(item.score) == match["share"]


def weighed(match: re.Match[str], said: Said) -> bool:
    """Work out anew how much likelier the film became by what is named."""
    state, catalogue = said.state, said.catalogue
    titles = set(quoted(match["list"])) if match["list"] else set()
    if titles:
        told = [*(event.item for event in state.history), *state.like]
        less = state.without_items({item for item in told if catalogue[item].title in titles})
    else:
        less = state.without_words()
    before = shortlist(said.full())
    index = catalogue.index(said.item or "")
    row = np.flatnonzero(before.candidates == index)
    if not row.size:
        return False
    after = said.policy.rank(less, before.candidates)
    change = before.log_probabilities[row[0]] - after.log_probabilities[row[0]]
    told = np.log(float(match["factor"])) * (-1 if match["way"] == "less likely" else 1)
    return bool(abs(change - told) <= 0.06)


def was_excluded(match: re.Match[str], said: Said) -> bool:
    """The film is what is said, and does not meet the wish that is said."""
    for item in said.find(match["title"]):
        fact, mean = match["fact"], said.truth.stars.get(item, (0.0, 0))
        year = re.fullmatch(r"from (\d{4})", fact)
        rated = re.fullmatch(r"rated ([\d.]+) stars", fact)
        viewers = re.fullmatch(r"rated by ([\d,]+) viewers", fact)
        if year:
            true = said.truth.year(item) == int(year[1])
        elif rated:
            true = abs(mean[0] - float(rated[1])) <= 0.05 + 1e-9
        elif viewers:
            true = mean[1] == int(viewers[1].replace(",", ""))
        else:
            true = said.truth.kinds(item, listed(fact))
        if true and said.truth.meets(item, match["wish"]) is False:
            return True
    return False


def known(match: re.Match[str], said: Said) -> bool:
    """The user has seen it."""
    return any(item in said.history for item in said.find(match["title"]))


def shown_before(match: re.Match[str], said: Said) -> bool:
    """The chat has shown it before, and the slate that stands does not hold it."""
    now = {item.item_id for item in said.slate.items} if said.slate else set()
    return any(item in said.shown and item not in now for item in said.find(match["title"]))


def ranked(match: re.Match[str], said: Said) -> bool:
    """Rank, number of films and share, ranked anew."""
    ranking = said.full()
    for item in said.find(match["title"]):
        row = np.flatnonzero(ranking.candidates == said.catalogue.index(item))
        if not row.size:
            continue
        rank = int(np.count_nonzero(ranking.logits > ranking.logits[row[0]])) + 1
        said.item = item
        return (
            rank == int(match["rank"])
            and len(ranking.candidates) == int(match["total"].replace(",", ""))
            and percent(float(ranking.probabilities[row[0]])) == match["share"]
        )
    return False


def would_change(match: re.Match[str], said: Said) -> bool:
    """The place at which the film stands after the message that is offered."""
    title = quoted(said.answer.reply)[0]
    message = said.answer.choices[0] if said.answer.choices else ""
    places = [said.applied(message, item) for item in said.find(title)]
    return PLACES.index(match["place"]) in places


def leans(match: re.Match[str], said: Said) -> bool:
    """The user's share and everybody's share of what is liked."""
    liked = [item for item, stars in said.history.items() if (stars or 0) >= POSITIVE]
    likes = said.truth.likes
    own = np.mean([bool(said.truth.meets(item, match["wish"])) for item in liked])
    total = sum(count for item, count in likes.items() if said.truth.meets(str(item), match["wish"]))
    everybody = total / likes.sum()
    right = own > everybody if match["verb"] == "go" else own < everybody
    return bool(right) and percent(float(own)) == match["share"] and percent(float(everybody)) == match["rest"]


def of_times(match: re.Match[str], said: Said) -> bool:
    """More than half of what is liked is from these times."""
    decades = {int(year) for year in re.findall(r"(\d{4})s", match["list"])}
    liked = [item for item, stars in said.history.items() if (stars or 0) >= POSITIVE]
    inside = [item for item in liked if (said.truth.year(item) or 0) // 10 * 10 in decades]
    return len(inside) > len(liked) / 2


def nothing_to_check(match: re.Match[str], said: Said) -> bool:
    """The sentence states nothing about the data."""
    return True
