"""Attitudes: what a message feels about the titles that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.domains.films.lexicon import FILM_NOUNS, GENRE_WORDS, any_of
from agent.understanding.ratings import given_rating

Attitude = Literal["liked", "disliked", "seen", "like", "unlike", "about"]
"""``like``: an example of what is wanted ("something like X"); ``unlike``: of what is not; ``about``: only named."""

_NOT = r"(?:did|do|does|would|could|can|was|is|have|has|had)(?:n'?t| not)|cannot|never|not"
_BEFORE: tuple[tuple[str, str], ...] = (
    (
        "about",
        r"(?:have you (?:ever )?(?:seen|watched)|did you (?:like|see|watch|enjoy)|do you (?:like|know|"
        r"have)|what about|tell me (?:more )?about|"
        r"more about|know about|heard of|who (?:directed|made|is in|stars in|plays in)|when was|"
        r"should i (?:see|watch)|is|was|are|were|compare|"
        r"why not|why|what is|what's|how about|how is|how good is|the trailer (?:of|for))",
    ),
    (
        "about",
        rf"(?:(?:{_NOT})(?: yet| ever)? (?:seen|watched|finished)|(?:want|wanted|like|love|going|"
        rf"plan(?:ning)?|hoping|meaning|need) to (?:re-?)?(?:see|watch)|wanna (?:see|watch))",
    ),
    (
        "not",
        r"(?:not|no|except(?: for)?|besides|other than|apart from|anything but|instead of|rather than|"
        r"aside from|already recommended|without)",
    ),
    (
        "unlike",
        rf"(?:unlike|(?:nothing|none|no(?: more)?|not|less)(?: (?:at all|too|so|anything|something|more|"
        rf"another|one|much|{FILM_NOUNS}))* (?:like|similar to)|"
        rf"(?:{_NOT}) (?:want|need|show me|give me|looking for) (?:anything|something|{FILM_NOUNS}|"
        rf"another|one|more)(?: (?:like|similar to))?|"
        r"(?:the )?(?:opposite|contrary) of|different (?:from|to|than)|avoid (?:anything|things|stuff|"
        r"films|movies) like|not another|not as \w+ as|"
        r"(?:hate|dislike|don'?t like|do not like) (?:anything|things|stuff|films|movies) like)",
    ),
    (
        "like",
        r"(?:similar(?: (?:in )?\w+)? to|(?:in the |the |same )?(?:style|vein|spirit|mood|tone|vibe|"
        r"feel|feeling|atmosphere|energy|kind|type|sort)(?: \w+)? (?:of|as)|along the lines of|"
        r"reminiscent of|as \w+ (?:and \w+ )?as|such as|akin to|(?:newer|older|earlier|later|\w+er|"
        r"more \w+|less \w+) than|a la|another|close(?:st)? to|"
        r"comparable to|for (?:big )?(?:a )?fans? of|"
        r"in between|between|reminds? me of|sequel to|follow(?:-| )?up to|if (?:i|you|we|she|he|"
        r"they) (?:really )?(?:like[ds]?|love[ds]?|enjoy(?:ed)?)|"
        r"(?:meets|crossed with|cross between|mix of|mix between|combination of|blend of)|because (?:i|"
        r"we) (?:really )?(?:liked?|loved?|enjoyed)|like)",
    ),
    (
        "disliked",
        rf"(?:hate[ds]?|dislike[ds]?|detest(?:ed)?|loathed?|despised?|(?:{_NOT}) (?:really |much |even |"
        rf"particularly |actually |at all )?"
        r"(?:stand|like|love|enjoy|care (?:much )?for|get|dig|finish|liked|enjoyed|understood|"
        r"cared for|get into|get through|into|keen on)|"
        r"(?:not|n'?t|never)(?: been)?(?: really)?(?: a)?(?: big| huge| great)? fan of|bored (?:by|"
        r"with)|disappointed (?:by|with|in)|walked out of|"
        r"fell asleep (?:during|in|watching)|sick of|tired of|gave up on|thumbs down (?:for|to)|"
        r"worst (?:film|movie)(?: \w+){0,3}? (?:is|was))",
    ),
    (
        "liked",
        rf"(?:love[ds]?|loving|adore[ds]?|enjoy(?:ed|s|ing)?|liked|likes|(?:i|we|you|really|also|do|"
        rf"always|quite|particularly|absolutely|both|still|did|they|wife|husband|"
        rf"kids|friends|girlfriend|boyfriend|son|daughter) like|prefer(?:red)?|fans? of|(?:favou?rites?|favs?|"
        rf"faves?)(?: (?:all[ -]time|ever|{FILM_NOUNS}|{any_of(GENRE_WORDS)}))*(?: of all time)?"
        r"(?: (?:is|are|was|were|include|includes|have to be|has to be|would be|must be))?|"
        r"best (?:film|movie|thing)(?: \w+){0,4}? (?:is|was)|obsessed with|crazy about|"
        r"impressed by|thumbs up (?:for|to)|my top \w+(?: (?:is|are|films|movies))*|big on)",
    ),
    (
        "seen",
        r"(?:seen|watched|saw|finished|re-?watched|viewed|caught|watching|been watching|shown me|"
        r"recommended me)",
    ),
)
_COMPILED = tuple((name, re.compile(rf"(?<![\w'])(?:{pattern})(?![\w'])")) for name, pattern in _BEFORE)
_QUALITY = (
    r"(?:(?:a bit|a little|so|too|really|pretty|quite|very|rather|just|kind of|kinda|way|"
    r"absolutely|totally|extremely|incredibly|super|both|all|also|such|a|an|the) )*"
)
_BAD = (
    r"(?:boring|dull|bad|terrible|awful|horrible|overrated|rubbish|crap|garbage|trash|"
    r"disappointing|slow|stupid|dumb|mediocre|meh|tedious|weak|"
    r"pointless|annoying|lame|unwatchable|mess|disappointment|let ?down|bore|waste|worst|too \w+|"
    r"not (?:good|great|my thing|for me|funny|my cup of tea))"
)
_FINE = (
    r"(?:great|good|amazing|awesome|brilliant|fantastic|wonderful|excellent|superb|perfect|fun|"
    r"funny|hilarious|beautiful|incredible|lovely|terrific|"
    r"magnificent|masterpiece|classic|gem|delight|best|my (?:all[ -]time )?fav\w*|one of (?:my|"
    r"the)|among my|touching|moving|gripping|unforgettable|cool|genius|stunning|my \w+ film)"
)
_IS = r"(?:was|is|were|are|felt|seemed|seems|'s)"
_IT = r"(?:it|that|them|both|that one|this one)"
_AFTER = (
    (
        "disliked",
        re.compile(
            rf"\W*(?:{_IS} {_QUALITY}{_BAD}\b|(?:really |just )?(?:sucked|sucks|bored|bores)\b|"
            rf"put me to sleep|left me cold|{_IS}(?:n'?t| not) {_QUALITY}(?:good|great|funny|for me|my|"
            rf"enjoyable|worth)|"
            rf"not for me|did nothing for me|did(?:n'?t| not) (?:work|do it) for me|disappointed|(?:(?:and|"
            rf"but|though|which) )?(?:i )?(?:really |absolutely |just )?(?:hated|disliked|did(?:n'?t|"
            rf" not) (?:really )?(?:like|enjoy|love)|"
            rf"could(?:n'?t| not) stand|was bored by) {_IT}\b|(?:and|but) (?:it|they) (?:was|"
            rf"were) {_QUALITY}{_BAD}\b)"
        ),
    ),
    (
        "liked",
        re.compile(
            rf"\W*(?:{_IS} {_QUALITY}{_FINE}\b|rocks\b|rocked\b|rules\b|blew me away|made (?:me|my)|"
            rf"(?:(?:and|but|though|which) )?(?:i )?(?:really |absolutely |just )?(?:loved|liked|enjoyed|"
            rf"adored|love|like) {_IT}\b|"
            rf"(?:and|but) (?:it|they) (?:was|were) {_QUALITY}{_FINE}\b)"
        ),
    ),
    (
        "seen",
        re.compile(
            r"\W*(?:already\b|(?:i'?ve|i have|i) (?:already )?(?:seen|watched|saw) (?:it|that|them|this|"
            r"both)|seen (?:it|that))"
        ),
    ),
    (
        "like",
        re.compile(
            r"[\s,\"'”’]*(?:but(?! (?:i|it|not|the|that|was|then)\b)|only (?!if)|just (?:with|more|less|"
            r"not)|except|with (?:more|less|a bit|some)|without|in space|vibes?|style|-?esque|-like|ish\b)"
        ),
    ),
)
_LATER = (
    ("disliked", re.compile(rf"(?:,|\band|\bbut) (?:it|they) (?:was|were|is) {_QUALITY}{_BAD}\b")),
    ("liked", re.compile(rf"(?:,|\band|\bbut) (?:it|they) (?:was|were|is) {_QUALITY}{_FINE}\b")),
    (
        "disliked",
        re.compile(
            r"(?:,|\band|\bbut) (?:i |we |(?:the |my )\w+ )?(?:really |absolutely |all )?(?:hated|disliked|"
            r"did(?:n'?t| not) (?:like|"
            r"enjoy)) (?:it|them)\b"
        ),
    ),
    (
        "liked",
        re.compile(
            r"(?:,|\band|\bbut) (?:i |we |(?:the |my )\w+ )?(?:really |absolutely |all )?(?:loved|liked|"
            r"enjoyed|adored) (?:it|them|every)\b"
        ),
    ),
)
_FOUND_SO = (
    ("disliked", re.compile(rf"\W*{_QUALITY}{_BAD}\b")),
    ("liked", re.compile(rf"\W*{_QUALITY}{_FINE}\b")),
)
_ATTITUDES: dict[str, Attitude] = {
    "liked": "liked",
    "disliked": "disliked",
    "seen": "seen",
    "like": "like",
    "unlike": "unlike",
}
_FOUND = re.compile(r"\b(?:found|thought|think|find)(?: that)?\s+[\"'“‘]?(?:the |an? )?$")
_LIST = re.compile(
    r"[\s\"'“”‘’)*_]*(?:,|/|;|&|\+|\band\b|\bor\b|\bnor\b|\bas well as\b|\balso\b|\bboth\b|"
    r"\bthen\b|\beven\b|\s|\bthe\b|\ban?\b)*[\s\"'“‘(*_]*"
)
_SENTENCE = re.compile(r"[.!?;\n](?:\s|$)")
_NEAR = re.compile(
    r"(?:[\s\"'“‘(*_:,-]|\b(?:the|an?|both|films?|movies?|one|called|titled|like|of|all|all of|so|"
    r"much|parts? of|first|original|new|old|ending|story|plot|way|how|mostly|also|and|or|either|is|"
    r"are)\b|'s)*"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a message feels about one title.

    ``stars`` are those that it gives (0.5 to 5; None: none); ``refused`` says that the title must not be shown though
    nothing is said against it ("not X"); ``end`` is where the words end that judge it ("X was too long"); ``alone``
    says that the message holds nothing but titles.
    """

    attitude: Attitude
    stars: float | None
    refused: bool
    end: int
    alone: bool = False


