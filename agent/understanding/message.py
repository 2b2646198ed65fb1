"""Message: one message in plain English, with what it speaks of marked: what the modules that read it share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agent.catalogue.catalogue import Catalogue
from agent.domains.languages import ENGLISH, in_english, language, prepositions, readable, sounds_english, told_by
from agent.text import flat, words
from agent.understanding.asking import MASK, Sentence, masked_at, sentences_of
from agent.understanding.cues import CHAT, POLITE, SUM
from agent.understanding.judgements import VERDICTS, Judgement, judgements
from agent.understanding.naming import FEW, Naming
from agent.understanding.reading import Compared, Context, Mention, Wishes
from agent.understanding.referring import CORRECTION, references
from agent.understanding.typing_errors import mend, rewrite
from agent.understanding.vocabulary import Vocabulary, cue_facet
from agent.understanding.wishes import WishReader

_TOO = re.compile(
    r" (?:are|is|all|look|looks|seem|seems|sound|sounds|feel|feels|were) (?:all |both |a bit |a "
    r"little |way |far |just )*(?:too |not like )"
)
_TAG = re.compile(r"</?[A-Za-z!|][^<>\n]{0,80}>")
_SWITCH = re.compile(r"^\W*(?:(?:ok|okay|sorry|now|and|well)\W+)*(?:in )?english(?:,? (?:now|then|please))+(?=\W|$)")
"""Asks for answers in English, before the wish."""
_BY_THEM = re.compile(r"\b(?:by|with) them$")
_CHANGED = re.compile(r"\bchanged? my mind\b")
_COMPLAINS = re.compile(
    r"\b(?:these|those|they|this|that|it|none of (?:these|them)|ƒ+s?)(?: (?:is|are|was|were)(?:n't| "
    r"not)|'re not| do(?:n't| not) (?:look|seem|sound)) (?:really |at all |much |anything )*like "
    r"(?:the )?$"
)


@dataclass(frozen=True, slots=True)
class Told:
    """A mention, where it is in the plain text, and what is thought of it."""

    mention: Mention
    place: tuple[int, int]
    judgement: Judgement


class Message:
    """One message while it is read.

    Attributes:
        text: what was written, cleaned.
        plain: it in plain English, typing errors mended.
        masked: that with what it speaks of masked; ``folded`` and ``marked`` are its other forms, of the same length.
        told: what it speaks of.
        unknown: names that look like titles and are none here: (start, end, name).
        correcting: whether it mends what an earlier message named.
        asking: the places of its questions.
        person: whom "he" or "she" means.
    """

    def __init__(self, text: str, context: Context, catalogue: Catalogue, vocabulary: Vocabulary) -> None:
        """Name what it speaks of, put it into plain English and mask what is named."""
        self.text, self.context, self.catalogue, self.vocabulary = text, context, catalogue, vocabulary
        self.wishing = WishReader.of(catalogue)
        self.correcting = False
        self.asking: tuple[tuple[int, int], ...] = ()
        self.person = context.person
        folded = vocabulary.marked(flat(text))
        naming = Naming(text, context, catalogue, vocabulary)
        mentions = naming.mentions(folded)
        self.unknown = naming.unknown
        self.language = self._language(masked_at(text, [(own.start, own.end) for own in mentions]))
        # From here on in plain English: translated where it is not, mended where it is mistyped.
        if self.language == ENGLISH:
            mentions = sorted([*mentions, *self._references(folded, mentions)], key=lambda own: own.start)
            change: Callable[[str], str] = partial(mend, vocabulary=vocabulary)
            plain, places = rewrite(text, [(own.start, own.end) for own in mentions], change)
        else:
            change = self._translated
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
        self.told: list[Told] = []
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
            if len(mention.options) == 1 and judgement.attitude not in ("liked", "disliked", "like", "unlike"):
                mention = replace(mention, items=mention.options, options=())  # nothing is believed of it
            self.told.append(Told(mention, place, judgement))
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

    def _translated(self, text: str) -> str:
        """``text`` in English; the people whom it speaks of by their whole names: "un livre de Kafka"."""
        of, along = prepositions(self.language)
        folded, spoken = flat(text), words(text.replace("'", " ").replace("’", " "))
        maker = cue_facet(self.vocabulary, "by ", self.vocabulary.cues)
        parts, at = [], 0
        for place, word in enumerate(spoken):
            before = folded[at : word.start]
            by = re.search(rf"(?<![\w'])(?:{of}) ?$", before) if of else None
            if by is not None and text[at + by.start()].isupper():
                continue  # "De Niro"
            if by is None and not (along and re.search(rf"(?<![\w'])(?:{along}) $", before)):
                continue
            person = self.vocabulary.person_at(spoken[place:], maker if by else None)
            if person is not None:
                parts += [text[at : at + by.start()] + "by " if by else text[at : word.start], person[0]]
                at = spoken[place + person[1] - 1].end
        return in_english("".join([*parts, text[at:]]), self.language, self.catalogue.domain)

    def _language(self, text: str) -> str:
        """The language of the message; a few words that tell nothing are in that of the messages before."""
        told, before = language(text), self.context.language
        if before in (ENGLISH, told):
            return told
        if told == ENGLISH:
            return told if sounds_english(text, before) or not readable(before, self.catalogue.domain) else before
        more = told_by(text, told) - told_by(text, before)
        return before if more <= 0 or (more == 1 and len(text.split()) <= FEW) else told

    def _references(self, folded: str, named: Sequence[Mention]) -> list[Mention]:
        """What refers to items on the table, beside the ``named`` ones; ``folded`` is marked."""
        context = self.context
        self.correcting = bool(context.spoken) and CORRECTION.search(folded) is not None
        spoken = context.spoken if self.correcting else context.offered or context.spoken
        taken = [(own.start, own.end) for own in named]
        found = references(folded, taken, context.shown, spoken, self.catalogue, self.correcting)
        if context.person is not None:  # "more by them" is by whom was asked for
            found = [own for own in found if not _BY_THEM.search(folded[: own.end])]
        return [Mention(own.start, own.end, own.items, reference=True) for own in found]

    def sentences(self) -> list[Sentence]:
        """Its sentences that say something."""
        found = []
        for start, end in sentences_of(self.marked):
            if not self.marked[start:end].strip():
                continue
            inside = [own for own in self.told if start <= own.place[0] < end]
            items = tuple(
                dict.fromkeys(item for own in inside for item in own.mention.items or own.mention.options[:1])
            )
            attitudes = {own.judgement.attitude for own in inside}
            unknown = any(not own.mention.items and not own.mention.options for own in inside)
            found.append(Sentence(start, end, items, bool(attitudes & VERDICTS), "like" in attitudes, unknown))
        return found

    def only(self, start: int, end: int) -> tuple[str, str, str]:
        """The masked, folded and marked text with all but one place blank."""

        def cut(text: str) -> str:
            return " " * start + text[start:end] + " " * (len(text) - end)

        return cut(self.masked), cut(self.folded), cut(self.marked)

    def items(self, attitude: str) -> tuple[int, ...]:
        """The items that are spoken of with an attitude, outside questions."""
        return tuple(
            dict.fromkeys(
                item
                for own in self.told
                if own.judgement.attitude == attitude
                and not any(start <= own.place[0] < end for start, end in self.asking)
                for item in own.mention.items
            )
        )

    def wishes(self, marked: str, hidden: Iterable[tuple[int, int]]) -> Wishes:
        """What it wishes, outside the ``hidden`` places; ``marked`` is its marked form."""
        text, folded = self.masked, self.folded
        for start, end in hidden:
            blank = "".join("\n" if character == "\n" else " " for character in marked[start:end])
            text, folded = text[:start] + blank + text[end:], folded[:start] + blank + folded[end:]
            marked = marked[:start] + blank + marked[end:]
        named = self.items("like") or self.items("liked")
        return self.wishing.read(text, folded, marked, Compared(named, self.context.shown), self.context.conditions)

    def polite(self, marked: str) -> bool:
        """Whether the words are nothing but polite."""
        rest = CHAT.sub(" ", POLITE.sub(" ", marked.replace(MASK, " ")))
        return not re.sub(r"[\W_]+|\b(?:i|wait|can'?t|to|see|a|and|my|name|am|im)\b", "", rest) and bool(
            POLITE.search(marked) or CHAT.search(marked)
        )

    def off_topic(self, marked: str) -> bool:
        """Whether the words are of what is no subject of the domain."""
        pattern = self.vocabulary.off_topic
        if self.told or "ƒ" in marked:
            return False
        return SUM.search(marked) is not None or (pattern is not None and pattern.search(marked) is not None)
