"""Rewording: the product's own sentences, and the same facts in other words (``phrasebook/wordings.yaml``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import prompts
from agent.catalogue.catalogue import Catalogue, Item
from agent.generation.fidelity import turning_words
from agent.generation.phrases import GENRE_NOUNS, NUMBERS, a_film_of, listed, number, wish_in_words
from agent.generation.realizer import say
from agent.records.constraints import Constraints
from training.requests.wording import Dice, upper_first

_BOOK = Path(__file__).parent.parent / "requests" / "phrasebook" / "wordings.yaml"
_GAP = re.compile(r"\{([\w-]+)\}")
WISHES = ("short", "with subtitles", "feel-good", "for a rainy day", "with a twist", "tense", "based on a true story")
"""Wishes that no data decides, for the rows that name some."""
PLACES = ("first", "second", "third", "fourth", "fifth", "tenth")

Pair = tuple[str, str]


def card_pair(items: Sequence[Item], catalogue: Catalogue, dice: Dice) -> Pair:
    """Why a film was picked: the explanation template's sentences, and others."""
    item = dice.one(items)
    count = int(catalogue.rating_count[item.index])
    cause = dice.weighted(("loved", "watched", "named", ""), (0.55, 0.12, 0.15, 0.18))
    titles = [dice.one(items).title for _ in range(dice.weighted((1, 2, 3), (0.3, 0.3, 0.4)))]
    asked = dice.chance(0.4)
    kinds = [a_film_of(genre) for genre in item.categories]
    facts: dict[str, Any] = {cause: titles[:1] if cause == "named" else titles} if cause else {}
    if cause == "named" and dice.chance(0.4):
        facts["loved"] = titles[1:]
    if asked:
        facts["asked"] = kinds[: dice.weighted((1, 2), (0.75, 0.25))]
    if item.year and dice.chance(0.2):
        facts["year"] = item.year
    if not asked and dice.chance(0.2):
        facts |= {"match": True, "kinds": kinds}
    crowd = dice.chance(0.9)
    if crowd or len(facts) == 0:
        stars = round(float(catalogue.mean_rating[item.index]), 1)
        facts |= {"stars": f"{stars:g}", "viewers": 1 if dice.chance(0.03) else count}
    return say(prompts.load("explanation"), facts), _card(facts, dice)


def _card(facts: Mapping[str, Any], dice: Dice) -> str:
    words = {name: _titles(facts[name]) for name in ("named", "loved", "watched") if facts.get(name)}
    words |= {name: str(facts[name]) for name in ("stars", "viewers") if name in facts}
    if "asked" in facts:
        words["asked"] = listed(facts["asked"]) + (f" from {facts['year']}" if "year" in facts else "")
    elif "year" in facts:
        words["time"] = str(facts["year"])
    if facts.get("match"):
        words["kinds"] = listed(facts["kinds"])
    parts = []
    cause = "loved" if "loved" in words else "watched" if "watched" in words else ""
    if "named" in words:
        parts.append("card-named")
    joined = bool(cause and "asked" in words and dice.chance(0.6))
    if cause:
        parts.append(f"card-{cause}-asked" if joined else f"card-{cause}")
    if "asked" in words and not joined:
        parts.append("card-asked")
    if "time" in words:
        parts.append("card-time")
    if "kinds" in words:
        parts.append("card-match")
    if len(parts) > 1 and dice.chance(0.35):
        parts = parts[1:] + parts[:1]
    sentences = [fill(part, words, dice) for part in parts]
    if "stars" in words:
        _crowd(sentences, words, dice)
    return " ".join(upper_first(sentence) for sentence in sentences)


def _crowd(sentences: list[str], words: Mapping[str, str], dice: Dice) -> None:
    if words["viewers"] == "1":
        sentences.append(fill("one", words, dice))
    elif sentences and sentences[-1].endswith(".") and dice.chance(0.3):
        sentences[-1] = sentences[-1][:-1] + fill("crowd-clause", words, dice)
    elif sentences and sentences[0].startswith(("It is ", "This is ", "this ", "I would", "You ")) and dice.chance(0.2):
        first = sentences[0]
        first = first if first.startswith(("I ", "“")) else first[:1].lower() + first[1:]
        sentences[0] = fill("crowd-first", words, dice) + first
    elif dice.chance(0.15):
        sentences.insert(0, fill("crowd", words, dice))
    else:
        sentences.append(fill("crowd", words, dice))


def found_pair(items: Sequence[Item], catalogue: Catalogue, dice: Dice) -> Pair:
    """What was found: the reply template's sentence, and another."""
    wanted = _constraints(items, catalogue, dice)
    asked = 5
    found = dice.weighted((5, 1, 2, 3, 4, 0), (0.7, 0.04, 0.06, 0.06, 0.06, 0.08))
    if found == 1 and dice.chance(0.5):
        asked = 1
    examples = [dice.one(items).title for _ in range(dice.weighted((0, 1, 2), (0.65, 0.25, 0.1)))] if found else []
    specific = bool(wanted) or bool(examples)
    unchecked = [dice.one(WISHES)] if dice.chance(0.1) and found else []
    facts: dict[str, Any] = {
        "kind": "found", "asked": asked, "found": found, "number": number(found),
        "wish": wish_in_words(wanted, found if found else 2), "examples": examples, "specific": specific,
        "words": dice.chance(0.5), "taste": dice.chance(0.7), "unchecked": unchecked, "variant": dice.whole(0, 2),
    }  # fmt: skip
    if found and dice.chance(0.08):
        return _relaxed(facts, wanted, dice)
    tail = "" if specific else "words" if facts["words"] else "taste" if facts["taste"] else "many"
    words = {
        "number": facts["number"],
        "Number": upper_first(facts["number"]),
        "wish": facts["wish"],
        "unchecked": _titles(unchecked),
        "it": "it",
        "hint": "a hint",
        "near": "",
        "examples": _titles(examples),
        "tail": fill(tail, {}, dice) if tail else "",
    }
    if examples:
        words["near"] = fill("near", words, dice)
    rule = "none" if not found else "few" if found < asked else "found-one" if found == 1 else "found"
    sentences = [fill(rule, words, dice)]
    if unchecked:
        sentences.append(fill("unchecked", words, dice))
    return say(prompts.load("reply"), facts), " ".join(sentences)


