"""Scope: which of the wishes in a message are wanted, unwanted or taken back; how firmly, and for how long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from agent.understanding.vocabulary import NOUN

N = rf"(?:{NOUN}+s?|ones?|stuff|titles?|shows?|releases?|things?)"
"""A word for items in marked text (see :meth:`Vocabulary.marked`)."""

State = Literal["wanted", "unwanted", "dropped", "less", "background"]


@dataclass(slots=True)
class Hit:
    """Words at ``text[start:end]`` that wish for something, and how they are meant.

    ``kind``: a ``value`` of a facet, a word for a ``level`` of a number, a ``sensitivity``, a ``mood`` or a ``subject``
    that no facet decides. ``known``: the catalogue has the values. ``standing``: for good. ``taste``: liked in general.
    ``place`` is the position of a level or sensitivity in the vocabulary. ``either``: any of the values will do.
    """

    kind: Literal["value", "level", "sensitivity", "mood", "subject"]
    start: int
    end: int
    facet: str = ""
    values: tuple[str, ...] = ()
    known: bool = True
    state: State = "wanted"
    standing: bool = False
    taste: bool = False
    place: int = 0
    either: bool = False


_AND_SO_ON = re.compile(r",? (?:etc\b|and so on|and the like|or so\b|and co\b|that kind|that sort)")
UP_TO = re.compile(
    r"\b(?:(?:nothing|not|none|no|never|isn'?t|without)(?: \w+){0,2} (?:over|above|higher than|beyond|past|"
    r"stronger than|worse than|more than)|at most|max(?:imum)?|up to|"
    r"no (?:more|higher|worse) than)(?: an?| rated| the)* $"
)
OR_LESS = re.compile(
    r"\W?(?:(?: or|,| and) (?:lower|below|under|less|milder|younger|softer|gentler)|"
    r" (?:at (?:the )?most|max(?:imum)?|tops))\b"
)
"""How words say that all values up to one are meant."""

# A negation reaches over at most so many wishes joined as a list; bounds the time spent on odd text.
_LONGEST_LIST = 12
_NEGATOR = re.compile(
    r"(?<![\w])(?P<word>anything but|everything but|all but|anything except|any \w+ but|except(?: for)?|"
    r"other than|apart from|aside from|"
    r"rather than|instead of|without|skip(?= (?:anything|everything|stuff|things)\b)|avoid(?:ing)?|hate[sd]?|"
    r"hating|dislikes?|detests?|loathes?|despises?|minus|"
    r"neither|nor|never|nothing|none(?: of)?|nobody|no one|no more|had it with|(?:done|through|over) with|"
    r"no|not|non-|isn'?t|aren'?t|wasn'?t|don'?t|do not|doesn'?t|does not|didn'?t|won'?t|can'?t|cannot|"
    r"can not|tired of|sick of|weary of|bored of|burn(?:ed|t) out on|"
    r"bored with|bored by|fed up with|(?:had )?enough(?: of| with)?|free of|leave out|rule out|exclud(?:e|es|ing)|"
    r"too|less|fewer|squeamish about|scared of|afraid of|upset by|allergic to)(?![\w])"
    r"(?P<verb>(?:(?: really| even| much| all| any| the| those| these| these| want(?: to (?:watch|see|"
    r"read|play))?| like| love|"
    r" enjoy| need| care(?: much)? for| handle| take| deal with|"
    r" into| stand| do| a| an| big| huge| fan of| fond of| "
    r"keen on| in the mood for| interested in| watch| see| read| play| feel like| with| necessarily| suggest|"
    r" recommend| show me| show| give me| include| pick| another)(?!\w))*)"
)
_NO_NEGATOR = re.compile(
    r"(?:not (?:only|just|sure|bad|seen|watched|read)|no (?:matter|idea|problem|worries|rush|preference|thanks?|"
    r"thank you)|(?:don'?t|do not) (?:mind|care(?! (?:much )?for)|know|think)|"
    r"can'?t wait|never (?:seen|saw|watched|heard)|not seen|nothing against|too (?:much|many|long|"
    r"short)\b|don'?t (?:you|"
    r"forget)|enough(?! (?:of|with)\b)|"
    r"why (?:not|don'?t)|not (?:that|so) (?:many|much)|cannot wait|less than|nor$|without (?:a )?doubt|no doubt|"
    r"(?:didn'?t|don'?t|haven'?t|never) (?:see|saw|seen|watch|watched)\b|no,|not one of)"
)
_ASKED_WHY = re.compile(
    r"\b(?:why|if|you (?:only )?(?:showed|show|gave|give|offered|suggested|recommended|had|have|found)(?: me| us)?)\s*$"
)
"""Before a negation that tells of what was, and wishes for nothing: "you showed me nothing with her"."""
_FOR_GOOD = re.compile(
    r"(?:never|hate[sd]?|hating|dislikes?|detests?|loathes?|despises?|(?:don'?t|do not|doesn'?t|does "
    r"not|can'?t|cannot|can not)"
    r"(?: really| much| even)? (?:like|love|enjoy|stand|care(?: much)? for|do|handle|watch|read|play)|"
    r"not (?:really |much )?(?:a )?(?:big |huge )?(?:into|fan of|fond of|keen on)|squeamish about|scared of|afraid of|"
    r"allergic to)\b"
)
DROP = re.compile(
    r"(?<![\w])(?:drop|forget(?: about)?|lose|remove|scrap|ditch|skip(?! (?:anything|everything|stuff|things)\b)|"
    r"never ?mind|ignore|"
    r"doesn'?t (?:have|need) to be|"
    r"does not (?:have|need) to be|don'?t need|no need (?:for|to be)|not necessarily|needn'?t be|"
    r"no longer)(?: the| that| any| a| it)?(?: \w+)?"
)
_FINE = re.compile(rf"(?: {N})? (?:is|are|would be|'s) (?:fine|ok|okay|allowed|welcome|acceptable|all right|alright)\b")
_AGAIN = re.compile(r"(?:include|allow|bring back|add back)(?: the)? $")
_STOP = re.compile(
    r"[.;!?\n,:(]|\b(?:but|just|only|instead|however|although|give me|i want|i'd like|i need|"
    r"show me|suggest|recommend|want|looking for|"
    r"something|prefer|please|maybe)\b"
)
_BACKGROUND = re.compile(r"\b(?:usually|normally|typically|most of the time|as a rule)\b")
_TASTE = re.compile(
    r"\b(?:i|we|he|she|they|my \w+|and|also|generally|really|usually|both|mostly|all|would|do|kids?|"
    r"wife|husband) (?:also |really |"
    r"generally |usually |mostly |absolutely |just |only |do |always )*(?:loves?|likes?|enjoys?|adores?|"
    r"prefers?|watch|read|play|"
    r"(?:am|is|are|'m) (?:really |also )?(?:into|fond of|keen on|(?:a )?(?:big |huge )?fans? of)|"
    r"(?:big |huge )?fans? of)\b|"
    r"\b(?:i'?m|we'?re|he'?s|she'?s) (?:really |also |mostly |generally )*(?:into|fond of|keen on|"
    r"(?:a )?(?:big |huge )?fans? of)\b|"
    r"^\W*(?:love|like|enjoy|into|fan of)\b"
)
_WOULD = re.compile(
    r"(?:would|i'?d|we'?d|he'?d|she'?d|they'?d|to|something|anything|more|looks?|sounds?|feels?|feel|"
    r"is|was|are|seems?)\W+(?:really |also )*$"
)
_CLAUSE = re.compile(r"[.;!?\n]|,|\bbut\b")
_SENTENCE = re.compile(
    r"[.;!?\n]|,? (?:any|some)thing\b|\bbut\b|\bso (?:give|show|what|any|i|can)\b|\blooking for\b|\bi "
    r"(?:want|need)\b|\btoday\b|\btonight\b"
)
_PREFERRED = re.compile(
    r"(?<![\w'])(?:preferably|ideally|if possible,?|hopefully|best if|bonus(?: points)? (?:if|for)|"
    r"(?:it )?would be (?:nice|great|cool|good) if|with a preference for|(?:even )?better if|"
    r"(?:maybe|perhaps|possibly)(?! (?:not|an?other|you|we|i)\b))(?![\w])"
)
_PREFERRED_AFTER = re.compile(
    r"(?<![\w'])(?:if (?:at all )?possible|if you can|if you have (?:any|one)|would be (?:nice|great|ideal|good|a plus|"
    r"a bonus|cool|lovely|perfect)(?! if)|(?:is|are|'s) (?:a (?:plus|bonus)|preferred|a nice to have)|"
    r"(?:but )?(?:it'?s |that'?s )?not (?:a must|essential|required|a deal ?breaker)|a plus|preferred)(?![\w])"
)
_PEOPLE = re.compile(
    r"\bfor (?P<for>me|myself|him|her|them|us|(?:my|our|the) (?!mood|taste|weekend|evening|night|moment|most)\w+|"
    r"(?:mum|mom|dad|grandma|grandpa))\b|"
    r"(?<![\w'])(?P<who>i|(?:my|the|our) \w+|he|she|they|mum|mom|dad)(?:'d| would)? (?:really |only |just )?"
    r"(?:wants?|likes?|loves?|prefers?|is (?:in the mood for|after|into)|am (?:in the mood for|after|into)|feels? like|"
    r"fanc(?:y|ies))\b"
)
SEPARATOR = re.compile(
    rf"\s*(?:{N})?\s*(?P<sign>,?\s*(?:and/or|or|and|nor|&)|,|/|\+|)\s*"
    rf"(?:(?:'s )?(?:usual|typical)\s+)?(?:(?:a|an|any|some|maybe|even|perhaps|either|also|no|not|good|great|very|"
    rf"too|overly|really|"
    rf"the|is|it's|more|with|bit of|touch of|of|from|anything|something|kinda|like|{N})\s+)*-?\s*"
)
_LAST_ONE = re.compile(r"\bno[tr]? ")


def judge(flat: str, hits: list[Hit]) -> None:
    """Say of each hit in the marked text ``flat`` how it is meant."""
    for match in _NEGATOR.finditer(flat):
        if _NO_NEGATOR.match(flat, match.start()) or _ASKED_WHY.search(flat[: match.start()][-40:]):
            continue
        word = match["word"]
        if word == "too" and re.search(
            r"\b(?:not|n't|nothing|no|never|anything)\b[^.,;!?]{0,25}$|n't $", flat[: match.start()][-30:]
        ):
            continue  # "not too scary": the first word rules
        state: State = "less" if word in ("less", "fewer") else "unwanted"
        if word in ("not", "don't", "dont") and "necessarily" in match["verb"]:
            state = "dropped"
        _spread(flat, hits, match.end(), state, word, _FOR_GOOD.match(flat, match.start()) is not None)
    for hit in hits:
        if re.match(r"[ -]free\b", flat[hit.end : hit.end + 6]) or re.search(
            r"\bnon[ -]?$", flat[max(0, hit.start - 5) : hit.start]
        ):
            hit.state = "unwanted"
        if re.match(
            rf"(?: {N})? (?:bores?|annoys?|depress(?:es)?|upsets?|scares?) (?:me|us|him|her)\b",
            flat[hit.end : hit.end + 30],
        ):
            hit.state, hit.standing = "unwanted", True
        if re.match(
            rf"(?: {N})? (?:(?:is|are)(?:n't| not) (?:really )?(?:my|for me)|not so much|not really my)\b",
            flat[hit.end : hit.end + 30],
        ):
            hit.state, hit.standing = "unwanted", True
    for match in DROP.finditer(flat):
        following = [hit for hit in hits if match.start() <= hit.start <= match.end() + 8 and hit.end > match.start()]
        for hit in following[:1]:
            if not _STOP.search(flat[match.start() : hit.start]):
                hit.state = "dropped"
    for hit in hits:
        if _FINE.match(flat, hit.end) or _AGAIN.search(flat[max(0, hit.start - 20) : hit.start]):
            hit.state = "dropped"
    for match in _BACKGROUND.finditer(flat):
        turn = re.search(r"\bbut\b", flat[match.end() :])
        if turn:
            for hit in hits:
                if match.start() <= hit.start < match.end() + turn.start() and hit.state == "wanted":
                    hit.state = "background"
    for match in _TASTE.finditer(flat):
        if _WOULD.search(flat[: match.start()] + match.group()[: max(0, match.group().rfind(" ")) + 1]):
            continue
        end = _SENTENCE.search(flat, match.end())
        stop = end.start() if end else len(flat)
        for hit in hits:
            if match.end() <= hit.start < stop:
                hit.taste = True


def _spread(flat: str, hits: list[Hit], begin: int, state: State, word: str, for_good: bool) -> None:
    """Mark the hits in the scope that opens at ``begin``: the next one, then those joined to it as a list."""
    following = [hit for hit in hits if hit.start >= begin]
    # "nothing with kids": the preposition may be part of what is not wanted.
    over = [hit for hit in hits if begin - 6 <= hit.start < begin < hit.end and flat[hit.start :].startswith("with ")]
    if over:
        following, begin = [over[0], *following], over[0].start
    if not following:
        return
    gap = flat[begin : following[0].start]
    limit = 0 if word == "too" else 6
    loose = re.sub(r"^\s*(?:something|anything)\b", "", gap)
    if _STOP.search(loose) or len(gap.split()) > limit or _NEGATOR.search(re.sub(r"\btoo\b", "", gap)):
        return
    chain = [following[0]]
    signs: list[str] = []
    for hit in following[1:_LONGEST_LIST]:
        separator = SEPARATOR.fullmatch(flat, chain[-1].end, hit.start)
        if separator is None:
            break
        chain.append(hit)
        signs.append(separator["sign"].strip(" ,") or separator["sign"].strip())
    # "no horror, war or westerns" is one list; in "no horror, a comedy" the comma ends the scope.
    reach = 1
    for place, sign in enumerate(signs):
        later = signs[place:]
        noun = chain[place + 1].kind == "value" and chain[place].kind == "value"
        adjective = re.search(r"(?:y|ic|ed|ous|ing)$", flat[chain[place].start : chain[place].end]) is not None
        # "not too violent sci-fi": what is not too much of something else is wanted.
        if sign == "" and chain[place].kind != "value" and chain[place + 1].kind == "value":
            break
        if sign == "" and adjective and re.search(r"\btoo $|\bso $|\bvery $", flat[: chain[place].start]):
            break
        joined = sign in ("", "or", "nor", "/", "and/or", "+", "&") or (
            sign == "and" and (for_good or (noun and not adjective))
        )
        listed = (
            sign == ","
            and chain[place].facet == chain[place + 1].facet
            and (
                any(s in ("or", "nor") for s in later)
                or (any(s == "and" for s in later) and noun)
                or (len(signs) >= 2 and all(s == "," for s in signs) and noun)
                or _LAST_ONE.search(flat[chain[place].end : chain[place + 1].start]) is not None
            )
        )
        if not (joined or listed):
            break
        reach = place + 2
    for member in chain[:reach]:
        for hit in hits:  # a sensitivity and a value may lie on the same words
            if hit.start < member.end and member.start < hit.end:
                hit.state, hit.standing = state, for_good


def soft_spans(flat: str) -> list[tuple[int, int]]:
    """The places (start, end) of what is only preferred: "preferably from the 80s", "black and white is a plus"."""
    spans = []
    for match in _PREFERRED.finditer(flat):
        if match.group() in ("maybe", "perhaps", "possibly") and not re.search(r"\w", flat[: match.start()]):
            continue  # "maybe a comedy" is all that there is
        end = _CLAUSE.search(flat, match.end() + 1)
        spans.append((match.end(), end.start() if end else len(flat)))
    for match in _PREFERRED_AFTER.finditer(flat):
        # A comma may stand right before ("..., if possible").
        head = flat[: match.start()].rstrip(" ,")
        begins = [found.end() for found in _CLAUSE.finditer(head)]
        spans.append((begins[-1] if begins else 0, match.start()))
    return spans


def several_people(flat: str) -> bool:
    """Whether wishes of several people are told: "a comedy for me and a horror for my brother"."""
    found: dict[str, set[str]] = {"for": set(), "who": set()}
    for match in _PEOPLE.finditer(flat):
        kind = "for" if match["for"] else "who"
        found[kind].add(match[kind])
    return len(found["for"]) > 1 or len(found["who"]) > 1


_NEGATION_BEFORE = re.compile(
    r"(?:\b(?:not|no|nothing|never|without|less|fewer|too|isn't|don't want(?: anything|"
    r" something)?|anything but|other than|"
    r"avoid|hate|except)\b(?: (?:too|very|so|that|overly|a|an|any|anything|with|from|in|the|in the|made in))*) $"
)


def with_negation(flat: str, text: str, start: int, end: int) -> str:
    """The words of a hit, with the "not too" or "no" that stands right before them."""
    match = _NEGATION_BEFORE.search(flat[:start][-60:])
    begin = start - len(match.group()) if match else start
    return text[begin:end].strip()


def grouped(marked: str, hits: Sequence[Hit]) -> list[tuple[str, ...]]:
    """Conjunction of disjunctions: "or" and plurals joined by "and" or commas are alternatives, all else adds up."""
    if not hits:
        return []
    signs: list[str | None] = []
    for left, right in pairwise(hits):
        separator = SEPARATOR.fullmatch(marked, left.end, right.start)
        signs.append(None if separator is None else separator["sign"].strip(" ,") or separator["sign"].strip())
    loose = _AND_SO_ON.match(marked, hits[-1].end)
    clauses: list[list[frozenset[str]]] = [_clause(hits[0])]
    for place, (sign, left, right) in enumerate(zip(signs, hits, hits[1:], strict=False)):
        mine = _clause(right)
        chain = []
        for later in signs[place:]:
            if later is None or later == "":
                break
            chain.append(later)
        plural = _is_plural(marked, left) and _is_plural(marked, right)
        either = (
            sign in ("or", "and/or")
            or (sign == "," and loose is not None)
            or (sign == "," and any(s in ("or", "and/or") for s in chain))
        )
        if either or (plural and sign in (",", "and", "&", "/")):
            clauses[-1] = [old | new for old in clauses[-1] for new in mine]
        else:
            clauses.append(mine)
    groups = list(dict.fromkeys(group for clause in clauses for group in clause))
    if several_people(marked):  # "a comedy for me and a horror for my brother": either will do
        groups = [frozenset().union(*groups)]
    order = {value: place for place, value in enumerate(value for hit in hits for value in hit.values)}
    return [
        tuple(sorted(group, key=lambda value: order[value]))
        for group in groups
        if not any(other < group for other in groups)
    ]


def _clause(hit: Hit) -> list[frozenset[str]]:
    return [frozenset(hit.values)] if hit.either else [frozenset({value}) for value in hit.values]


def _is_plural(marked: str, hit: Hit) -> bool:
    following = re.match(rf" ({N})\b", marked[hit.end : hit.end + 12])
    phrase = following[1] if following else marked[hit.start : hit.end]
    return phrase.endswith("s") and not phrase.endswith(("'s", "ss"))
