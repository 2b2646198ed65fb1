"""Sentences: the parts of a wish put together as people say or type them, and the time that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.requests.phrases import PhraseBank
from training.requests.wording import Dice, join_and, plural, with_article

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


_PRONOUNS = ("something", "something", "anything")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is asked for: plain categories, soft (category, form, text), era, refusal."""

    plain: Sequence[str]
    soft: Sequence[tuple[str, str, str]]
    era: Era | None
    refusal: str | None

    def forms(self, form: str) -> list[str]:
        """Soft texts of one form."""
        return [text for _, own, text in self.soft if own == form]


def sentence(parts: Parts, bank: PhraseBank, dice: Dice, leaning: bool, words: list[str]) -> str:
    """The whole message; the expressions used are appended to ``words``."""
    tails: list[str] = []
    says = parts.forms("say")
    rest = [part for part in parts.soft if part[1] != "say"]
    words += [text for _, _, text in parts.soft]
    if parts.era:
        words.append(parts.era.text)
    if parts.refusal:
        words.append(parts.refusal)
    if says and not rest and not parts.plain:
        core = ". ".join(says)
        tails += _loose(parts)
    else:
        inner = Parts(parts.plain, rest, parts.era, parts.refusal)
        frames = bank.like_frames if leaning else bank.frames
        slot = _slot(inner, frames, dice)
        filled, outside = _fill(slot, inner, bank, dice, words)
        frame = _frame(frames[slot], slot, filled, dice)
        core = frame.replace("{" + slot + "}", filled)
        tails += outside
        if says:
            core = ". ".join([*says, core] if dice.chance(0.7) else [core.rstrip("?"), *says])
    if parts.refusal:
        tails.append(parts.refusal)
    return _around(core, tails, bank, dice)


def _loose(parts: Parts) -> list[str]:
    """The era as a clause of its own, for sentences without a noun to carry it."""
    return [parts.era.text] if parts.era else []


def _slot(parts: Parts, frames: Mapping[str, tuple[str, ...]], dice: Dice) -> str:
    """Which gap suits the parts."""
    forms = [form for _, form, _ in parts.soft]
    options, weights = ["a"], [0.62]
    if not parts.plain and len(forms) == 1:
        special = {"with": ("w", 0.9), "adj": ("j", 0.45), "that": ("t", 0.6)}.get(forms[0])
        if special:
            options.append(special[0])
            weights.append(special[1])
    if "that" not in forms and "kind" not in forms:
        options.append("p")
        weights.append(0.3)
    if not {"that", "where", "for"} & set(forms):
        options.append("k")
        weights.append(0.24)
    usable = [(slot, weight) for slot, weight in zip(options, weights, strict=True) if slot in frames]
    return dice.weighted([slot for slot, _ in usable], [weight for _, weight in usable])


def _frame(frames: Sequence[str], slot: str, filled: str, dice: Dice) -> str:
    """A frame; a long filling goes to the end of the sentence where possible."""
    frame = dice.one(frames)
    for _ in range(4):
        if len(filled) < 40 or len(frame) - frame.index("{" + slot + "}") <= 4:
            break
        frame = dice.one(frames)
    return frame


def _fill(slot: str, parts: Parts, bank: PhraseBank, dice: Dice, words: list[str]) -> tuple[str, list[str]]:
    """The filling of the gap, and the clauses that did not fit into it."""
    if slot in ("w", "j", "t"):
        return parts.soft[0][2], _loose(parts)
    era = parts.era
    tails = [era.text] if era and era.place == "tail" else []
    before = parts.forms("adj")
    if era and era.place == "before":
        # "a tense 90s novel" and "a 90s tense novel" are both said.
        before = [*before, era.text] if dice.chance(0.75) else [era.text, *before]
    after = f" {era.text}" if era and era.place == "after" else ""
    if slot == "k":
        return _keywords(parts, before, after, bank, dice, words), tails
    numeral = bool(era and era.place == "before")
    return _phrase(slot == "p", parts, before, after, numeral, bank, dice, words), tails


