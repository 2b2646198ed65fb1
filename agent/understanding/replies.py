"""Replies: answers to the agent's open question, and what short answers say of the items that it named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.catalogue.catalogue import Catalogue
from agent.domains.languages import language
from agent.records.acts import Act, Ask, Judge, Verdict, Want
from agent.text import clean, flat
from agent.understanding.reading import Context, Mention, Reading
from agent.understanding.referring import chosen

_AGREES = re.compile(
    r"\W*(?:(?:yes|yeah|yep|yup|ya|sure|ok|okay|of course|please|please do|do it|go ahead|exactly|"
    r"right|correct|that'?s (?:it|right|the one)|absolutely|definitely|i do|sounds "
    r"good)\b[\s,.!]*){1,4}"
)
_ASKED_SEEN = re.compile(
    r"\b(?:(?:have|did|do|has|had) (?:you|u|ya|either of you)|you(?:'ve)?|ever|have (?:you )?both|u) "
    r"(?:ever |guys |also |already |both |happened to |all |not )*(?:see|seen|watch|watched|read|"
    r"played|try|tried|hear(?:d)? (?:of|about)|check(?:ed)? out)\b|haven'?t you seen"
)
_ASKED_LIKED = re.compile(
    r"\b(?:did|do|have) (?:you|u|ya) (?:ever |also |really |guys )*(?:like|liked|enjoy|enjoyed|love|"
    r"loved)\b|(?:what|how) did (?:you|u) (?:think|like)|are you a fan|was it (?:good|any good)"
)
_YES = re.compile(
    r"\W*(?:(?:oh|well|haha|lol|hell|ah|hi|hello|omg|wow)\W+)*(?:yes|yeah|yep|yup|ya|yea|yess+|"
    r"sure(?: did| have)?|of course|i have(?!n)|i did(?!n)|i do(?!n)|we have(?!n)|we did(?!n)|"
    r"definitely|absolutely|indeed|i've seen|have seen|seen (?:it|that|them|those|both))\b"
)
_NO = re.compile(
    r"\W*(?:(?:oh|well|haha|lol|ah|hm+|hi|actually|honestly|sorry|um|sadly|unfortunately)\W+)*(?:no+|"
    r"nope|nah|not yet|naw|i have(?:n'?t| not)|i haven'?t|we haven'?t|haven'?t|have not|never|i "
    r"did(?:n'?t| not)|i don'?t think (?:so|i have)|not (?:seen|that i)|i never)\b(?! (?:problem|"
    r"worries|idea|but i did|matter|doubt))"
)
_LOVED = re.compile(
    r"\b(?:loved?|loves|liked|enjoyed|great|awesome|amazing|fantastic|excellent|wonderful|funny|"
    r"hilarious|favou?rites?|good(?! (?:day|night|one bye|evening|suggestion|idea))|classic|brilliant|"
    r"perfect|best)\b"
)
_HATED = re.compile(
    r"\b(?:hated|disliked|(?:did|do)(?:n'?t| not) (?:really |particularly )?(?:like|enjoy|care for|"
    r"love)|boring|terrible|awful|horrible|stupid|(?:not|was(?:n'?t| not)|were(?:n'?t| not)|am not|'m not) "
    r"(?:(?:that|very|so|really|as|all that|too|exactly|quite|a|the|big|huge) )*(?:good|great|funny|for me|fans?|fond|"
    r"impressed|worth|my (?:cup|thing|type|style|kind|favou?rite))|overrated|sucked|let ?down|disappoint\w+|corny|"
    r"(?:ok|okay|alright|fine|decent)\b,?(?: i guess)? but (?:not|i (?:felt|found|thought)|it (?:was|felt)|a bit|too)|"
    r"can'?t stand)\b"
)
_DECLINED = re.compile(
    r"\b(?:(?:not|n'?t) (?:(?:really|that|very|all that|particularly|so|too|at all|much) )*(?:interested|keen|into|a "
    r"fan)|(?:do|does|did)(?:n'?t| not) (?:really )?(?:think|believe|know (?:if|that)) (?:that )?(?:i|we)(?:'d|'ll| "
    r"would| will)? (?:really )?(?:watch|see|read|play|try|like|enjoy)|(?:do|does|did)(?:n'?t| not) (?:really )?"
    r"(?:look|sound|seem) (?:that |very |too |so )?(?:interesting|good|great|fun|like)|no,? thanks?\b(?! (?:you )?for)|"
    r"i'?ll pass|too much into)\b"
)
_IT_WAS = re.compile(r"\b(?:it|that(?: one)?|this(?: one)?|they) (?:was|were|is|are|felt)(?:n'?t)?\b")
_NOT_SEEN = re.compile(
    r"\b(?:(?:have|had|has)(?:n'?t| not)(?: yet| actually| ever| really| even)* (?:seen|watched|heard|"
    r"saw|see|had|gotten|read)|never (?:seen|saw|watched|heard|read)|did(?:n'?t| not) (?:see|watch|"
    r"catch)|not seen|haven'?t(?: yet)?(?=\W*$|[.,!]))"
)
_SEEN = re.compile(
    r"\b(?:i'?ve|i have|we have|we'?ve|i|we|have|already) (?:already |both |also |just |all )*(?:seen|watched|saw)\b"
)
_INTERESTED = re.compile(
    r"\b(?:(?:i'?ll|i will|i am going to|i'?m going to|going to|gonna|i'?ll have to|will have to|"
    r"we'?ll|we will|let me|might|may|should|want to|would like to|i'?d like to|'d love to|would love "
    r"to|need to|have to|must|gotta)(?: definitely| totally| also| have to| probably| just| then| "
    r"try(?: to)?| go| to)* "
    r"(?:see|watch|check|look|try|add|rent|give|put|pick|take|go with|keep|write|read)|sounds? (?:\w+ "
    r"){0,2}(?:good|great|interesting|fun|awesome|perfect|cool|amazing|nice|like)|looks? (?:\w+ "
    r"){0,2}(?:good|great|interesting|fun)|"
    r"heard (?:\w+ ){0,2}(?:good|great|it was good)|(?:good|great|nice|excellent|perfect) "
    r"(?:suggestion|idea|choice|recommendation|pick)s?|been wanting|on my list|my (?:watch ?)?list|"
    r"i'?m interested|that could work|can'?t wait|check (?:it|that|them|those|this) out)\b"
)
_MANY = re.compile(r"\b(?:both|them|those|all|these|either|neither|any of)\b")
_LAST_OF = re.compile(r"\b(?:the (?:last|second|latter)|that one)\b")


def answered(message: str, context: Context, catalogue: Catalogue) -> Reading | None:
    """The message as the answer to the agent's open question; None where it is none."""
    question = context.question
    if question is None:
        return None
    text = clean(message)
    if question.kind == "which" and question.which is not None:
        options = question.which.options
        item = next((own for own in options if flat(catalogue[own].name) == flat(text).strip(" .!?\"'")), None)
        if item is None and len(text.split()) <= 14:
            item = chosen(text, options, catalogue)
            if item is None:
                linked = {own for link in catalogue.link(text) for own in link.options if own in options}
                item = linked.pop() if len(linked) == 1 else None
        if item is None and len(options) == 1 and _AGREES.fullmatch(flat(text)):
            item = options[0]
        if item is None:
            return None
        said = question.which.said or Want(like=(options[0],), opens_topic=not context.begun)
        found = substituted(said, options[0], item)
        place = Mention(0, len(text), (item,))
        return Reading((found,), language(text), (place,))
    if question.kind == "confirm" and question.yes and _AGREES.fullmatch(flat(text)):
        return Reading(question.yes, language(text))
    return None


