"""Reader: from one message in its context to dialogue acts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.title_index import Link
from agent.domains.languages import ENGLISH, in_english, language, readable, sounds_english, told_by
from agent.records.acts import Act, Ask, Command, Judge, NotUnderstood, Pleasantry, Want, WhichItem
from agent.records.conditions import Condition
from agent.text import clean, common_words, flat, word_set, words
from agent.understanding.answering import read_question
from agent.understanding.asking import ASKS, MASK, Sentence, asked, masked_at, sentences_of
from agent.understanding.cues import (
    ABUSE,
    ACCEPT,
    ASK,
    BARE_NO,
    CHAT,
    GREETING,
    POLITE,
    REJECT,
    RESET,
    SUM,
    THANKS,
    UNDO,
)
from agent.understanding.dates import year_hits
from agent.understanding.judgements import VERDICTS, Judgement, judgements
from agent.understanding.likely import clues_of, likely_had
from agent.understanding.reading import Context, Mention, Reading
from agent.understanding.referring import CORRECTION, references
from agent.understanding.replies import answered, replied, substituted
from agent.understanding.typing_errors import mend, rewrite
from agent.understanding.unlisted import as_said, asked_example, asked_object, fragments, hated, modifiers, unlisted
from agent.understanding.vocabulary import NOUN, Vocabulary, known_words, vocabulary_of, wordlike
from agent.understanding.wishes import Compared, Wishes, WishReader, opens_anew, opens_topic

_CLAUSE = re.compile(
    r",|\bbut\b|\bso\b|\band (?:i|we|also|now|something|give|looking|no|not|nothing|maybe|then)\b|"
    r"\bbecause\b|\b(?:i'?m |am )?looking for\b|\bany other\b"
)
_ANEW = re.compile(
    r"\bi(?:'ve|'ll|'d)? (?:saw|have|had|will|would|also|really|do|did|loved?|liked?|just|think|thought|haven'?t|"
    r"never)\b"
)
"""Where somebody who writes without full stops says something new: "I like dramas I saw Heat and liked it"."""
_TOO = re.compile(
    r" (?:are|is|all|look|looks|seem|seems|sound|sounds|feel|feels|were) (?:all |both |a bit |a "
    r"little |way |far |just )*(?:too |not like )"
)
_TAG = re.compile(r"</?[A-Za-z!|][^<>\n]{0,80}>")
_CORRECTS = re.compile(
    r"\W*(?:(?:no|nope|nah|sorry|oops|actually|ah|oh)[\s,.!-]+)*"
    r"(?:wait\b|i (?:actually |really )?(?:meant|mean)\b|scratch that|make (?:it|that)\b|forget\b)"
)
"""How a message begins that puts right what was wished in words before."""
_FLATTERY = re.compile(r"\byou(?:'re| are|r) (?:so |very |really |a |an |pretty |quite )*\w+")
_MARKUP = re.compile(r"<(?=[/!|?A-Za-z_])|(?<=[\w|/\"'?-])>")
_OF_THAT_TIME = re.compile(r"[\s\"'”’(]*(?:(?:the )?(?:one )?(?:from|of|in) )?$")
_MORE = re.compile(
    r"[^\w]*(?:(?:ok|okay|well|so|and|hm+|great|thanks|cool|please|yes|yeah)\b[\s,.!]*)*(?:(?:can you "
    r"|could you )?(?:show|give|find|suggest|recommend|got|have|do you have|are there|let me see|"
    r"let's see|i want|i'd like|i need|what about|how about)(?: you)?(?: got)?(?: me| us)?(?: to "
    r"see)? )?"
    r"(?:(?:any|some|a few|a couple|the|me|two|three|five|\d)\s+)*(?P<word>more|another(?: one)?|"
    r"others?|else|anything else|something else|what else.*|what(?:'s| is) left|which others?.*|different ones?|"
    r"something different|(?:other|different) (?:ƒ+s?|ones?|suggestions|recommendations|options)|"
    r"keep (?:going|them coming)|next(?: one| ones| page| please)?|more (?:of (?:them|these|those|the "
    r"same)|ƒ+s?|suggestions|recommendations|like (?:this|these|that|those)|ideas|options|please)|go "
    r"on|continue|again)"
    r"(?: (?:please|pls|ideas?|suggestions?|recommendations?|options|then|have you got|do you have|"
    r"you have|you got|ƒ+s?|ones?|that you have|for me|like (?:that|this|these|those)|can you "
    r"(?:suggest|recommend|think of)|you can (?:suggest|recommend|think of)))*[\W]*"
)
_ALSO_MORE = re.compile(
    r"\b(?:what|anything|something|any) (?:else|other)s?\b|\b(?:show|give) me (?:some )?(?:more|"
    r"others|another)\b|\bany (?:more|others?|other (?:ƒ+s?|ones?|suggestions?|recommendations?))\b|"
    r"\bmore suggestions\b|\bwhat next\b|\bsomething new\b|\bother (?:suggestions|recommendations|"
    r"ones|options|ideas)\b"
)
_NEXT = re.compile(r"next|different|else|others?$")
_SHOW = re.compile(
    r"\b(?:show me|find me|put on|play|i (?:want|would like|'d like) to (?:watch|see)|do you have|"
    r"have you got|got|search(?: for)?)\b"
)
_PRONOUN = re.compile(r"\b(?:i|i'?m|i'?ve|i'?ll|my|you|your|we|he|she|they|our|me)\b")
_BY = re.compile(r",?\s+(?:by|from|with|starring)\s+", re.IGNORECASE)
_NOT_A_TITLE = re.compile(r"\b(?:no|not|without)(?: more| any)? $")
_SUBJECT_BEFORE = re.compile(
    r"\b(?:no|without|any|with|involving|featuring|(?:something|anything|one|ones|ƒ+s?) about)(?: the| any| some)? $"
)
_BY_THEM = re.compile(
    r"\b(?:by|from|of|with|has) (?:him|her|them|that (?:director|author|writer|actor|actress|guy|woman|man|person))\b"
)
"""Asks for others of a person whom an answer named: "anything else by him?"."""
_SAME_MAKER = re.compile(
    r"\b(?:(?:by|from) the (?:same )?(?P<who>\w+) (?:of|as|who (?:made|directed|wrote)|behind|that (?:made|"
    r"directed|wrote))|"
    r"(?:by |from |with )?the same (?P<same>\w+) (?:as|of))\W*$"
)
_SWITCH = re.compile(r"^\W*(?:(?:ok|okay|sorry|now|and|well)\W+)*(?:in )?english(?:,? (?:now|then|please))+(?=\W|$)")
"""Asks for answers in English, before the wish."""
_INDEFINITE = word_set("nothing anything something everything none anyone someone everyone nobody somebody")
"""Words that stand for no particular item; a title that is one is written with a capital, or with more beside it."""
_SILENT = frozenset({"about", "reject"})
_FEW = 4
_CHANGED = re.compile(r"\bchanged? my mind\b")
_COMPLAINS = re.compile(
    r"\b(?:these|those|they|this|that|it|none of (?:these|them)|ƒ+s?)(?: (?:is|are|was|were)(?:n't| "
    r"not)|'re not| do(?:n't| not) (?:look|seem|sound)) (?:really |at all |much |anything )*like "
    r"(?:the )?$"
)


_PRAISES = re.compile(
    r"\W*(?:(?:wow|oh|ok|okay|that'?s|what|a|an|these|those|are|really|very|such)\W+)*(?:great|nice|good|awesome|lovely|"
    r"perfect|cool|excellent|fantastic|amazing|super|wonderful)(?: (?:list|picks?|choices?|suggestions?|selection|"
    r"ones?|stuff|taste|job|work|ideas?|recommendations?|mix|ƒ+s?))?\W*$"
)
"""A compliment on what is shown."""
WELL_KNOWN = 8
"""A last name is a person's before it is a title where they have so many items."""
_AFTER_LIKE = re.compile(r"\b(?:like|similar to|such as|as|loved?|liked?|enjoy(?:ed)?|played|read|have|own|hated?) $")
_SIMILAR = re.compile(r"\b(?:something|anything|one|ones|more|ƒ+s?) similar\b(?! to)|^\W*similar\b")
"""Asks for what is like the item that was spoken of last."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A mention, where it is in the plain text, and what is thought of it."""

    mention: Mention
    place: tuple[int, int]
    judgement: Judgement