def _phrase(
    many: bool,
    parts: Parts,
    before: list[str],
    after: str,
    numeral: bool,
    bank: PhraseBank,
    dice: Dice,
    words: list[str],
) -> str:
    """A noun phrase with its article, or in the plural."""
    kinds = parts.forms("kind")
    joined = ""
    pronoun = ""
    if parts.plain:
        mods, noun, joined = _plain_nouns(parts.plain, bank, dice, words, joinable=not many and not kinds)
        before = [*before, *mods]
        if kinds:
            joined = f" and {with_article(kinds[0])}" if not many else ""
    elif kinds:
        noun = kinds[0]
    elif not many and not numeral and dice.chance(0.55):
        pronoun, noun = dice.one(_PRONOUNS), ""
    else:
        noun = dice.one(bank.heads)
    if pronoun:
        head = " ".join([pronoun, *(", ".join(before),)]) if before else pronoun
    else:
        lead = " ".join(before)
        singular = f"{lead} {noun}" if lead else noun
        head = plural(singular) if many else with_article(singular)
        if joined.startswith(" and"):
            head += joined
        elif joined:
            head = joined.replace("{x}", head)
    if len(kinds) > 1:
        head += f" and {with_article(kinds[1])}"
    return head + after + _clauses(parts)


def _plain_nouns(
    categories: Sequence[str], bank: PhraseBank, dice: Dice, words: list[str], joinable: bool
) -> tuple[list[str], str, str]:
    """Plain categories as (modifiers, noun, joining template with {x}, or "")."""
    if len(categories) > 1 and dice.chance(0.4):
        pair = bank.pairs.get(frozenset(categories[:2]))
        if pair:
            noun = dice.one(pair)
            mods = [dice.one(bank.plain[category].mod) for category in categories[2:]]
            words += [*mods, noun]
            return mods, noun, ""
    if joinable and len(categories) == 2 and dice.chance(0.35):
        noun, other = (dice.one(bank.plain[category].noun) for category in categories)
        words += [noun, other]
        return [], noun, dice.one(bank.joins).replace("{y}", with_article(other))
    noun = dice.one(bank.plain[categories[0]].noun)
    mods = [dice.one(bank.plain[category].mod) for category in categories[1:]]
    words += [*mods, noun]
    return mods, noun, ""


def _clauses(parts: Parts) -> str:
    """What follows the noun: "with ... about ... for ... that ... where ..."."""
    text = ""
    for form, word in (("with", "with"), ("about", "about"), ("for", "for"), ("that", "that"), ("where", "where")):
        own = parts.forms(form)
        if own:
            text += f" {word} {join_and(own)}"
    return text


def _keywords(parts: Parts, before: list[str], after: str, bank: PhraseBank, dice: Dice, words: list[str]) -> str:
    """Keywords as typed into a search box."""
    keys = list(before)
    for category in parts.plain:
        plain = bank.plain[category]
        keys.append(dice.one(plain.mod if dice.chance(0.7) else plain.noun))
        words.append(keys[-1])
    single = all(" " not in key and "," not in key for key in keys)
    keys += [text for _, form, text in parts.soft if form in ("kind", "with", "about")]
    if not keys:
        keys.append(dice.one(bank.heads))
    short = single and len(keys) == len(before) + len(parts.plain)
    return dice.one((" ", " ", ", ", " + ") if short else (", ", ", ", " + ")).join(keys) + after


def _around(core: str, tails: list[str], bank: PhraseBank, dice: Dice) -> str:
    """Chit-chat before, clauses and thanks after."""
    mark = core[-1] if core[-1] in "?!" else ""
    text = core.rstrip("?!")
    for tail in tails:
        text += (", " if dice.chance(0.7) else ". ") + tail
    if dice.chance(0.22):
        ending = dice.one(bank.endings)
        if not ("please" in ending and "please" in text):
            text, mark = f"{text}{mark}" if mark and not tails else text, ""
            text += (" " if text[-1] in "?!" else ", ") + ending
    if text[-1] not in "?!.":
        text += mark or "."
    if dice.chance(0.25):
        text = f"{dice.one(bank.openings)}{dice.one((', ', '. ', ', '))}{text}"
    return text