def _relaxed(facts: Mapping[str, Any], wanted: Constraints, dice: Dice) -> Pair:
    """Nothing meets the wish; what comes closest."""
    words = {
        "wish": wish_in_words(wanted, 2),
        "are": "is" if facts["found"] == 1 else "are",
        "number": facts["number"],
        "closest": wish_in_words(Constraints(wanted.genres), facts["found"]),
    }
    return _fill(_book()["relaxed"][0], words), fill("relaxed", words, dice)


def _constraints(items: Sequence[Item], catalogue: Catalogue, dice: Dice) -> Constraints:
    item = dice.one(items)
    genres: tuple[frozenset[str], ...] = ()
    if dice.chance(0.75):
        count = dice.weighted((1, 2), (0.7, 0.3))
        genres = tuple(frozenset([genre]) for genre in item.categories[:count])
    low = high = None
    if item.year and dice.chance(0.35):
        low = item.year - item.year % 10 if dice.chance(0.8) else None
        high = low + 9 if low and dice.chance(0.6) else None if low else item.year
    lacking = [genre for genre in catalogue.category_names if genre not in item.categories]
    without = frozenset([dice.one(lacking)]) if dice.chance(0.12) else frozenset()
    return Constraints(genres, without, low, high, dice.one((3.5, 4.0)) if dice.chance(0.06) else None)


def answer_pair(items: Sequence[Item], catalogue: Catalogue, dice: Dice) -> Pair:
    """One to three plain statements about films and tastes, and the same in other words."""
    one, two = dice.one(items), dice.one(items)
    nouns = [GENRE_NOUNS[genre][1] for genre in one.categories if genre in GENRE_NOUNS] or ["films"]
    base = {
        "a": _titles([one.title]), "b": _titles([two.title]), "x": _titles([dice.one(items).title]),
        "z": _titles([dice.one(items).title]), "y1": str(one.year or 1990), "y2": str(two.year or 1980),
        "s1": f"{dice.whole(25, 46) / 10:g}", "s3": str(dice.whole(1, 5)), "f": f"{dice.whole(11, 39) / 10:g}",
        "n1": str(dice.whole(2, 500)), "n2": f"{dice.whole(100, 1682):,}", "p1": f"{dice.whole(1, 99)}%",
        "p2": f"{dice.whole(1, 60)}%", "o": dice.one(PLACES), "d": f"the {dice.whole(3, 10) * 10 + 1900}s",
        "g": dice.one(nouns), "g1": a_film_of(one.categories[0]), "g2": a_film_of(two.categories[0]),
    }  # fmt: skip
    plain, other = [], []
    for _ in range(dice.weighted((1, 2, 3), (0.35, 0.4, 0.25))):
        entry = dice.one(_book()["answers"])
        if entry["plain"] in plain:
            continue
        plain.append(entry["plain"])
        other.append(dice.one(entry["other"]) if dice.chance(0.92) else entry["plain"])
    words = base | {f"{name}-cap": upper_first(base[name]) for name in ("g", "d")}
    return _fill(" ".join(plain), words), " ".join(upper_first(_fill(text, words)) for text in other)


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word of the wordings that is no fact, in lower case and in alphabetical order."""
    texts = [text for rule, lines in _book().items() if rule != "answers" for text in lines]
    texts += [text for entry in _book()["answers"] for text in entry["other"]]
    words = set(re.findall(r"[a-z]+(?:'[a-z]+)?", " ".join(_GAP.sub(" ", text).lower() for text in texts)))
    return tuple(sorted(words - turning_words() - set(NUMBERS[2:])))


def fill(rule: str, words: Mapping[str, str], dice: Dice) -> str:
    """One line of a rule with its gaps filled: from ``words``, else from the rule of that name."""
    text = dice.one(_book()[rule])

    def gap(match: re.Match[str]) -> str:
        name = match[1]
        if name in words:
            return words[name]
        if name.endswith("-cap"):
            return upper_first(words[name[:-4]] if name[:-4] in words else fill(name[:-4], words, dice))
        if name == "Fits":
            return upper_first(fill("fits", words, dice))
        return fill(name, words, dice)

    return _GAP.sub(gap, text)


def _fill(text: str, words: Mapping[str, str]) -> str:
    return _GAP.sub(lambda match: words[match[1]], text)


def _titles(titles: Sequence[str]) -> str:
    return listed([f"“{title}”" for title in titles])


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = yaml.safe_load(_BOOK.read_text(encoding="utf-8"))
    return book