def understand(message: str, context: Context, catalogue: Catalogue) -> Reading:
    """Read one message; any text is accepted, and only its first ``agent.text.MESSAGE_LIMIT`` characters are read.

    Args:
        message: the person's words.
        context: what they may refer to.
        catalogue: the items and values that words may stand for.
    """
    answer = answered(message, context, catalogue)
    if answer is not None and not catalogue.domain.answers:
        return answer
    text = clean(message)
    vocabulary = vocabulary_of(catalogue)
    marked = vocabulary.marked(flat(text))
    reset = RESET.search(marked)
    if reset is not None and not re.search(r"\b(?:not|don't|never|without)\s+(?:\w+\s+)?$", marked[: reset.start()]):
        rest = text
        for match in reversed(list(RESET.finditer(marked))):
            rest = rest[: match.start()] + re.sub(r"\w", " ", match.group()) + rest[match.end() :]
        rest = re.sub(
            r"^(?:[\W_]|\b(?:please|let'?s|lets|can we|can you|just|i want to|and|ok|okay|everything|all|now|to)\b)+",
            "",
            rest,
        )
        rest = rest.strip()
        if not re.search(r"[^\W\d_]{3,}", re.sub(POLITE.pattern, " ", flat(rest))):
            return Reading((Command("restart"),), language(text))
        told = understand(rest, Context(), catalogue)
        acts = tuple(act for act in told.acts if isinstance(act, Want | Judge | WhichItem))
        return replace(told, acts=(Command("restart"), *acts), mentions=())
    reading = _Message(text, context, catalogue, vocabulary).reading()
    if catalogue.domain.answers:
        return read_question(text, reading, context, catalogue, vocabulary)
    return reading


