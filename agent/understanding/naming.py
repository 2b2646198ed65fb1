"""Naming: which titles a message names, and what only looks like one: a person, a value, a subject."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.title_index import Link
from agent.text import common_words, flat, word_set, words
from agent.understanding.asking import masked_at
from agent.understanding.cues import MORE
from agent.understanding.dates import year_hits
from agent.understanding.reading import Context, Mention
from agent.understanding.unlisted import spoken_of, unlisted
from agent.understanding.values import WELL_KNOWN
from agent.understanding.vocabulary import Vocabulary

_OF_THAT_TIME = re.compile(r"[\s\"'”’(]*(?:(?:the )?(?:one )?(?:from|of|in) )?$")
_BY = re.compile(r",?\s+(?:by|from|with|starring)\s+", re.IGNORECASE)
_NOT_A_TITLE = re.compile(r"\b(?:no|not|without)(?: more| any)? $")
_SUBJECT_BEFORE = re.compile(
    r"\b(?:no|without|any|with|involving|featuring|(?:something|anything|one|ones|ƒ+s?) about)(?: the| any| some)? $"
)
_OBJECT_BEFORE = re.compile(
    r"\b(?:what|which|anything|something|everything|ones?|ƒ+s?)\b[^.?!,;]*\b(?:can|could|should|shall|to|will|would|might|we|"
    r"i|they|people)\b[^.?!,;]*\b(?:watch|see|read|play|listen|enjoy|do|try|have|get|choose) $"
)
"""Where what is watched or read was said before: "what can we watch together?"."""
_INDEFINITE = word_set("nothing anything something everything none anyone someone everyone nobody somebody")
"""Words that stand for no particular item; a title that is one is written with a capital, or with more beside it."""
_AFTER_LIKE = re.compile(r"\b(?:like|similar to|such as|as|loved?|liked?|enjoy(?:ed)?|played|read|have|own|hated?) $")
FEW_RATINGS = 10
OBSCURE = 0.5
"""Something is hardly known where so large a share of the others is better known."""
FEW = 4
"""So many words are few."""


class Naming:
    """One message whose titles are looked for."""

    def __init__(self, text: str, context: Context, catalogue: Catalogue, vocabulary: Vocabulary) -> None:
        """``unknown`` holds what looks like a title and is none here: (start, end, name)."""
        self.text, self.context, self.catalogue, self.vocabulary = text, context, catalogue, vocabulary
        self.unknown: list[tuple[int, int, str]] = []

    def mentions(self, folded: str) -> list[Mention]:
        """The titles of the ``folded`` and marked message, in order; sets ``unknown``."""
        if len(folded.split()) <= FEW and MORE.fullmatch(folded.strip()):
            return []  # "anything else?" asks for nothing of that name
        context, catalogue = self.context, self.catalogue
        links = [
            link
            for link in catalogue.link(self.text, context.conditions)
            if not self._is_person(link)
            and not self._part_of_a_person(link)
            and not self._is_value(link)
            and not self._is_subject(link, folded)
        ]
        links = [self._with_maker(self._on_table(link)) for link in links]
        unsure = [number for number, link in enumerate(links) if link.item is None]
        if unsure:
            table = {*context.shown, *context.spoken, *context.offered}
            hidden = masked_at(folded, [(link.start, link.end) for link in links])
            dates = year_hits(hidden, catalogue.newest_year, catalogue.oldest_year)
            for number in unsure:
                link = links[number]
                here = tuple(item for item in link.options if item in table)
                for hit in dates:
                    near = catalogue.titles.narrowed(link, (hit.first, hit.last))
                    beside = hit.start >= link.end and _OF_THAT_TIME.fullmatch(folded, link.end, hit.start) is not None
                    if near.item is not None:
                        # "Hamlet from the 40s" tells which one; the decade is then no wish of its own.
                        end = hit.end if beside else near.end
                        links[number] = replace(near, end=end, text=self.text[near.start : end])
                        break
                else:
                    if len(here) == 1:
                        links[number] = replace(link, options=here)
        taken = [(link.start, link.end) for link in links]
        self.unknown = unlisted(self.text, taken)
        taken += [(start, end) for start, end, _ in self.unknown]
        self.unknown += [own for own in spoken_of(self.text, taken) if self._is_name(own[2])]
        mentions = []
        for link in links:
            sure = link.item is not None and not self._doubtful(link)
            mentions.append(Mention(link.start, link.end, *((link.options, ()) if sure else ((), link.options))))
        mentions += [Mention(start, end, ()) for start, end, _ in self.unknown]
        return sorted(mentions, key=lambda own: own.start)

    def _doubtful(self, link: Link) -> bool:
        """Whether a name of one word is that of something hardly anybody had, where another may be meant."""
        table = {*self.context.shown, *self.context.spoken, *self.context.offered}
        item, titles = link.options[0], self.catalogue.titles
        obscure = titles.known[item] < OBSCURE and self.catalogue.rating_count[item] < FEW_RATINGS
        return bool(obscure) and item not in table and len(words(link.text)) == 1

    def _is_name(self, name: str) -> bool:
        """Whether capitals name something that is neither a person nor a value, nor plain words."""
        spoken, folded = words(name), flat(name)
        known = any(own.pattern.search(folded) for own in self.vocabulary.expressions)
        if known or self.text.isupper() or self.vocabulary.person(folded) or "ƒ" in self.vocabulary.marked(folded):
            return False
        key = tuple(word.key for word in spoken)
        if key in self.vocabulary.names or (len(key) == 1 and self.vocabulary.surnamed(key[0])):
            return False
        having = [self.catalogue.word_index[0].get(part, frozenset()) for part in key]
        return (len(key) > 1 or key[0] not in common_words()) and not frozenset.intersection(*having)

    def _person(self, key: tuple[str, ...]) -> bool:
        entries = self.vocabulary.names.get(key, []) if len(key) > 1 else []
        return any(self.catalogue.facets[own.facet].kind == "person" for own in entries)

    def _items_of(self, surname: str) -> int:
        """How many items the person has whom a last name mostly means."""
        return sum(entry.count for entry in self.vocabulary.surnamed(surname))

    def _part_of_a_person(self, link: Link) -> bool:
        """Whether the words beside what was taken for a title make a person's name of it: "Tom Cruise"."""
        own = [word.key for word in words(link.text)]
        before = [word.key for word in words(self.text[max(0, link.start - 30) : link.start])[-1:]]
        behind = [word.key for word in words(self.text[link.end : link.end + 30])[:1]]
        return any(self._person((*left, *own, *right)) for left, right in ((before, ()), ((), behind)) if left or right)

    def _is_person(self, link: Link) -> bool:
        """Whether what was taken for a title is a person, whose name a longer title begins with."""
        key = tuple(word.key for word in words(link.text))
        if len(key) == 1 and (known := self._items_of(key[0])) >= WELL_KNOWN:
            # "tarantino" is no "Tarnation", and "Hitchcock" more often a person than a title.
            exact = [item for item in link.options if flat(self.catalogue[item].title) == flat(link.text)]
            if all(self.catalogue.rating_count[item] < known for item in exact):
                return True
        person = self._person(key)
        return person and not any(flat(self.catalogue[item].title) == flat(link.text) for item in link.options)

    def _on_table(self, link: Link) -> Link:
        """``link``, to the item just shown or spoken of that has its name, or whose title begins so ("Mario Kart")."""
        table = dict.fromkeys((*self.context.shown, *self.context.spoken, *self.context.offered))
        if link.item is not None and link.item not in table and not re.search(r"\d{4}\W*$", link.text):
            namesakes = [item for item in self.catalogue.titles.sharing(link.item) if item in table]
            if len(namesakes) == 1:
                return replace(link, options=(namesakes[0],))
        said, counts = flat(link.text), self.catalogue.rating_count
        if len(said.split()) < 2 or set(link.options) & set(table):
            return link
        if any(flat(self.catalogue[item].title) == said for item in link.options):
            return link
        here = [item for item in table if flat(self.catalogue[item].title).startswith(said)]
        better = here and counts[here[0]] > max((counts[item] for item in link.options), default=0)
        return replace(link, options=(here[0],)) if better else link

    def _with_maker(self, link: Link) -> Link:
        """``link`` together with who made the item, where the message says so: "The Road by Cormac McCarthy"."""
        after = _BY.match(self.text, link.end)
        if after is None or len(link.options) != 1:
            return link
        said = flat(self.text[after.end() :])
        for name, facet in self.catalogue.facets.items():
            own = self.catalogue[link.options[0]].attributes.get(name)
            for person in own if facet.kind == "person" and isinstance(own, tuple) else ():
                if said.startswith(flat(person)):
                    return replace(link, end=after.end() + len(person))
        return link

    def _is_value(self, link: Link) -> bool:
        """Whether what was taken for a title is what the domain calls a value ("PlayStation 4"), and no whole title."""
        said = re.sub(r"^(?:the|an?) ", "", flat(link.text))
        primary = self.vocabulary.primary
        if any(own.facet == primary and own.pattern.fullmatch(said) for own in self.vocabulary.expressions):
            return True
        before = flat(self.text[: link.start])[-24:]
        if self._is_series(said) and _NOT_A_TITLE.search(before):
            return True
        if any(flat(self.catalogue[item].title) == said for item in link.options):
            return False
        entries = self.vocabulary.names.get(tuple(word.key for word in words(link.text)), [])
        if _NOT_A_TITLE.search(before) and any(self.catalogue.facets[own.facet].kind == "category" for own in entries):
            return True  # "not Resident Evil": all of that series
        if self._is_series(said) and not _AFTER_LIKE.search(before):
            return True
        return any(
            own.facet in ("country", "language") and own.pattern.fullmatch(said) for own in self.vocabulary.expressions
        )

    def _is_series(self, said: str) -> bool:
        """Whether words are what the domain calls a group of items by a proper name: "mario", "need for speed"."""
        return any(
            own.pattern.fullmatch(said) and own.known and all(name[:1].isupper() for name in own.values)
            for own in self.vocabulary.expressions
            if own.facet != self.vocabulary.primary
            and own.facet not in self.vocabulary.open_facets
            and self.catalogue.facets[own.facet].kind == "category"
        )

    def _is_subject(self, link: Link, folded: str) -> bool:
        """Whether what was taken for a title is an everyday word for what items are about: "without aliens"."""
        said = link.text
        if said.islower() and MORE.fullmatch(said):
            return True  # "has he made anything else?"
        if said in _INDEFINITE:
            return True  # "nothing too long" is not about the item of that name
        if said.islower() and said.split()[0] in _INDEFINITE and set(said.split()) <= common_words() | _INDEFINITE:
            return True  # nor is "something new"
        if said.islower() and any(
            match.start() <= link.start and link.end <= match.end()
            for pattern, _ in self.vocabulary.sensitivities
            for match in pattern.finditer(folded)
        ):
            return True  # "for grown-ups"
        if said.islower() and said in common_words() and _OBJECT_BEFORE.search(folded[: link.start]):
            return True
        everyday = said.islower() and bool({said, said.removesuffix("s")} & common_words())
        return everyday and _SUBJECT_BEFORE.search(folded[: link.start]) is not None