def attitudes(flat: str, places: Sequence[tuple[int, int]]) -> list[Judgement]:
    """The judgement of each title at ``places`` (start, end; in order) of the folded message."""
    own: list[tuple[str | None, float | None, int]] = []
    joined: list[bool] = []
    for number, (start, end) in enumerate(places):
        begin = places[number - 1][1] if number else 0
        before = _last_sentence(flat[begin:start])
        following = places[number + 1][0] if number + 1 < len(places) else len(flat)
        after = _SENTENCE.split(flat[end:following], maxsplit=1)[0][:80]
        stars = given_rating(flat, start, end)
        joined.append(number > 0 and _LIST.fullmatch(flat[begin:start]) is not None)
        attitude, length = _one(before, after)
        own.append((_by_stars(stars) or attitude, stars, end + length))
    result = [attitude for attitude, _, _ in own]
    for number in range(1, len(result)):  # "I loved A, B and C"
        if joined[number] and result[number] is None:
            result[number] = result[number - 1]
    for number in range(len(result) - 2, -1, -1):  # "A and B were great"
        if joined[number + 1] and result[number] is None:
            result[number] = result[number + 1]
    alone = _only_titles(flat, places)
    found = []
    for attitude, (_, stars, end) in zip(result, own, strict=True):
        known = _ATTITUDES.get(attitude or ("like" if alone else "about"), "about")
        found.append(Judgement(known, stars, attitude == "not", end, alone))
    return found


