"""Vocabulary: the words of wishes over one catalogue, compiled once.

Facet values by name and by the domain's words, names of people, moods, sensitivities, critiques and questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from rapidfuzz import fuzz, process

from agent.catalogue.columns import NamesColumn
from agent.catalogue.title_keys import deletions
from agent.text import Word, common_words, word_set, words

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.domains.domain import Bound, Critique, Domain, Facet, Question, Sensitivity

NOUN = "ƒ"
"""Stands, letter by letter, for the domain's words for an item in the text that the grammar reads."""
NOUNS = "{nouns}"
"""Stands for these words in the expressions of a domain's file."""

OPEN_VALUES = 200
"""A category of more values than this is filled by its users: a value of it that is missing does not say much."""
OFTEN = 3
"""So many items have a value of such a category that may become a condition."""
_NAME_RATIO = 86.0
_MEANT = word_set(
    """
    something anything nothing everything recommend recommendation recommendations suggest suggestion
    suggestions another different similar please thanks already watched loved hated enjoyed disliked
    without except instead actually before after newer older recent classic lighter darker
    violent violence obscure popular favourite favorite favourites really because tonight weekend between
    forget suspenseful atmospheric intelligent underrated animated hilarious question compare
    better preferably eighties nineties seventies sixties fifties forties thirties twenties nineteen
    starring directed director watching awesome looking
    """
)
ANY_WORK = word_set("make made makes do done does create created work worked")
"""What people of any craft do."""
_KEYBOARD = ("qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "poiuytrewq", "lkjhgfdsa", "mnbvcxz")
"""Rows of keys: four in a row and more are typed at random."""
_STEM = re.compile(r"([a-z]{5,})(?:s\?|\(|$)")
"""The word at the beginning of an expression for a value: of ``detectives?(?: stories)?`` "detective"."""
_GENERIC = ("one", "ones", "title", "titles", "thing", "things")


@dataclass(frozen=True, slots=True)
class Expression:
    """What words that match ``pattern`` ask for: all of ``values`` of ``facet``; known: the catalogue has them all."""

    pattern: re.Pattern[str]
    facet: str
    values: tuple[str, ...]
    known: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """What words that match ``pattern`` say of a number."""

    pattern: re.Pattern[str]
    facet: str
    bound: Bound


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a facet, and how many items have it."""

    facet: str
    name: str
    count: int


@dataclass(slots=True)
class Vocabulary:
    """See the module's first lines; made by :func:`vocabulary_of`.

    Attributes:
        expressions: facet values by the domain's words, in several values at once first.
        names: facet values by their names' words; ``lone`` of them by the last word, people alone.
        longest: the number of words of the longest name.
        cues: facet -> what stands before a value of it.
        levels: words for numbers of any facet.
        words: the words of all titles and names.
        open_facets: those that users fill, see :data:`OPEN_VALUES`; ``filled``: the primary one is such.
    """

    domain: Domain
    nouns: re.Pattern[str]
    primary: str | None
    expressions: list[Expression] = field(default_factory=list)
    names: dict[tuple[str, ...], list[Value]] = field(default_factory=dict)
    lone: dict[str, list[Value]] = field(default_factory=dict)
    longest: int = 1
    cues: dict[str, re.Pattern[str]] = field(default_factory=dict)
    levels: list[Level] = field(default_factory=list)
    moods: re.Pattern[str] | None = None
    undecidable: re.Pattern[str] | None = None
    off_topic: re.Pattern[str] | None = None
    sensitivities: list[tuple[re.Pattern[str], Sensitivity]] = field(default_factory=list)
    critiques: list[tuple[str, Critique, re.Pattern[str]]] = field(default_factory=list)
    questions: list[tuple[str, Question, re.Pattern[str]]] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    meant: tuple[str, ...] = ()
    open_facets: set[str] = field(default_factory=set)
    filled: bool = False
    _people: dict[str, list[Value]] = field(default_factory=dict)
    _near: dict[str, set[str]] = field(default_factory=dict)

    def marked(self, folded: str) -> str:
        """``folded`` with :data:`NOUN` for each letter of a word for items ("s" for the last one of a plural)."""
        return self.nouns.sub(_mark, folded)

    def asked(self, folded: str) -> str | None:
        """The question of the domain that words ask, the longest expression first; None where none."""
        best: tuple[int, int, str] | None = None
        for place, (name, _, pattern) in enumerate(self.questions):
            match = pattern.search(folded)
            if match is not None and (best is None or (len(match.group()), -place) > (best[0], best[1])):
                best = (len(match.group()), -place, name)
        return None if best is None else best[2]

    def facet_of(self, verb: str) -> str | None:
        """The facet of people who do what a verb says ("wrote"), by the questions that ask for them."""
        for said in (verb, f"{verb}s", f"{verb}ed", f"{verb}d", f"has {verb}", f"is {verb}"):
            name = self.asked(f"who {said}")
            facet = self.domain.questions[name].facet if name is not None else None
            if facet and facet in self.domain.facets and self.domain.facets[facet].kind == "person":
                return facet
        return None

    def surnamed(self, surname: str, least: int = OFTEN, facet: str | None = None) -> list[Value]:
        """The entries of the people whom a last name (as a key) may well mean, the best known person first.

        ``least``: so many items at least the first has, all facets together; of ``facet`` alone where it is given.
        """
        totals: dict[str, int] = {}
        entries = self.lone.get(surname) or self.lone.get(surname.removesuffix("s"), [])
        mine = [entry for entry in entries if facet in (None, entry.facet)] or entries
        for entry in mine:
            totals[entry.name] = totals.get(entry.name, 0) + entry.count
        ranked = sorted(totals, key=lambda name: -totals[name])
        known = ranked if ranked and totals[ranked[0]] >= least else []
        likely = [name for name in known if totals[name] * 2 > totals[ranked[0]]]
        return [entry for name in likely for entry in entries if entry.name == name]

    def person_at(self, spoken: Sequence[Word], facet: str | None) -> tuple[str, int] | None:
        """The person whom the first words name, whole or by a rare last name, and how many words do so.

        A last name that several of the people of ``facet`` have stays as it is.
        """
        for size in range(min(self.longest, len(spoken)), 1, -1):
            entries = self.names.get(tuple(word.key for word in spoken[:size]), [])
            person = next((own for own in entries if own in self._people.get(" ".join(words_of(own.name)), ())), None)
            if person is not None:
                return person.name, size
        key = spoken[0].key
        if any(own.pattern.fullmatch(key) for own in self.expressions):
            return None
        found = [] if len(key) < 4 or key in common_words() else self.surnamed(key, 1, facet)
        names = {own.name for own in found}
        return (names.pop() if len(names) == 1 else key, 1) if found else None

    def person(self, name: str) -> list[Value]:
        """The people whose name is most like ``name`` (folded, two words or more), if it is like enough."""
        keys = words_of(name)
        near: set[str] = set()
        for key in keys:
            for part in deletions(key) if len(key) >= 4 else (key,):
                near |= self._near.get(part, set())
        if not near:
            return []
        best = process.extractOne(" ".join(keys), sorted(near), scorer=fuzz.ratio, score_cutoff=_NAME_RATIO)
        return [] if best is None else self._people[best[0]]


def words_of(name: str) -> list[str]:
    """The keys of the words of a name."""
    return [word.key for word in words(name)]


def _mark(match: re.Match[str]) -> str:
    length = len(match.group())
    plural = length > 1 and match.group().endswith("s")
    return NOUN * (length - plural) + "s" * plural


_KNOWN: WeakKeyDictionary[Catalogue, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """The vocabulary of a catalogue, compiled when first asked for."""
    found = _KNOWN.get(catalogue)
    if found is None:
        found = _KNOWN[catalogue] = _compiled(catalogue)
    return found


def open_facets(catalogue: Catalogue) -> frozenset[str]:
    """The facets that are filled by users."""
    return frozenset(vocabulary_of(catalogue).open_facets)


def whole(expressions: Iterable[str], nouns: str, ends: str = r"(?![\w])") -> re.Pattern[str] | None:
    """One pattern for any of the expressions as whole words; a space in one may be a hyphen or missing."""
    found = [_spaced(expression).replace(NOUNS, f"(?:{nouns})") for expression in expressions]
    return re.compile(rf"(?<![\w'])(?:{'|'.join(found)}){ends}") if found else None


def _spaced(expression: str) -> str:
    if re.search(r"\(\?<|\[|\\", expression):
        return expression
    return re.sub(r"(?<=[^ ]) (?=[^ ])", "[ -]?" if len(expression) < 14 else "[ -]", expression)


def _compiled(catalogue: Catalogue) -> Vocabulary:
    domain = catalogue.domain
    called = {domain.nouns.one, domain.nouns.many, *domain.nouns.also} - set(_GENERIC)
    nouns = "|".join(re.escape(word) for word in sorted(called, key=lambda word: (-len(word), word)))
    primary = catalogue.primary
    found = Vocabulary(
        domain, re.compile(rf"(?<![\w'-])(?:{nouns})(?![\w-])"), None if primary is None else primary.facet.name
    )
    # The domain's facet of this name has the words; the data's has the values.
    for name in catalogue.facets:
        column = catalogue.column(name)
        facet = domain.facets.get(name, column.facet)
        if isinstance(column, NamesColumn):
            _add_names(found, facet, column, nouns)
        else:
            for word, bound in facet.words.items():
                pattern = whole((str(word),), nouns)
                if pattern is not None and len(bound) == 2:
                    found.levels.append(Level(pattern, name, bound))  # type: ignore[arg-type]
            for word, bound in domain.levels.get(name, {}).items():
                pattern = whole((word,), nouns)
                if pattern is not None:
                    found.levels.append(Level(pattern, name, bound))
        cues = facet.cues or _default_cues(facet)
        if cues and (pattern := whole(cues, nouns, "")) is not None:
            found.cues[name] = re.compile(
                pattern.pattern
                + r"[\s:\"']*(?:the |an? |some |both |either |lots of |mr\.? |actors? |actress |director )?$"
            )
    found.expressions.sort(key=lambda one: -len(one.values))
    found.moods = whole(domain.moods, nouns)
    lacking = [facet for name, facet in domain.facets.items() if facet.numeric and name not in catalogue.facets]
    found.undecidable = whole([*domain.undecidable, *(str(word) for facet in lacking for word in facet.words)], nouns)
    found.off_topic = whole(domain.off_topic, nouns)
    have = set(catalogue.facets)
    for sensitivity in domain.sensitivities.values():
        pattern = whole(sensitivity.words, nouns)
        if pattern is not None and have & {*sensitivity.want, *sensitivity.without}:
            found.sensitivities.append((pattern, sensitivity))
    for name, critique in domain.critiques.items():
        pattern = whole(critique.words, nouns)
        if pattern is not None:
            found.critiques.append((name, critique, pattern))
    for name, question in domain.questions.items():
        pattern = whole(question.words, nouns, "")
        if pattern is not None:
            found.questions.append((name, question, pattern))
    known: set[str] = set()
    for item in catalogue.items:
        known.update(word.key for word in words(item.title))
    for key in found.names:
        known.update(key)
    found.words = frozenset(known)
    found.meant = meant_words(found)
    return found


def _default_cues(facet: Facet) -> tuple[str, ...]:
    """What stands before the value in the facet's phrase ("by {value}"), and its label."""
    before = facet.phrase.partition("{value}")[0].strip()
    own = [re.escape(word) for word in (before, facet.label, facet.plural) if word]
    return tuple(own) if facet.kind in ("person", "category") else ()


def _add_names(found: Vocabulary, facet: Facet, column: NamesColumn, nouns: str) -> None:
    # The data's values by their canonical names: where the data say "UK", the domain's words are for United Kingdom.
    also = {_squeezed(name): value for name, value in facet.also.items()}
    canonical: dict[str, str] = {}
    order = np.argsort(-column.counts, kind="stable").tolist()
    for value in (column.values[place] for place in order):  # of two spellings of one name the more frequent
        canonical.setdefault(_squeezed(also.get(_squeezed(value), value)), value)
        canonical.setdefault(_squeezed(value), value)
    for expression, wanted in facet.compounds.items():
        have = tuple(canonical.get(_squeezed(value), "") for value in wanted)
        pattern = whole((expression,), nouns)
        if all(have) and pattern is not None:
            found.expressions.append(Expression(pattern, facet.name, have))
    silent = {_squeezed(value) for value in facet.unspoken}
    for value, expressions in facet.words.items():
        if _squeezed(value) in silent:
            continue
        pattern = whole([str(own) for own in expressions], nouns)
        mine = canonical.get(_squeezed(value))
        if pattern is not None and (mine is not None or facet.primary):
            found.expressions.append(Expression(pattern, facet.name, (mine or value,), mine is not None))
    open_ended = len(column.values) > OPEN_VALUES and facet.kind == "category" and not facet.primary
    if open_ended:
        found.open_facets.add(facet.name)
    found.filled = found.filled or (facet.primary and len(column.values) > OPEN_VALUES)
    for value, count in zip(column.values, column.counts.tolist(), strict=True):
        key = tuple(word.key for word in words(value))
        if (
            not key
            or _squeezed(value) in silent
            or not facet.tells(value)
            or (open_ended and (count < OFTEN or len("".join(key)) < 4))
        ):
            continue
        entry = Value(facet.name, value, count)
        for form in {key, (*key[:-1], _plural(key[-1]))} if facet.kind == "category" else {key}:
            found.names.setdefault(form, []).append(entry)
            found.longest = max(found.longest, len(form))
        if facet.kind == "person" and len(key) >= 2:
            found.lone.setdefault(key[-1], []).append(entry)
            spelled = " ".join(key)
            found._people.setdefault(spelled, []).append(entry)
            for part in deletions(key[-1]) if len(key[-1]) >= 4 else (key[-1],):
                found._near.setdefault(part, set()).add(spelled)
    for alias, value in facet.also.items():
        mine = canonical.get(_squeezed(value))
        key = tuple(word.key for word in words(alias))
        if (
            mine is not None
            and _squeezed(mine) not in silent
            and key
            and len(alias) > 2
            and not set(key) <= common_words()
        ):
            found.names.setdefault(key, []).append(Value(facet.name, mine, 1))


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "o", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def meant_words(vocabulary: Vocabulary) -> tuple[str, ...]:
    """The words that typing errors are mended to, sorted: the grammar's, and the domain's plain ones."""
    found = set(_MEANT)
    if vocabulary.primary is not None:
        found |= {
            key[0]
            for key, entries in vocabulary.names.items()
            if len(key) == 1 and entries[0].facet == vocabulary.primary
        }
    for facet in vocabulary.domain.facets.values():
        if facet.primary:
            said = [part for owns in facet.words.values() for own in owns for part in str(own).split("|")]
            found |= {stem[1] for word in said if (stem := _STEM.match(word)) is not None}
    nouns = vocabulary.domain.nouns
    found |= {nouns.one, nouns.many, *nouns.also}
    return tuple(sorted(word for word in found if len(word) >= 5))


def cue_facet(vocabulary: Vocabulary, before: str, facets: Iterable[str]) -> str | None:
    """The facet among ``facets`` whose cue ends the text ``before`` a name; the longest cue wins."""
    best: tuple[int, str] | None = None
    for facet in facets:
        pattern = vocabulary.cues.get(facet)
        match = pattern.search(before) if pattern is not None else None
        if match is not None and (best is None or len(match.group()) > best[0]):
            best = (len(match.group()), facet)
    return None if best is None else best[1]


def facet_labels(domain: Domain) -> Mapping[str, str]:
    """What each facet is called, for questions about it."""
    return {name: facet.label or name for name, facet in domain.facets.items()}


def known_words(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a folded text holds any word that is known: an everyday one, or one of a title or name."""
    found = re.findall(r"[^\W\d_]{2,}", text)
    return any(word in vocabulary.words or wordlike(word) for word in found)


def wordlike(word: str) -> bool:
    """Whether letters could be a word: an everyday one, or one of four letters and more that can be pronounced."""
    if word in common_words():
        return True
    if any(word[at : at + 4] in row for row in _KEYBOARD for at in range(len(word) - 3)):
        return False
    vowels = len(re.findall(r"[aeiouyàâäéèêëíïîóôöúùûü]", word))
    return (
        len(word) >= 4 and vowels / len(word) >= 0.2 and not re.search(r"[bcdfghjklmnpqrstvwxz]{5}|q[^u]|(.)\1\1", word)
    )
