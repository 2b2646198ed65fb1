"""Scopes: which of the wishes in a message are wanted, unwanted, or taken back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.domains.films.lexicon import FILM_NOUNS


@dataclass(slots=True)
class Hit:
    """A genre or a mood at ``text[start:end]``, and how it is meant.

    ``kind`` is ``genre`` or ``mood``; ``known`` says whether the catalogue has the genres; ``state`` is ``wanted``,
    ``unwanted``, ``dropped`` (taken back), ``less`` or ``background`` (told, not asked for).
    """

    kind: str
    start: int
    end: int
    genres: tuple[str, ...] = ()
    known: bool = True
    state: str = "wanted"


# A negation reaches over at most so many wishes joined as a list; bounds the time spent on odd text.
_LONGEST_LIST = 12
_NEGATOR = re.compile(
    r"(?<![\w])(?P<word>anything but|everything but|all but|anything except|except(?: for)?|"
    r"other than|apart from|aside from|"
    r"rather than|instead of|without|avoid(?:ing)?|hates?|dislikes?|detest|loathe|despise|minus|"
    r"neither|nor|never|nothing|none of|"
    r"no|not|non-|isn'?t|aren'?t|wasn'?t|don'?t|do not|doesn'?t|didn'?t|won'?t|can'?t|cannot|"
    r"can not|tired of|sick of|bored of|"
    r"bored with|fed up with|enough(?: of)?|free of|leave out|rule out|exclud(?:e|es|ing)|too|less|fewer)(?![\w])"
    r"(?P<verb>(?:(?: really| even| want(?: to (?:watch|see))?| like| love| enjoy| need| care for|"
    r" into| stand| do| a| big| huge| fan of| fond of| "
    r"keen on| in the mood for| interested in| watch| feel like| with| necessarily| suggest|"
    r" recommend| show me| show| give me| include| pick)(?!\w))*)"
)
_NO_NEGATOR = re.compile(
    r"(?:not (?:only|just|sure|bad)|no (?:matter|idea|problem|worries|rush|preference|thanks?|"
    r"thank you)|(?:don'?t|do not) (?:mind|care|know)|"
    r"can'?t wait|never seen|not seen|nothing against|too (?:much|many|long|short)\b|don'?t (?:you|"
    r"forget)|enough(?! of)|"
    r"why (?:not|don'?t)|not (?:that|so) (?:many|much)|cannot wait|less than|nor$|without (?:a )?doubt|no doubt)"
)
DROP = re.compile(
    r"(?<![\w])(?:drop|forget(?: about)?|lose|remove|scrap|ditch|skip|never ?mind|ignore|"
    r"doesn'?t (?:have|need) to be|"
    r"does not (?:have|need) to be|don'?t need|no need (?:for|to be)|not necessarily|needn'?t be|"
    r"no longer)(?: the| that| any| a| it)?(?: \w+)?"
)
_FINE = re.compile(
    rf"(?: {FILM_NOUNS})? (?:is|are|would be|'s) (?:fine|ok|okay|allowed|welcome|acceptable|"
    rf"all right|alright)\b"
)
_AGAIN = re.compile(r"(?:include|allow|bring back|add back)(?: the)? $")
_STOP = re.compile(
    r"[.;!?\n,:(]|\b(?:but|just|only|instead|however|although|give me|i want|i'd like|i need|"
    r"show me|suggest|recommend|want|looking for|"
    r"something|prefer|please|maybe)\b"
)
_BACKGROUND = re.compile(r"\b(?:usually|normally|generally|typically|mostly|most of the time|as a rule|in general)\b")
_CLAUSE = re.compile(r"[.;!?\n]|,|\bbut\b")
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
    rf"\s*(?:{FILM_NOUNS})?\s*(?P<sign>,?\s*(?:and/or|or|and|nor|&)|,|/|\+|)\s*"
    rf"(?:(?:a|an|any|some|maybe|even|perhaps|either|also|no|not|good|great|very|too|overly|really|"
    rf"the|is|it's|more|with|bit of|touch of|of|from|anything|something|{FILM_NOUNS})\s+)*-?\s*"
)


def judge(flat: str, hits: list[Hit]) -> None:
    """Say of each hit whether it is wanted, unwanted, taken back, or only told as background."""
    for match in _NEGATOR.finditer(flat):
        if _NO_NEGATOR.match(flat, match.start()) or re.search(r"\b(?:why|if)\s*$", flat[: match.start()][-8:]):
            continue
        word = match["word"]
        if word == "too" and re.search(
            r"\b(?:not|n't|nothing|no|never|anything)\b[^.,;!?]{0,25}$|n't $", flat[: match.start()][-30:]
        ):
            continue  # "not too scary": the first word rules
        state = {"less": "less", "fewer": "less"}.get(word, "unwanted")
        if word in ("not", "don't", "dont") and "necessarily" in match["verb"]:
            state = "dropped"
        _spread(flat, hits, match.end(), state, word)
    for hit in hits:
        if re.match(r"[ -]free\b", flat[hit.end : hit.end + 6]) or re.search(
            r"\bnon[ -]?$", flat[max(0, hit.start - 5) : hit.start]
        ):
            hit.state = "unwanted"
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


def _spread(flat: str, hits: list[Hit], begin: int, state: str, word: str) -> None:
    """Mark the hits in the scope that opens at ``begin``: the next one, then those joined to it as a list."""
    following = [hit for hit in hits if hit.start >= begin]
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
        noun = chain[place + 1].kind == "genre" and chain[place].kind == "genre"
        adjective = flat[chain[place].start : chain[place].end] in (
            "scary",
            "funny",
            "romantic",
            "animated",
            "hilarious",
        )
        joined = sign in ("", "or", "nor", "/", "and/or", "+", "&") or (sign == "and" and noun and not adjective)
        listed = sign == "," and (
            any(s in ("or", "nor") for s in later)
            or (any(s == "and" for s in later) and noun)
            or (len(signs) >= 2 and all(s == "," for s in signs) and noun)
            or re.search(r"\bno[tr]? ", flat[chain[place].end : chain[place + 1].start]) is not None
        )
        if not (joined or listed):
            break
        reach = place + 2
    for hit in chain[:reach]:
        hit.state = state


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
    """Whether wishes of several people are told: "a comedy for me and a horror film for my brother"."""
    found: dict[str, set[str]] = {"for": set(), "who": set()}
    for match in _PEOPLE.finditer(flat):
        kind = "for" if match["for"] else "who"
        found[kind].add(match[kind])
    return len(found["for"]) > 1 or len(found["who"]) > 1


def with_negation(flat: str, text: str, start: int, end: int) -> str:
    """The words of a hit, with the "not too" or "no" that stands right before them."""
    match = re.search(
        r"(?:\b(?:not|no|nothing|never|without|less|fewer|too|isn't|don't want(?: anything|"
        r" something)?|anything but|other than|"
        r"avoid|hate|except)\b(?: (?:too|very|so|that|overly|a|an|any|anything|from|in|the|in the|made in))*) $",
        flat[:start][-60:],
    )
    begin = start - len(match.group()) if match else start
    return text[begin:end].strip()