def _one(before: str, after: str) -> tuple[str | None, int]:
    """The attitude that the words before and after a title tell, and how many characters after it do so."""
    best: tuple[int, int, str] | None = None
    for name, pattern in _COMPILED:
        for match in pattern.finditer(before):
            if (
                name == "like"
                and match.group() == "like"
                and re.search(r"\b(?:would|i'd|we'd|'d)\s+$", before[: match.start()])
            ):
                continue
            if best is None or (match.end(), -match.start()) > (best[0], -best[1]):
                best = (match.end(), match.start(), name)
    prefix = best[2] if best and _near(before[best[0] :]) else None
    if prefix == "about" and best and before[best[1] : best[0]] in ("is", "was", "are", "were") and best[1] > 0:
        prefix = _one_without(before[: best[1]])
    if prefix not in (None, "seen"):
        return prefix, 0
    for name, pattern in _AFTER:
        if (told := pattern.match(after)) is not None:
            judged = name in ("liked", "disliked")
            return (prefix if prefix and name == "like" else name), told.end() if judged else 0
    for name, pattern in _LATER:
        if (told := pattern.search(after)) is not None:
            return name, told.end()
    if _FOUND.search(before):
        for name, pattern in _FOUND_SO:
            if (told := pattern.match(after)) is not None:
                return name, told.end()
    return prefix, 0


def _one_without(before: str) -> str | None:
    """The attitude of "my favourite film" in "my favourite film is ..."."""
    found = [(m.end(), name) for name, pattern in _COMPILED if name != "about" for m in pattern.finditer(before)]
    return max(found)[1] if found else None


def _near(gap: str) -> bool:
    """Whether the cue's object may be the title: few words stand between."""
    return _NEAR.fullmatch(gap) is not None or (
        len(gap.split()) <= 4 and not re.search(r"[,;:]|\b(?:but|and|because|so|when|while)\b", gap)
    )


def _last_sentence(text: str) -> str:
    return _SENTENCE.split(text[-200:])[-1]


def _by_stars(stars: float | None) -> str | None:
    if stars is None:
        return None
    return "liked" if stars >= 3.5 else "disliked" if stars <= 2.5 else "seen"


def _only_titles(flat: str, places: Sequence[tuple[int, int]]) -> bool:
    rest = list(flat)
    for start, end in places:
        rest[start:end] = " " * (end - start)
    return (
        re.fullmatch(r"(?:[\s\W]|\b(?:and|or|the|please|maybe|thanks|hi|hello|hey|an?)\b)*", "".join(rest)[:1000])
        is not None
    )
