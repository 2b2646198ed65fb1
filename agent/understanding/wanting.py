"""Wanting: the wish of a message: what it asks for, like what, without what, and whether it opens a topic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.catalogue.title_index import SERIES
from agent.records.acts import Want
from agent.text import flat
from agent.understanding.asking import Sentence
from agent.understanding.cues import ABUSE, ASK, BARE_NO, MORE, REJECT
from agent.understanding.message import Message
from agent.understanding.people import BY_OTHERS, by_the_same, theirs
from agent.understanding.reading import Wishes
from agent.understanding.tastes import TOGETHER
from agent.understanding.topics import opens_topic
from agent.understanding.unlisted import adjectives, asked_example, asked_object, fragments, hated, modifiers, plots
from agent.understanding.verdicts import begins_with, whole_series

_CORRECTS = re.compile(
    r"\W*(?:(?:no|nope|nah|sorry|oops|actually|ah|oh)[\s,.!-]+)*"
    r"(?:wait\b|i (?:actually |really )?(?:meant|mean)\b|scratch that|make (?:it|that)\b|forget\b)"
)
"""How a message begins that puts right what was wished in words before."""
_NOT_BUT = re.compile(
    r"\W*(?:no,? )?not (?:in |about |from |by |with |the )*[\w'¤-]{3,}(?: [\w'-]{3,})?(?:, (?:but )?| but )\w"
)
"""How a message begins that puts one thing in the place of another: "not London, New York"."""
_FLATTERY = re.compile(r"\byou(?:'re| are|r) (?:so |very |really |a |an |pretty |quite )*\w+")
_MARKUP = re.compile(r"<(?=[/!|?A-Za-z_])|(?<=[\w|/\"'?-])>")
_SHOW = re.compile(
    r"\b(?:show me|find me|put on|play|i (?:want|would like|'d like) to (?:watch|see)|do you have|"
    r"have you got|got|search(?: for)?)\b"
)
_TOO = re.compile(r"^(?:way |far |much |a bit |a little |just )*too (?=\w)")
"""What a complaint begins with: of "too slow" less is wished for."""
_TRAILS = re.compile(r"(?: (?:instead|please|pls|though|too|then))+$")
_SILENT = frozenset({"about", "reject"})
_CALLED: Mapping[str, tuple[str, ...]] = {
    "duration": ("length", "running time", "runtime", "duration", "time"),
    "year": ("year", "years", "date", "decade", "age", "era"),
    "money": ("price", "cost", "budget"),
}
"""What facets of a kind are called besides their own names."""
_SIMILAR = re.compile(r"\b(?:something|anything|one|ones|more|ƒ+s?) similar\b(?! to)|^\W*similar\b")
"""Asks for what is like the item that was spoken of last."""


def want(
    message: Message, hidden: Sequence[tuple[int, int]], sentences: Sequence[Sentence], acted: bool
) -> Want | None:
    """The wish outside the ``hidden`` places; ``acted`` says whether the message does anything else."""
    context, marked = message.context, message.marked
    flattery = [match.span() for match in _FLATTERY.finditer(marked)]
    wishes = message.wishes(marked, [*hidden, *flattery])
    like, unlike, reject = message.items("like"), message.items("unlike"), message.items("reject")
    series = {item for own in message.told if whole_series(message, own) for item in own.mention.items}
    like = tuple(item for item in like if item not in series)
    free = marked
    for start, end in hidden:
        free = free[:start] + " " * (end - start) + free[end:]
    refused = _refused(message, free, bool(wishes.conditions))
    reject = tuple(dict.fromkeys((*reject, *_series_of(message, ("reject", "unlike")), *refused)))
    shown = asked_for(message)
    wishes.conditions += by_the_same(message)
    others = theirs(free, message.person, message.vocabulary, message.catalogue)
    wishes.complete = wishes.complete or bool(others)
    wishes.conditions += [own for own in others if own not in wishes.conditions]
    if message.person is not None and BY_OTHERS.search(free):
        wishes.drops.append(message.person.facet)
        wishes.conditions.append(replace(message.person, op="is_not"))
    hints = [*wishes.hints, *_unknown_hints(message)]
    if not like and context.spoken and _SIMILAR.search(free):
        like = context.spoken[-1:]
    if wishes and not wishes.replaces:
        hints += fragments(free, wishes.spans)
    hints += hated(free, wishes.spans)
    hints += [own for own in adjectives(free, wishes.spans) if not any(own in hint for hint in hints)]
    hints += [own for own in plots(free, wishes.spans) if not any(own in hint for hint in hints)]
    hints += modifiers(free, wishes.spans, message.catalogue.word_index[0])
    if not (wishes or like or unlike or reject or hints or shown):
        hints = [said for said in (asked_object(free),) if said is not None]
    if not like and (example := asked_example(free, wishes.spans)) is not None:
        hints.append(example)
    if not (wishes or like or unlike or reject or hints):
        if ABUSE.search(free):
            return None
        requested = ASK.search(free) is not None and not acted and not shown and not only_points(message)
        if not requested or message.off_topic(free) or message.polite(free) or MORE.fullmatch(free.strip()):
            return None
    if not (wishes.conditions or wishes.drops or wishes.count or like or unlike or reject):
        if message.off_topic(free) or (acted and not ASK.search(free) and not (wishes.hints or wishes.lacking)):
            return None
        if message.polite(free):
            return None
    people = [own.facet for own in wishes.conditions if message.catalogue.facets[own.facet].kind == "person"]
    if people and _CORRECTS.match(free.strip()):  # another person, in whatever craft
        facets = message.catalogue.facets
        wishes.drops += [own.facet for own in context.conditions if facets[own.facet].kind == "person"]
    if hints and context.begun and _NOT_BUT.match(free.strip()):
        wishes.drops.append("hints")
    if hints and _CORRECTS.match(free.strip()):
        # What is corrected is what was wished in words before, not the kinds, people and numbers beside it.
        hints = [own for own in hints if not own.startswith("forget ")]
        told = {own.facet for own in wishes.conditions}
        loose = [own.facet for own in context.conditions if own.facet in message.vocabulary.open_facets - told]
        wishes.drops += ["hints", *dict.fromkeys(loose)]
    hints = [_TRAILS.sub("", _TOO.sub("less ", own)) for own in hints]
    freed = taken_back(message)
    if freed:
        wishes.drops += freed
        hints = []
    opens = opens_topic(free, wishes, bool(like) and not _only_refers(message), context.begun)
    opens = opens or bool(others and message.asking)  # "who wrote it and what else has she written?"
    return Want(
        conditions=tuple(wishes.conditions),
        hints=tuple(own for own in hints if not (wishes.tastes and TOGETHER.match(own.casefold()))),
        lacking=tuple(wishes.lacking),
        like=like,
        unlike=unlike,
        reject=reject,
        count=wishes.count,
        shares=wishes.shares,
        tastes=wishes.tastes,
        opens_topic=opens,
        drops=tuple(dict.fromkeys(wishes.drops)),
        request=_request(message, hidden, sentences, wishes),
    )


def _series_of(message: Message, attitudes: tuple[str, ...]) -> list[int]:
    """All items whose titles begin with a name that is refused: "not Star Wars" is none of the episodes."""
    found: list[int] = []
    for own in message.told:
        if own.judgement.attitude in attitudes and own.mention.items and not own.mention.reference:
            begun = begins_with(message, own)
            found += begun if len(begun) >= SERIES else []
    return found


def _only_refers(message: Message) -> bool:
    """Whether the examples are what was shown: "more like the second one" refines."""
    return all(own.mention.reference for own in message.told if own.judgement.attitude == "like")


def taken_back(message: Message) -> list[str]:
    """The facets whose conditions a message takes back: "drop the length limit", "Eastwood is fine after all"."""
    marked, found = message.marked, []
    for own in message.context.conditions:
        facet = message.catalogue.facets.get(own.facet)
        if facet is None:
            continue
        called = "|".join(re.escape(flat(name)) for name in {facet.name, facet.label, *_CALLED.get(facet.kind, ())})
        words = "|".join(re.escape(flat(name).split()[-1]) for name in own.names if name.strip()) or "(?!)"
        limit = rf"(?:{called}) (?:limit|restriction|condition|filter|rule|bit|thing|requirement)s?"
        of = rf"(?:limit|restriction|condition|filter)s? (?:on|for|of) (?:the )?(?:{called})"
        drop = r"(?:drop|forget|remove|lift|lose|ignore|no|without|scrap|never ?mind) (?:about )?(?:the |that |any )?"
        is_fine = r"(?:is|are|would be|'s) (?:also |actually )?(?:fine|ok|okay|all ?right|allowed)"
        patterns = (
            rf"\b{drop}(?:{limit}|{of})\b",
            rf"\b(?:the )?(?:{called}) (?:does(?:n't| not) matter|is (?:not important|unimportant|irrelevant))\b",
            rf"\b(?:forget|never ?mind|ignore|don't care) (?:about )?(?:the )?(?:{called})\b",
            rf"(?<![\w'])(?:{words})(?:s|'s)?(?: ƒ+s?)? {is_fine}\b",
        )
        if any(re.search(pattern, marked) for pattern in patterns):
            found.append(own.facet)
    return list(dict.fromkeys(found))


def only_points(message: Message) -> bool:
    """Whether a message does no more than point at one item that was shown: "the third one, please"."""
    pointed = [own for own in message.told if own.mention.reference and len(own.mention.items) == 1]
    (only,) = pointed if len(pointed) == 1 == len(message.told) else (None,)
    if only is None or only.judgement.attitude != "about":
        return False
    rest = message.marked[: only.place[0]] + message.marked[only.place[1] :]
    return not re.sub(r"[\W\d_]+|\b(?:please|pls|ok|okay|yes|hmm+|the|one|then|ƒ+s?)\b", "", rest)


def _refused(message: Message, free: str, wished: bool) -> tuple[int, ...]:
    """What was shown and is refused: "none of these", "no"."""
    shown = message.context.shown
    if not shown:
        return ()
    whole = [own for own in message.told if own.mention.reference and own.judgement.attitude in _SILENT]
    if BARE_NO.fullmatch(free) or REJECT.search(free):
        single = [item for own in whole if own.judgement.attitude != "liked" for item in own.mention.items]
        if single:
            return tuple(single)
        if not any(own.mention.items for own in message.told) and not wished:
            return tuple(shown)
    return ()


def asked_for(message: Message) -> bool:
    """Whether an item is asked for by its name: "show me Titanic"."""
    return any(
        own.judgement.attitude == "about"
        and own.mention.items
        and not own.mention.reference
        and _SHOW.search(message.marked[: own.place[0]][-40:])
        for own in message.told
    )


def _unknown_hints(message: Message) -> list[str]:
    """Wishes for what is like a title that the catalogue lacks."""
    found = [message.text[own.mention.start : own.mention.end] for own in message.told if whole_series(message, own)]
    for own in message.told:
        if own.mention.items or own.mention.options or own.judgement.attitude not in ("like", "unlike"):
            continue
        words = message.text[own.mention.start : own.mention.end].strip(" ,.")
        found.append(f"like {words}" if own.judgement.attitude == "like" else f"not like {words}")
    return found


def _request(message: Message, hidden: Sequence[tuple[int, int]], sentences: Sequence[Sentence], wishes: Wishes) -> str:
    """The sentences that hold a wish: neither greetings nor sentences that only judge or ask."""
    kept = []
    for sentence in sentences:
        start, end = sentence.start, sentence.end
        words = message.plain[start:end].strip()
        if not words or any(a <= start and end <= b for a, b in hidden):
            continue
        wished = any(start <= place < end for place, _ in wishes.spans)
        if not wished and not sentence.like and message.polite(message.marked[start:end]):
            continue
        for own in reversed(message.told):
            if own.mention.reference and len(own.mention.items) == 1 and start <= own.place[0] and own.place[1] <= end:
                # "The second one" says nothing to a reader who does not see the list.
                first, stop = own.place[0] - start, own.place[1] - start
                whole = message.plain[start:end]
                words = (whole[:first] + message.catalogue[own.mention.items[0]].title + whole[stop:]).strip()
                break
        kept.append(words)
    # Angle brackets could spell a token of the language model ("<item_5>"): the words stay, the brackets go.
    return re.sub(r"\s+", " ", _MARKUP.sub(" ", " ".join(kept))).strip()