class _Message:
    """One message while it is read."""

    def __init__(self, text: str, context: Context, catalogue: Catalogue, vocabulary: Vocabulary) -> None:
        self.text, self.context, self.catalogue, self.vocabulary = text, context, catalogue, vocabulary
        self.wishing = WishReader.of(catalogue)
        self.correcting = False
        self.asking: tuple[tuple[int, int], ...] = ()
        folded = vocabulary.marked(flat(text))
        mentions = self._named(folded)
        self.language = self._language(masked_at(text, [(own.start, own.end) for own in mentions]))
        # From here on in plain English: translated where it is not, mended where it is mistyped.
        if self.language == ENGLISH:
            mentions = sorted([*mentions, *self._references(folded, mentions)], key=lambda own: own.start)
            change = partial(mend, vocabulary=vocabulary)
            plain, places = rewrite(text, [(own.start, own.end) for own in mentions], change)
        else:
            change = partial(in_english, code=self.language, domain=catalogue.domain)
            plain, places = rewrite(text, [(own.start, own.end) for own in mentions], change)
            here = [replace(own, start=start, end=end) for own, (start, end) in zip(mentions, places, strict=True)]
            referring = self._references(vocabulary.marked(flat(plain)), here)
            pairs = [*zip(places, mentions, strict=True), *(((own.start, own.end), own) for own in referring)]
            pairs.sort(key=lambda pair: pair[0])
            places, mentions = [place for place, _ in pairs], [own for _, own in pairs]
        self.plain = _TAG.sub(lambda match: " " * len(match.group()), plain)
        if (switch := _SWITCH.match(flat(self.plain))) is not None:
            self.language = ENGLISH
            self.plain = " " * switch.end() + self.plain[switch.end() :]
        names = vocabulary.marked(flat(self.plain))
        told = judgements(names, places)
        self.told: list[_Told] = []
        for mention, place, judgement in zip(mentions, places, told, strict=True):
            if len(mention.items) > 1 and mention.reference and _TOO.match(names, place[1]):
                # "These are too mainstream" tells how the next ones should differ.
                judgement = replace(judgement, attitude="about", end=place[1])
            if len(mention.items) > 1 and mention.reference and names[: place[0]].endswith("than "):
                judgement = replace(judgement, attitude="about")  # "shorter than those": compared, no examples
            if mention.reference and judgement.attitude == "like" and judgement.alone:
                judgement = replace(judgement, attitude="about")
            if _CHANGED.search(names[: place[0]]) and judgement.attitude not in ("like", "unlike"):
                judgement = replace(judgement, attitude="about")
            if _COMPLAINS.search(names[max(0, place[0] - 60) : place[0]]) and judgement.attitude == "unlike":
                judgement = replace(judgement, attitude="like")  # "these are not like Heat at all"
            self.told.append(_Told(mention, place, judgement))
        self._except()
        masked = masked_at(self.plain, [(own.place[0], max(own.place[1], own.judgement.end)) for own in self.told])
        self.masked = masked
        self.folded = flat(masked)
        self.marked = vocabulary.marked(self.folded)

    def _except(self) -> None:
        """What is excepted is no part of a group: "all of those except Chinatown"."""
        for number, own in enumerate(self.told):
            if own.judgement.attitude != "reject" or len(own.mention.items) != 1:
                continue
            for place, other in enumerate(self.told[:number]):
                if (
                    other.mention.reference
                    and own.mention.items[0] in other.mention.items
                    and len(other.mention.items) > 1
                ):
                    rest = tuple(item for item in other.mention.items if item not in own.mention.items)
                    self.told[place] = replace(other, mention=replace(other.mention, items=rest))
                    self.told[number] = replace(own, judgement=replace(own.judgement, attitude="about"))

    def _language(self, text: str) -> str:
        """The language of the message; a few words that tell nothing are in that of the messages before."""
        told, before = language(text), self.context.language
        if before in (ENGLISH, told):
            return told
        if told == ENGLISH:
            return told if sounds_english(text, before) or not readable(before, self.catalogue.domain) else before
        return before if told_by(text, before) >= told_by(text, told) or len(text.split()) <= _FEW else told

    # --- what is spoken of -------------------------------------------------------------------------------------------

    def _named(self, folded: str) -> list[Mention]:
        """Titles, in order."""
        if len(folded.split()) <= _FEW and _MORE.fullmatch(folded.strip()):
            self.unknown: list[tuple[int, int, str]] = []
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
        self.unknown = unlisted(self.text, [(link.start, link.end) for link in links])
        mentions = [
            Mention(
                link.start,
                link.end,
                () if link.item is None else (link.item,),
                link.options if link.item is None else (),
            )
            for link in links
        ]
        mentions += [Mention(start, end, ()) for start, end, _ in self.unknown]
        return sorted(mentions, key=lambda own: own.start)

    def _references(self, folded: str, named: Sequence[Mention]) -> list[Mention]:
        """What refers to items on the table, beside the ``named`` ones; ``folded`` is marked."""
        context = self.context
        self.correcting = bool(context.spoken) and CORRECTION.search(folded) is not None
        spoken = context.spoken if self.correcting else context.offered or context.spoken
        taken = [(own.start, own.end) for own in named]
        found = references(folded, taken, context.shown, spoken, self.catalogue, self.correcting)
        return [Mention(own.start, own.end, own.items, reference=True) for own in found]

    def _person(self, key: tuple[str, ...]) -> bool:
        entries = self.vocabulary.names.get(key, []) if len(key) > 1 else []
        return any(self.catalogue.facets[own.facet].kind == "person" for own in entries)

    def _items_of(self, surname: str) -> int:
        """How many items the person has whom a last name mostly means."""
        totals: dict[str, int] = {}
        for entry in self.vocabulary.lone.get(surname, ()):
            totals[entry.name] = totals.get(entry.name, 0) + entry.count
        return max(totals.values(), default=0)

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
        if said in _INDEFINITE:
            return True  # "nothing too long" is not about the item of that name
        everyday = said.islower() and bool({said, said.removesuffix("s")} & common_words())
        return everyday and _SUBJECT_BEFORE.search(folded[: link.start]) is not None

    def _by_the_same(self) -> list[Condition]:
        """Who made a named item, where others of the same people are wanted: "by the director of Jaws"."""
        found = []
        for own in self.told:
            match = _SAME_MAKER.search(self.marked[: own.place[0]])
            if match is None or len(own.mention.items) != 1:
                continue
            label = match["who"] or match["same"]
            for name, facet in self.catalogue.facets.items():
                names = self.catalogue[own.mention.items[0]].attributes.get(name)
                if facet.kind == "person" and isinstance(names, tuple) and label.startswith(facet.label):
                    found.append(Condition(name, "is", names))
        if not found and self.context.spoken and _BY_THEM.search(self.marked):
            found += self._people_of(self.context.spoken[-1])
        return found

    def _people_of(self, item: int) -> list[Condition]:
        """Who "him" is after an item was spoken of: whom was asked for, else who made it."""
        asked = [act.facet for act in self.context.acts if isinstance(act, Ask) and act.facet]
        questions = self.catalogue.domain.questions
        wanted = [questions[name].facet if name in questions else name for name in asked]
        people = [name for name, facet in self.catalogue.facets.items() if facet.kind == "person"]
        for name in (*(own for own in wanted if own in people), *people):
            names = self.catalogue[item].attributes.get(str(name))
            if isinstance(names, tuple):
                return [Condition(str(name), "is", names[:1])]
        return []

    def _sentences(self) -> list[Sentence]:
        found = []
        for start, end in sentences_of(self.marked):
            if not self.marked[start:end].strip():
                continue
            inside = [own for own in self.told if start <= own.place[0] < end]
            items = tuple(
                dict.fromkeys(item for own in inside for item in own.mention.items or own.mention.options[:1])
            )
            attitudes = {own.judgement.attitude for own in inside}
            found.append(Sentence(start, end, items, bool(attitudes & VERDICTS), "like" in attitudes))
        return found

    # --- what it does ------------------------------------------------------------------------------------------------

    def reading(self) -> Reading:
        acts, corrects = self._acts()
        mentions = tuple(own.mention for own in self.told if own.mention.items or own.mention.options)
        unknown = tuple(words for _, _, words in self.unknown)
        return Reading(tuple(acts), self.language, mentions, corrects, unknown, self._likely(mentions, acts))

    def _likely(self, mentions: Sequence[Mention], acts: Sequence[Act]) -> tuple[tuple[int, float], ...]:
        model = likely_had(self.catalogue.domain)
        if model is None:
            return ()
        found = clues_of(self.text, self.context, mentions, acts, self.catalogue)
        return tuple((item, model.chance(clues)) for item, clues in found.items())

    def _acts(self) -> tuple[list[Act], bool]:
        context, marked = self.context, self.marked
        if self.text.strip() and not marked.strip():  # nothing but "english please"
            return [Pleasantry("chat")], False
        if not readable(self.language, self.catalogue.domain) and not self.told:
            return [NotUnderstood("language", self.text)], False
        undo = UNDO.search(marked)
        short = undo is not None and not self.told and len(re.findall(r"\w+", UNDO.sub(" ", marked))) <= 4
        if short and not self._wishes(UNDO.sub(lambda match: " " * len(match.group()), marked), ()):
            return [Command("undo")], False
        if self.correcting:
            corrected = self._corrected()
            if corrected:
                return corrected, True
        if context.question is not None and context.question.kind == "known":
            self.told = [
                replace(own, judgement=replace(own.judgement, attitude="liked"))
                if own.judgement.attitude in ("like", "about")
                else own
                for own in self.told
            ]
        sentences = self._sentences()
        asks, hidden = self._asks(sentences)
        self.asking = tuple(hidden)
        judges = self._judges(hidden)
        answers = replied(self._unasked(hidden), self.context, self._named_places())
        known = {judge.item for judge in judges}
        judges += [judge for judge in answers if judge.item not in known]
        which = self._which(hidden)
        hidden += self._judged_clauses(sentences)
        wanted = self._want(hidden, sentences, bool(asks or judges or which))
        acts: list[Act] = [*judges, *which]
        if wanted is not None:
            acts.append(wanted)
            if wanted == Want(count=wanted.count, request=wanted.request) and _MORE.fullmatch(self.marked.strip()):
                acts.append(Command("more"))  # "five more"
        else:
            command = self._command(bool(judges or asks))
            acts += [] if command is None else [command]
        acts += asks
        if not acts:
            acts.append(self._other())
        return acts, False

    def _asks(self, sentences: Sequence[Sentence]) -> tuple[list[Ask], list[tuple[int, int]]]:
        """The questions, each once, and their places."""
        found: list[Ask] = []
        places: list[tuple[int, int]] = []
        before: tuple[int, ...] = ()
        for sentence in sentences:
            wishes = self.wishing.read(*self._only(sentence.start, sentence.end), Compared(), ())
            ask = asked(
                sentence,
                self.marked,
                self.folded,
                self.vocabulary,
                self.context.shown,
                before or self.context.offered or self.context.spoken,
                wishes.complete,
                tuple(wishes.conditions),
            )
            before = sentence.items or before
            if ask is not None:
                found.append(ask)
                places.append((sentence.start, sentence.end))
        return list(dict.fromkeys(found)), places

    def _named_places(self) -> list[tuple[int, int]]:
        """Where items are named or judged: "thanks for your suggestions" does neither."""
        return [own.place for own in self.told if own.judgement.cued or not own.mention.reference]

    def _unasked(self, hidden: Sequence[tuple[int, int]]) -> str:
        """The marked text up to the first question; a question that is all there is counts by its first words."""
        if not hidden:
            return self.marked
        head = self.marked[: hidden[0][0]]
        return head if head.strip() else " ".join(self.marked.split()[:4])

    def _only(self, start: int, end: int) -> tuple[str, str, str]:
        """The masked, folded and marked text with all but one place blank."""

        def cut(text: str) -> str:
            return " " * start + text[start:end] + " " * (len(text) - end)

        return cut(self.masked), cut(self.folded), cut(self.marked)

    def _judges(self, hidden: Sequence[tuple[int, int]]) -> list[Judge]:
        found: dict[int, Judge] = {}
        for own in self.told:
            attitude = own.judgement.attitude
            if attitude not in VERDICTS or any(start <= own.place[0] < end for start, end in hidden):
                continue
            for item in self._all_of(own):
                known = found.get(item)
                if known is None or known.verdict == "seen":
                    found[item] = Judge(item, attitude, own.judgement.grade)  # type: ignore[arg-type]
        return list(found.values())

    def _all_of(self, own: _Told) -> tuple[int, ...]:
        """The items of a mention; those of the whole series where all of them are spoken of."""
        if not own.mention.items or own.mention.reference or not self._plural(own):
            return own.mention.items
        said = flat(self.text[own.mention.start : own.mention.end])
        series = [item.index for item in self.catalogue.items if flat(item.title).startswith((f"{said}:", f"{said} "))]
        return tuple(dict.fromkeys((*own.mention.items, *series)))

    def _plural(self, own: _Told) -> bool:
        """Whether all items of a name are spoken of: "all of Discworld", "the whole Zelda series"."""
        before, behind = self.marked[: own.place[0]], self.marked[own.place[1] :]
        return (
            re.match(rf"\s+(?:{NOUN}+s|series|trilogy|saga|franchise)\b", behind) is not None
            and re.search(r"\b(?:all|every|whole|entire|complete)(?: of)?(?: the)? $", before) is not None
        )

    def _which(self, hidden: Sequence[tuple[int, int]]) -> list[WhichItem]:
        found = []
        for own in self.told:
            options = own.mention.options
            if own.mention.items or not options or self._whole_series(own):
                continue
            attitude, first = own.judgement.attitude, options[0]
            said: Want | Judge | Ask
            if any(start <= own.place[0] < end for start, end in hidden):
                continue
            if attitude in VERDICTS:
                said = Judge(first, attitude, own.judgement.grade)  # type: ignore[arg-type]
            elif attitude == "unlike":
                said = Want(unlike=(first,))
            elif attitude == "reject":
                said = Want(reject=(first,))
            else:
                said = Want(like=(first,), opens_topic=True)
            found.append(WhichItem(self.text[own.mention.start : own.mention.end], options, said))
        return found

    def _whole_series(self, own: _Told) -> bool:
        """Whether a name of several items asks for all of them: "all of Discworld", "the whole Zelda series"."""
        return bool(own.mention.options) and own.judgement.attitude not in VERDICTS and self._plural(own)

    def _judged_clauses(self, sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
        """The clauses that say what is thought of an item: words of wishes in them are none."""
        found = []
        for own in self.told:
            if own.judgement.attitude not in VERDICTS:
                continue
            sentence = next((one for one in sentences if one.start <= own.place[0] < one.end), None)
            if sentence is None:
                continue
            start, end = sentence.start, sentence.end
            for match in _CLAUSE.finditer(self.marked, sentence.start, sentence.end):
                if match.end() <= own.place[0]:
                    start = match.start()
                elif match.start() >= own.place[1]:
                    end = match.start()
                    break
            anew = [match.start() for match in _ANEW.finditer(self.marked, start, own.place[0])]
            start = anew[-1] if anew else start
            if not ASK.search(self.marked[start : own.place[0]]):
                found.append((start, end))
        return found

    # --- wishes ------------------------------------------------------------------------------------------------------

    def _items(self, attitude: str) -> tuple[int, ...]:
        return tuple(
            dict.fromkeys(
                item
                for own in self.told
                if own.judgement.attitude == attitude
                and not any(start <= own.place[0] < end for start, end in self.asking)
                for item in own.mention.items
            )
        )

    def _wishes(self, marked: str, hidden: Iterable[tuple[int, int]]) -> Wishes:
        text, folded = self.masked, self.folded
        for start, end in hidden:
            blank = "".join("\n" if character == "\n" else " " for character in marked[start:end])
            text, folded = text[:start] + blank + text[end:], folded[:start] + blank + folded[end:]
            marked = marked[:start] + blank + marked[end:]
        named = self._items("like") or self._items("liked")
        return self.wishing.read(text, folded, marked, Compared(named, self.context.shown), self.context.conditions)

    def _want(self, hidden: Sequence[tuple[int, int]], sentences: Sequence[Sentence], acted: bool) -> Want | None:
        context, marked = self.context, self.marked
        flattery = [match.span() for match in _FLATTERY.finditer(marked)]
        wishes = self._wishes(marked, [*hidden, *flattery])
        like, unlike, reject = self._items("like"), self._items("unlike"), self._items("reject")
        free = marked
        for start, end in hidden:
            free = free[:start] + " " * (end - start) + free[end:]
        refused = self._refused(free, bool(wishes.conditions))
        reject = tuple(dict.fromkeys((*reject, *self._series_of(("reject", "unlike")), *refused)))
        shown = self._shown(hidden)
        wishes.conditions += self._by_the_same()
        hints = [*wishes.hints, *self._unknown_hints(hidden)]
        if not like and context.spoken and _SIMILAR.search(free):
            like = context.spoken[-1:]
        if wishes and not wishes.replaces:
            hints += fragments(free, wishes.spans)
        hints += hated(free, wishes.spans)
        hints += modifiers(free, wishes.spans, self.catalogue.word_index[0])
        if not (wishes or like or unlike or reject or hints or shown):
            hints = [said for said in (asked_object(free),) if said is not None]
        if not like and (example := asked_example(free)) is not None:
            hints.append(example)
        if not (wishes or like or unlike or reject or hints):
            if ABUSE.search(free):
                return None
            requested = ASK.search(free) is not None and not acted and not shown
            if not requested or self._off_topic(free) or self._polite(free) or _MORE.fullmatch(free.strip()):
                return None
        if not (wishes.conditions or wishes.drops or wishes.count or like or unlike or reject):
            if self._off_topic(free) or (acted and not ASK.search(free) and not (wishes.hints or wishes.lacking)):
                return None
            if self._polite(free):
                return None
        if hints and _CORRECTS.match(free.strip()):
            # What is corrected is what was wished in words before, not the kinds, people and numbers beside it.
            hints = [own for own in hints if not own.startswith("forget ")]
            told = {own.facet for own in wishes.conditions}
            loose = [own.facet for own in context.conditions if own.facet in self.vocabulary.open_facets - told]
            wishes.drops += ["hints", *dict.fromkeys(loose)]
        opens = opens_topic(free, wishes, bool(like) and not self._only_refers(), context.begun)
        return Want(
            conditions=tuple(wishes.conditions),
            hints=tuple(hints),
            lacking=tuple(wishes.lacking),
            like=like,
            unlike=unlike,
            reject=reject,
            count=wishes.count,
            shares=wishes.shares,
            opens_topic=opens,
            drops=tuple(wishes.drops),
            request=self._request(hidden, sentences, wishes),
        )

    def _series_of(self, attitudes: tuple[str, ...]) -> list[int]:
        """All items whose titles begin with a name that is refused: "not Star Wars" is none of the episodes."""
        found: list[int] = []
        for own in self.told:
            if own.judgement.attitude in attitudes and own.mention.items and not own.mention.reference:
                said = flat(self.text[own.mention.start : own.mention.end])
                found += [item.index for item in self.catalogue.items if flat(item.title).startswith(f"{said}:")]
        return found

    def _only_refers(self) -> bool:
        """Whether the examples are what was shown: "more like the second one" refines."""
        return all(own.mention.reference for own in self.told if own.judgement.attitude == "like")

    def _refused(self, free: str, wished: bool) -> tuple[int, ...]:
        """What was shown and is refused: "none of these", "no"."""
        shown = self.context.shown
        if not shown:
            return ()
        whole = [own for own in self.told if own.mention.reference and own.judgement.attitude in _SILENT]
        if BARE_NO.fullmatch(free) or REJECT.search(free):
            single = [item for own in whole if own.judgement.attitude != "liked" for item in own.mention.items]
            if single:
                return tuple(single)
            if not any(own.mention.items for own in self.told) and not wished:
                return tuple(shown)
        return ()

    def _shown(self, hidden: Sequence[tuple[int, int]]) -> bool:
        """Whether an item is asked for by its name: "show me Titanic"."""
        return any(
            own.judgement.attitude == "about"
            and own.mention.items
            and not own.mention.reference
            and _SHOW.search(self.marked[: own.place[0]][-40:])
            for own in self.told
        )

    def _unknown_hints(self, hidden: Sequence[tuple[int, int]]) -> list[str]:
        """Wishes for what is like a title that the catalogue lacks."""
        found = [self.text[own.mention.start : own.mention.end] for own in self.told if self._whole_series(own)]
        for own in self.told:
            if own.mention.items or own.mention.options or own.judgement.attitude not in ("like", "unlike"):
                continue
            words = self.text[own.mention.start : own.mention.end].strip(" ,.")
            found.append(f"like {words}" if own.judgement.attitude == "like" else f"not like {words}")
        return found

    def _request(self, hidden: Sequence[tuple[int, int]], sentences: Sequence[Sentence], wishes: Wishes) -> str:
        """The sentences that hold a wish: neither greetings nor sentences that only judge or ask."""
        kept = []
        for sentence in sentences:
            start, end = sentence.start, sentence.end
            words = self.plain[start:end].strip()
            if not words or any(a <= start and end <= b for a, b in hidden):
                continue
            wished = any(start <= place < end for place, _ in wishes.spans)
            if not wished and not sentence.like and self._polite(self.marked[start:end]):
                continue
            for own in reversed(self.told):
                if (
                    own.mention.reference
                    and len(own.mention.items) == 1
                    and start <= own.place[0]
                    and own.place[1] <= end
                ):
                    # "The second one" says nothing to a reader who does not see the list.
                    first, stop = own.place[0] - start, own.place[1] - start
                    whole = self.plain[start:end]
                    words = (whole[:first] + self.catalogue[own.mention.items[0]].title + whole[stop:]).strip()
                    break
            kept.append(words)
        # Angle brackets could spell a token of the language model ("<item_5>"): the words stay, the brackets go.
        return re.sub(r"\s+", " ", _MARKUP.sub(" ", " ".join(kept))).strip()

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _corrected(self) -> list[Act]:
        """The acts of the message before, with the item that is meant in place of the mistaken one."""
        spoken = self.context.spoken
        refused = set(self._items("reject")) & set(spoken)
        meant = [item for own in self.told for item in own.mention.items if item not in spoken]
        mistaken = [item for item in spoken if item in refused] or list(spoken[-1:])
        if not meant or not mistaken:
            return []
        changed = [substituted(act, mistaken[0], meant[0]) for act in self.context.acts]
        return changed if changed != list(self.context.acts) else [Want(like=(meant[0],), reject=(mistaken[0],))]

    def _command(self, acted: bool) -> Command | None:
        marked = self.marked
        match = _MORE.fullmatch(marked.strip())
        if (
            match is None
            and not (acted and _ALSO_MORE.search(marked))
            and not (self.context.shown and _ALSO_MORE.search(marked))
        ):
            return None
        if not self.context.begun and not acted:
            return None
        word = match["word"] if match is not None else "more"
        return Command("next" if _NEXT.search(word) else "more")

    def _polite(self, marked: str) -> bool:
        """Whether the words are nothing but polite."""
        rest = CHAT.sub(" ", POLITE.sub(" ", marked.replace(MASK, " ")))
        return not re.sub(r"[\W_]+|\b(?:i|wait|can'?t|to|see|a|and|my|name|am|im)\b", "", rest) and bool(
            POLITE.search(marked) or CHAT.search(marked)
        )

    def _off_topic(self, marked: str) -> bool:
        pattern = self.vocabulary.off_topic
        if self.told or "ƒ" in marked:
            return False
        return SUM.search(marked) is not None or (pattern is not None and pattern.search(marked) is not None)

    def _other(self) -> Act:
        """What a message is that neither wishes, judges, asks nor commands."""
        marked = self.marked
        shown = [own for own in self.told if own.mention.items]
        if shown and (self._shown(()) or not any(own.mention.reference for own in shown)):
            items = tuple(dict.fromkeys(item for own in shown for item in own.mention.items))
            if self._shown(()) or marked.rstrip().endswith("?"):
                return Ask("about", items)
            if not _PRONOUN.search(marked):
                return Want(like=items, opens_topic=True, request=self.plain.strip())
            return Pleasantry("chat")
        if self._off_topic(marked):
            return NotUnderstood("off_topic", self.text)
        if re.search(r"\b(?:thanks?|thank you|thx|ty|cheers|appreciated?)\b", marked):
            return Pleasantry("thanks")
        if re.search(
            r"^\W*(?:stop|enough|that'?s (?:all|it)|i'?m done|exit)\W*$|"
            r"\b(?:bye|goodbye|good night|see (?:you|ya)|farewell|take care|quit|have a (?:good|great|nice))\b",
            marked,
        ):
            return Pleasantry("farewell")
        if ABUSE.search(marked):
            return Pleasantry("complaint")
        if ACCEPT.search(marked) and self.context.shown:
            return Pleasantry("accept")
        if self.context.shown and _PRAISES.match(marked):
            return Pleasantry("thanks")
        if GREETING.match(marked):
            return Pleasantry("greeting")
        if ACCEPT.search(marked) or THANKS.search(marked) or CHAT.search(marked) or self._polite(marked):
            return Pleasantry("chat")
        if not known_words(self.folded, self.vocabulary):
            return NotUnderstood("nonsense", self.text)
        found = [word for word in re.findall(r"[^\W\d_]{2,}", self.folded)]
        if _PRONOUN.search(marked) or shown:
            return Pleasantry("chat")
        if marked.rstrip().endswith("?") and ASKS.match(marked) is not None and not ASK.search(marked):
            return NotUnderstood("question", self.text)
        subject = " ".join(found)
        if found and sum(word in self.vocabulary.words or wordlike(word) for word in found) * 2 >= len(found):
            said = self.plain.strip()
            opens = not self.context.begun or opens_anew(marked)
            return Want(hints=(as_said(said),), opens_topic=opens, request=said)
        return NotUnderstood("nonsense", subject or self.text)
