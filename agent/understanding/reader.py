"""Reader: from one message in its context to dialogue acts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.catalogue.catalogue import Catalogue
from agent.domains.languages import language, readable
from agent.records.acts import Act, Ask, Command, Judge, NotUnderstood, Pleasantry, Want, WhichItem
from agent.text import clean, flat
from agent.understanding.answering import read_question
from agent.understanding.asking import ASKS, Sentence, asked
from agent.understanding.cues import (
    ABUSE,
    ACCEPT,
    ALSO_MORE,
    ASK,
    CHAT,
    FORGET,
    GREETING,
    MORE,
    NEXT,
    POLITE,
    RESET,
    THANKS,
    UNDO,
)
from agent.understanding.later import for_later
from agent.understanding.likely import clues_of, likely_had
from agent.understanding.message import Message
from agent.understanding.people import OTHERS, last_person
from agent.understanding.reading import Compared, Context, Mention, Reading
from agent.understanding.replies import answered, replied, substituted
from agent.understanding.topics import opens_anew
from agent.understanding.unlisted import as_said
from agent.understanding.verdicts import judged_clauses, judges, which
from agent.understanding.vocabulary import ANY_WORK, known_words, vocabulary_of, wordlike
from agent.understanding.wanting import asked_for, only_points, taken_back, want

_PRONOUN = re.compile(r"\b(?:i|i'?m|i'?ve|i'?ll|my|you|your|we|he|she|they|our|me)\b")
_DID_THEY = re.compile(
    r"\W*(?:(?:and|so|but)\W+)?(?:did|does|has|have|is|was|were) (?P<who>[^\W\d_][\w'.-]*(?: [\w'.-]+){0,2}?) "
    r"(?:also |really |ever )?(?P<verb>[a-z]{2,}) (?:in |¤|it\b|that\b|this\b)"
)
_CORRECTS = re.compile(r"\W*(?:(?:sorry|oops|i meant?|rather)\b[\s,.!]*)+(?=\w)")
"""How a message begins that says another word for the last one: "sorry, Paris"."""
_FINE_TOO = re.compile(
    r"^\W*[^.!?]{3,60}? (?:is|are|would be|'s|were) (?:also |totally |perfectly |just |absolutely |all )*"
    r"(?:fine|ok(?:ay)?|no problem|all ?right|welcome|allowed|acceptable|not a problem)"
    r"(?: too| as well| with (?:me|us)| by me)?\W*$|"
    r"\b(?:i|we) (?:really )?do(?:n't| not) (?:mind|care (?:about|if))\b|\bdo(?:es)?(?:n't| not) matter\b"
)
"""Allows what nobody had ruled out: "subtitles are fine"."""
_NO_LIMIT = re.compile(r"\b(?:drop|forget|remove|lift|no) (?:about )?(?:the |that |any )?(?:\w+ ){1,2}limits?\b")
"""Takes back a limit, where none holds."""
_PRAISES = re.compile(
    r"\W*(?:(?:wow|oh|ok|okay|that'?s|what|a|an|these|those|are|really|very|such)\W+)*(?:great|nice|good|awesome|lovely|"
    r"perfect|cool|excellent|fantastic|amazing|super|wonderful)(?: (?:list|picks?|choices?|suggestions?|selection|"
    r"ones?|stuff|taste|job|work|ideas?|recommendations?|mix|ƒ+s?))?\W*$"
)
"""A compliment on what is shown."""


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
        begin = Command("forget" if FORGET.search(marked) else "restart")
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
            return Reading((begin,), language(text))
        told = understand(rest, Context(), catalogue)
        acts = tuple(act for act in told.acts if isinstance(act, Want | Judge | WhichItem))
        return replace(told, acts=(begin, *acts), mentions=())
    reading = _reading(Message(text, context, catalogue, vocabulary))
    if catalogue.domain.answers:
        return read_question(text, reading, context, catalogue, vocabulary)
    return reading


def _reading(message: Message) -> Reading:
    acts, corrects = _acts(message)
    mentions = tuple(own.mention for own in message.told if own.mention.items or own.mention.options)
    unknown = tuple(words for _, _, words in message.unknown)
    return Reading(tuple(acts), message.language, mentions, corrects, unknown, _likely(message, mentions, acts))


def _likely(message: Message, mentions: Sequence[Mention], acts: Sequence[Act]) -> tuple[tuple[int, float], ...]:
    model = likely_had(message.catalogue.domain)
    if model is None:
        return ()
    found = clues_of(message.text, message.context, mentions, acts, message.catalogue)
    return tuple((item, model.chance(clues)) for item, clues in found.items())


def _acts(message: Message) -> tuple[list[Act], bool]:
    context, marked = message.context, message.marked
    if message.text.strip() and not marked.strip():  # nothing but "english please"
        return [Pleasantry("chat")], False
    if not readable(message.language, message.catalogue.domain) and not message.told:
        return [NotUnderstood("language", message.text)], False
    if (later := for_later(message)) is not None:
        told = (own for own in judges(message, []) if own.verdict in ("liked", "disliked", "seen"))
        return [*told, later], False
    undo = UNDO.search(marked)
    short = undo is not None and not message.told and len(re.findall(r"\w+", UNDO.sub(" ", marked))) <= 4
    if short and not message.wishes(UNDO.sub(lambda match: " " * len(match.group()), marked), ()):
        return [Command("undo")], False
    if message.correcting:
        corrected = _corrected(message)
        if corrected:
            return corrected, True
    if context.question is not None and context.question.kind == "known":
        message.told = [
            replace(own, judgement=replace(own.judgement, attitude="liked"))
            if own.judgement.attitude in ("like", "about")
            else own
            for own in message.told
        ]
    sentences = message.sentences()
    asks, hidden = _asks(message, sentences)
    message.asking = tuple(hidden)
    message.person = last_person(asks, message.catalogue) or message.person
    verdicts = judges(message, hidden)
    answers = replied(_unasked(message, hidden), message.context, _named_places(message))
    known = {verdict.item for verdict in verdicts}
    verdicts += [verdict for verdict in answers if verdict.item not in known]
    open_names = which(message, hidden)
    hidden += judged_clauses(message, sentences)
    wanted = want(message, hidden, sentences, bool(asks or verdicts or open_names))
    acts: list[Act] = [*verdicts, *open_names]
    if wanted is not None:
        acts.append(wanted)
        if wanted == Want(count=wanted.count, request=wanted.request) and MORE.fullmatch(message.marked.strip()):
            acts.append(Command("more"))  # "five more"
        elif message.person in wanted.conditions and OTHERS.search(marked):
            acts.append(Command("next"))  # "what else has she written?"
    else:
        command = _command(message, bool(verdicts or asks))
        acts += [] if command is None else [command]
    acts += asks
    if not acts:
        acts.append(_other(message))
    return acts, False


def _asks(message: Message, sentences: Sequence[Sentence]) -> tuple[list[Ask], list[tuple[int, int]]]:
    """The questions, each once, and their places."""
    found: list[Ask] = []
    places: list[tuple[int, int]] = []
    before: tuple[int, ...] = ()
    for sentence in sentences:
        wishes = message.wishing.read(*message.only(sentence.start, sentence.end), Compared(), ())
        ask = asked(
            sentence,
            message.marked,
            message.folded,
            message.vocabulary,
            message.context.shown,
            before or message.context.offered or message.context.spoken,
            wishes.complete,
            tuple(wishes.conditions),
        )
        before = sentence.items or before
        if ask is not None and not ask.items and message.off_topic(message.marked[sentence.start : sentence.end]):
            ask = None  # "what's the weather like?"
        if ask is not None and ask.kind == "about" and len(ask.items) == 1:
            ask = _of_a_person(message, message.marked[sentence.start : sentence.end], ask)
        if ask is not None:
            found.append(ask)
            places.append((sentence.start, sentence.end))
    return list(dict.fromkeys(found)), places


def _of_a_person(message: Message, text: str, ask: Ask) -> Ask:
    """The question whether somebody made an item or is in it: "did she write it?", "did Hans Zimmer direct it?"."""
    match = _DID_THEY.match(text)
    facet = None if match is None else message.vocabulary.facet_of(match["verb"])
    if match is None or (facet is None and match["verb"] not in ANY_WORK):
        return ask
    person = message.person if match["who"] in ("he", "she", "they") else None
    if person is not None:
        return Ask("which", ask.items, None, (replace(person, facet=facet or person.facet),))
    return ask if facet is None else Ask("facet", ask.items, facet)


def _named_places(message: Message) -> list[tuple[int, int]]:
    """Where items are named or judged: "thanks for your suggestions" does neither."""
    return [own.place for own in message.told if own.judgement.cued or not own.mention.reference]


def _unasked(message: Message, hidden: Sequence[tuple[int, int]]) -> str:
    """The marked text up to the first question; a question that is all there is counts by its first words."""
    if not hidden:
        return message.marked
    head = message.marked[: hidden[0][0]]
    return head if head.strip() else " ".join(message.marked.split()[:4])


def _corrected(message: Message) -> list[Act]:
    """The acts of the message before, with the item that is meant in place of the mistaken one."""
    spoken = message.context.spoken
    refused = set(message.items("reject")) & set(spoken)
    meant = [item for own in message.told for item in own.mention.items if item not in spoken]
    mistaken = [item for item in spoken if item in refused] or list(spoken[-1:])
    if not meant or not mistaken:
        return []
    changed = [substituted(act, mistaken[0], meant[0]) for act in message.context.acts]
    return changed if changed != list(message.context.acts) else [Want(like=(meant[0],), reject=(mistaken[0],))]


def _command(message: Message, acted: bool) -> Command | None:
    marked = message.marked
    match = MORE.fullmatch(marked.strip())
    if (
        match is None
        and not (acted and ALSO_MORE.search(marked))
        and not (message.context.shown and ALSO_MORE.search(marked))
    ):
        return None
    if not message.context.begun and not acted:
        return None
    word = match["word"] if match is not None else "more"
    return Command("next" if NEXT.search(word) else "more")


def _other(message: Message) -> Act:
    """What a message is that neither wishes, judges, asks nor commands."""
    marked = message.marked
    shown = [own for own in message.told if own.mention.items]
    if only_points(message):
        return Ask("about", shown[0].mention.items)  # "the third one, please"
    if shown and (asked_for(message) or not any(own.mention.reference for own in shown)):
        items = tuple(dict.fromkeys(item for own in shown for item in own.mention.items))
        if asked_for(message) or marked.rstrip().endswith("?"):
            return Ask("about", items)
        if not _PRONOUN.search(marked):
            return Want(like=items, opens_topic=True, request=message.plain.strip())
        return Pleasantry("chat")
    if message.off_topic(marked):
        return NotUnderstood("off_topic", message.text)
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
    if freed := taken_back(message):
        return Want(drops=tuple(freed))
    if ACCEPT.search(marked) and message.context.shown:
        return Pleasantry("accept")
    if message.context.shown and _PRAISES.match(marked):
        return Pleasantry("thanks")
    if GREETING.match(marked):
        return Pleasantry("greeting")
    if ACCEPT.search(marked) or THANKS.search(marked) or CHAT.search(marked) or message.polite(marked):
        return Pleasantry("chat")
    if not known_words(message.folded, message.vocabulary):
        return NotUnderstood("nonsense", message.text)
    found = [word for word in re.findall(r"[^\W\d_]{2,}", message.folded)]
    if _PRONOUN.search(marked) or shown:
        return Pleasantry("chat")
    if marked.rstrip().endswith("?") and ASKS.match(marked) is not None and not ASK.search(marked):
        return NotUnderstood("question", message.text)
    if message.context.begun and (_FINE_TOO.search(marked) or _NO_LIMIT.search(marked)):
        return Pleasantry("chat")
    subject = " ".join(found)
    if found and sum(word in message.vocabulary.words or wordlike(word) for word in found) * 2 >= len(found):
        said = message.plain.strip()
        if (corrects := _CORRECTS.match(marked)) is not None and message.context.begun:
            said = said[corrects.end() :]
            return Want(hints=(as_said(said),), drops=("hints",), request=said)
        opens = not message.context.begun or opens_anew(marked)
        return Want(hints=(as_said(said),), opens_topic=opens, request=said)
    return NotUnderstood("nonsense", subject or message.text)