def substituted(act: Act, old: int, new: int) -> Act:
    """``act`` with the item ``new`` in place of ``old``."""

    def swapped(items: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(new if item == old else item for item in items)

    if isinstance(act, Want):
        return replace(act, like=swapped(act.like), unlike=swapped(act.unlike), reject=swapped(act.reject))
    if isinstance(act, Judge):
        return replace(act, item=new if act.item == old else act.item)
    if isinstance(act, Ask):
        return replace(act, items=swapped(act.items))
    return act


def replied(marked: str, context: Context, places: Sequence[tuple[int, int]]) -> list[Judge]:
    """What the message says of the items that the agent's latest words named, without naming or pointing at them.

    Args:
        marked: the message, marked, mentions masked.
        context: with ``said`` and ``offered``; without these nothing is replied to.
        places: where the message names or points at items (start, end).
    """
    if not context.offered or not context.said:
        return []
    # What stands before the first item that the message itself names is the answer.
    head = marked[: places[0][0]] if places else marked
    if places and not (_YES.match(head) or _NO.match(head)):
        return []
    said = flat(context.said)
    first = re.split(r"[.!?;\n]", head, maxsplit=1)[0] if places else head
    declined = not places and _DECLINED.search(first) is not None
    verdict = _verdict(first, said, bool(places) or declined)
    verdicts: list[Verdict] = [own for own in (verdict, "not_interested" if declined else None) if own is not None]
    items = context.offered if _MANY.search(first) or len(context.offered) <= 2 else context.offered[-1:]
    return [Judge(item, own) for own in verdicts for item in items]


def _verdict(head: str, said: str, short: bool) -> Verdict | None:
    asked_seen, asked_liked = _ASKED_SEEN.search(said), _ASKED_LIKED.search(said)
    if _NOT_SEEN.search(head):
        return "not_seen"
    if _NO.match(head):
        if asked_seen:
            return "not_seen"
        return "disliked" if asked_liked else None
    yes = _YES.match(head) is not None
    if (asked_seen or asked_liked) and yes:
        if _HATED.search(head):
            return "disliked"
        return "liked" if _LOVED.search(head) or (asked_liked and not asked_seen) else "seen"
    if short:
        return None
    if _INTERESTED.search(head):
        return "interested"
    if _HATED.search(head) and (asked_seen or asked_liked or _SEEN.search(head) or _IT_WAS.search(head)):
        return "disliked"
    if _LOVED.search(head) and (asked_seen or asked_liked):
        return "liked"
    return "seen" if _SEEN.search(head) else None
