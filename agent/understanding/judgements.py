"""Judgements: what a message thinks of the items that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.domains.domain import ANY_LABEL, ANY_NOUN
from agent.understanding.amounts import given_grade
from agent.understanding.scope import N

Attitude = Literal[
    "liked", "disliked", "seen", "not_seen", "interested", "not_interested", "like", "unlike", "reject", "about"
]
"""``like``: an example of what is wanted ("something like X"); ``unlike``: of what is not; ``reject``: refused without
a verdict; ``about``: only named. The others are verdicts."""

VERDICTS = frozenset({"liked", "disliked", "seen", "not_seen", "interested", "not_interested"})

_NOT = r"(?:did|do|does|would|could|can|was|is|have|has|had)(?:n'?t| not)|cannot|never|not"
_HAD = (
    r"(?:seen|watched|saw|see|watch|read|played|finished|caught|heard(?: of)?|come across|gotten (?:a|"
    r"the) chance to (?:see|watch)|gotten around to|got around to)"
)
_BEFORE: tuple[tuple[str, str], ...] = (
    (
        "about",
        r"(?:have (?:you|u|ya) (?:ever |also |already )?(?:seen|watched|read|played|heard of|tried)|did "
        r"(?:you|u) (?:like|see|watch|enjoy|read)|"
        r"do (?:you|u) (?:like|know|have)|(?:you|u) (?:seen|like)|what about|tell me (?:more )?about|"
        r"more about|know about|heard (?:of|about|good things about)|who (?:directed|made|is in|stars in|"
        r"plays in|wrote)|when was|"
        r"should i (?:see|watch|read)|is|was|are|were|compare|"
        r"why not|why|what is|what's|how about|how is|how good is|how long is|the trailer (?:of|for)|"
        r"reminded (?:me )?of|"
        r"(?:called|named|titled)|the (?:director|star|cast|plot|sequel|remake|soundtrack|story) (?:of|from|to|in))",
    ),
    (
        "show",
        r"(?:show me|find me|give me|put on|i (?:want|would like|'d like|meant|mean)|do you have|got)(?: the)?(?: ƒ+)?",
    ),
    (
        "not_seen",
        rf"(?:(?:{_NOT})(?: yet| ever| actually| even| really| either| still)* {_HAD}|missed|haven'?t)(?: of)?",
    ),
    (
        "interested",
        r"(?:(?:want|wanted|wanting|like|love|going|gonna|plan(?:ning)?|hoping|meaning|need|have|excited|"
        r"try|dying|interested in|look(?:ing)? forward to|looking|ought)"
        r"(?: to)?(?: definitely| totally| also| finally| maybe)? (?:re-?)?(?:see(?:ing)?|watch(?:ing)?|"
        r"check(?:ing)? out|read(?:ing)?|try(?:ing)?|catch|look into|give)|"
        r"wanna (?:see|watch)|(?:i'?ll|i will|we'?ll|we will|might|may|i'?d|let me|gotta|could|should|i "
        r"can|i think i'?ll|i guess i'?ll|"
        r"will|definitely|probably|maybe)(?: definitely| totally| also| have to| probably| just| then| "
        r"try(?: to)?| go| to| try and)* "
        r"(?:see|watch|check(?: out)?|look (?:up|into|for|at)|try|rent|add|read|give|take|go with|start "
        r"with|pick)|interested in|"
        r"take a look at|on my list|check out|rent|add|give)",
    ),
    (
        "not_interested",
        r"(?:(?:not|n'?t) (?:(?:really|that|very|all that|particularly|so|too|at all|much) )*interested in|"
        r"no (?:interest|desire) (?:in|to see|to watch)(?: seeing| watching)?)",
    ),
    (
        "reject",
        r"(?:swap(?: out)?|replace|exchange|(?:is|are|was)n'?t|not|no|"
        r"never(?! (?:seen|watched|heard|read|played))|except(?: for)?|"
        r"besides?|other than|apart from|"
        r"anything but|instead of|rather than|"
        r"aside from|already recommended|without|(?:don'?t|do not) (?:want|need|show me|give me)|no "
        r"more)(?: to (?:see|watch))?",
    ),
    (
        "unlike",
        rf"(?:unlike|(?:nothing|none|no(?: more)?|not|less)(?: (?:at all|too|so|anything|something|more|"
        rf"another|one|much|named|called|{N}))* (?:like|similar to)|"
        rf"(?:{_NOT}) (?:want|need|show me|give me|looking for) (?:anything|something|{N}|"
        rf"another|one|more)(?: (?:like|similar to))?|"
        r"(?:the )?(?:opposite|contrary) of|different (?:from|to|than)|avoid (?:anything|things|stuff|"
        rf"{N}) like|not another|not as \w+ as|"
        rf"(?:hate|dislike|don'?t like|do not like) (?:anything|things|stuff|{N}) like)",
    ),
    (
        "like",
        r"(?:similar(?: (?:in )?\w+)? to|(?:in the |the |same )?(?:style|vein|spirit|mood|tone|vibe|"
        rf"feel|feeling|atmosphere|energy|kind|type|sort|{ANY_LABEL}|lines?|realm|ilk)(?: \w+)? (?:of|as|to)|"
        r"along the lines of|"
        r"reminiscent of|as \w+ (?:and \w+ )?as|such as|akin to|(?:newer|older|earlier|later|\w+er|"
        r"more \w+|less \w+) than|a la|another|close(?:st)? to|"
        r"comparable to|for (?:big )?(?:a )?fans? of|"
        r"in between|between|reminds? me of|sequel to|follow(?:-| )?up to|if (?:i|you|we|she|he|"
        r"they) (?:really )?(?:like[ds]?|love[ds]?|enjoy(?:ed)?)|"
        r"(?:meets|crossed with|cross between|mix of|mix between|combination of|blend of)|because (?:i|"
        rf"we) (?:really )?(?:liked?|loved?|enjoyed)|like|with (?:{ANY_NOUN}) like|types? of|same as)",
    ),
    (
        "disliked",
        rf"(?:hate[ds]?|dislike[ds]?|detest(?:ed)?|loathed?|despised?|(?:{_NOT}) (?:really |much |even |"
        rf"particularly |actually |at all |all that |too |that )*"
        r"(?:stand|like|love|enjoy|care (?:much )?for|get|dig|finish|liked|enjoyed|understood|"
        r"cared for|get into|get through|into|keen on|impressed (?:by|with)|crazy about)|"
        r"(?:\w+n'?t|not|never)(?: \w+){0,2}?(?: a| an)?(?: very| really| big| huge| great)* fans? of|bored (?:by|"
        r"with)|disappointed (?:by|with|in)|walked out of|"
        r"fell asleep (?:during|in|watching)|sick of|tired of|gave up on|thumbs down (?:for|to)|"
        rf"worst {N}(?: \w+){{0,3}}? (?:is|was))",
    ),
    (
        "liked",
        rf"(?:love[ds]?|loving|lvoed?|adore[ds]?|enjoy(?:ed|s|ing)?|liked|likes|liking|dug|(?:i|we|you|really|also|do|"
        rf"always|quite|particularly|absolutely|both|still|did|they|wife|husband|friend|"
        r"kids|friends|girlfriend|boyfriend|son|daughter|loved|and|just|actually) like|prefer(?:red)?|"
        r"fans? of|(?:favou?rites?|favs?|"
        rf"faves?|favortie|favorit)(?: (?:all[ -]time|ever|{N}|\w+ies|\w+ ƒ+s?))*(?: of (?:all[ -]time|"
        r"mine|his|hers))?(?: so far| lately| recently| recent)?"
        r"(?: (?:is|are|was|were|include|includes|have to be|has to be|would be|must be|would have to be|"
        r"probably|will always be))*|"
        rf"best {N}(?: \w+){{0,4}}? (?:is|was)|obsessed with|crazy about|"
        r"impressed by|thumbs up (?:for|to)|my top \w+(?: (?:is|are|ƒ+s?))*|big on|can'?t get enough of|"
        r"gravitate towards?|"
        r"last (?:good|great) \w+ (?:i )?(?:saw|watched|have seen) (?:is|was))",
    ),
    (
        "seen",
        r"(?:seen|watched|saw|finished|re-?watched|viewed|caught|watching|been watching|shown me|"
        r"recommended me|read|(?<!who )played|listened to)(?: both| all(?: of)?)?",
    ),
)
_COMPILED = tuple((name, re.compile(rf"(?<![\w'])(?:{pattern})(?![\w'])")) for name, pattern in _BEFORE)
_QUALITY = (
    r"(?:(?:a bit|a little|so|too|really|pretty|quite|very|rather|just|kind of|kinda|way|"
    r"absolutely|totally|extremely|incredibly|super|both|all|also|such|a|an|the|definitely|actually|"
    r"truly|always|pretty much|still|"
    r"honestly|probably|literally|simply|fairly|oh|another|one of) )*"
)
_BAD = (
    r"(?:boring|dull|bad|terrible|awful|horrible|horrid|overrated|over ?rated|rubbish|crap|garbage|trash|"
    r"disappointing|stupid|dumb|mediocre|meh|tedious|weak|lousy|cheesy|"
    r"pointless|annoying|lame|unwatchable|mess|disappointment|let ?down|bore|waste|worst|dumbest|too "
    r"(?!good|funny|bad)\w+|"
    r"not (?:that |very |so |really |all that |as )?(?:good|great|my thing|for me|funny|my cup of tea|"
    r"my favou?rite|my type|my style|interesting|impressed)|so-?so)"
)
_FINE = (
    r"(?:great|good|amazing|awesome|awsome|brilliant|fantastic|wonderful|excellent|superb|perfect|fun|"
    r"funny|hilarious|beautiful|incredible|lovely|terrific|decent|epic|sweet|cute|solid|nice|well done|"
    r"magnificent|masterpiece|classic|gem|delight|best|(?:my|our|his|her) (?:all[ -]time )?(?:\w+ "
    r")?fav\w*|one of (?:my|his|her|our|"
    r"the (?:best|greatest|funniest|scariest|better))|among my|touching|moving|gripping|unforgettable|"
    r"cool|genius|stunning|my \w+ ƒ+|entertaining|"
    r"interesting|enjoyable|intense|scary|exciting|emotional|heart ?warming|my number one|fav\w*|must "
    r"see|phenomenal|outstanding|impressive|worth)"
)
_MINE = (
    r"(?:my (?:kind of \w+|sort of \w+|taste|thing|jam|style|cup of tea)|what (?:i|we) (?:really )?(?:like|love|enjoy)|"
    r"the (?:kind|sort) of \w+ (?:i|we) (?:like|love|enjoy))"
)
_IS = r"(?:was|is|were|are|felt|seemed|seems|looked|'s|has (?:always )?been|will always be|have been)"
_IT = (
    r"(?:it|that|them|both|all|those|these|that one|this one|this|those ones|(?:that|this) ƒ+|those "
    r"ƒ+s|the ƒ+s?|the (?:first|second|last) one)(?: all| both| too| a lot| as well)?"
)
_I = r"(?:(?:and|but|though|which|yes|yeah|yep|ya|oh|well|also|so) )*(?:i|we|she|he|they|(?:my|the) \w+)?,? ?"
_VERY = (
    r"(?:really |absolutely |just |all |totally |actually |also |both |did |do |quite |truly |have "
    r"always |always |still |kinda |kind of |personally )*"
)
_DISLIKED_IT = (
    rf"{_I}(?:{_VERY}(?:hated|hate|disliked|was bored by|regret)|(?:did|do)(?:n'?t| not) (?:really |"
    r"particularly |quite )?(?:like|enjoy|love|care (?:much )?for|get)|"
    r"could(?:n'?t| not) (?:stand|finish|get into)|(?:was|am|'?m)(?:n'?t| not) (?:a (?:big |huge "
    rf")?fan of|into|crazy about|impressed (?:by|with))) {_IT}\b"
)
_LIKED_IT = rf"{_I}{_VERY}(?:loved|liked|enjoyed|adored|love|like|enjoy|lvoed|loooved|dug) {_IT}\b"
_AFTER = (
    (
        "disliked",
        re.compile(
            rf"\W*(?:(?:it )?{_IS} {_QUALITY}{_BAD}\b|"
            r"(?:way |far |a bit |just |all )?too (?!good|funny|bad|please|and|but|so|i|because|the|thanks|if|"
            r"maybe)[^\W\d_]{3,}\b|"
            rf"(?:really |just |it )?(?:sucked|sucks|bored|bores)\b|"
            rf"(?:meh|so-so|yuck|ugh|boring|terrible|awful|overrated)\b(?! but)|"
            r"put me to sleep|left me cold|"
            rf"{_IS}(?:n'?t| not) {_QUALITY}(?:good|great|funny|for me|my|"
            rf"enjoyable|worth|scary|as good|that|impressed)|"
            rf"not for me|did nothing for me|did(?:n'?t| not) (?:work|do it) for me|disappointed|{_DISLIKED_IT}|"
            rf"(?:and|but) (?:it|they) {_IS} {_QUALITY}{_BAD}\b)"
        ),
    ),
    (
        "liked",
        re.compile(
            rf"\W*(?:(?:it )?{_IS} {_QUALITY}{_FINE}\b|rocks\b|rocked\b|rules\b|blew me away|made (?:me|my|us)|"
            r"kept me|cracked me up|gets me every|never gets old|"
            rf"{_LIKED_IT}|(?:and|but) (?:it|they) {_IS} {_QUALITY}{_FINE}\b|(?:a lot|very much|so much)\b|"
            rf"(?:that|those|these|this|they|it)(?:'s| is| are|'re) {_QUALITY}(?:exactly )?{_MINE}\b|"
            rf"(?:and|but|,)? ?(?:both|all) {_IS} {_QUALITY}{_FINE}\b)"
        ),
    ),
    (
        "not_seen",
        re.compile(
            rf"\W*(?:{_I}(?:(?:have|had)(?:n'?t| not)(?: yet| actually| ever)? {_HAD}|never {_HAD}|did(?:n'?t| "
            r"not) (?:see|watch|catch)|haven'?t\b)"
            rf"(?: {_IT})?(?: yet| before| either)?|is on my list|is one i have(?:n'?t| not))"
        ),
    ),
    (
        "seen",
        re.compile(
            rf"\W*(?:itself |of course |then,? |though,? )?(?:already\b|"
            rf"{_I}(?:'?ve |have |has |had |did )?(?:also |already |just |"
            rf"both )*(?:seen|"
            rf"watched|saw|see|read|know(?! (?:of|about|nothing|what|that|how)\b))(?: {_IT})?\b|seen (?:it|that)|"
            rf"twice\b|a (?:hundred|thousand|million|few|"
            r"couple|bunch of) times|"
            r"too many times|many times|so many times|several times|yesterday|last (?:night|week|weekend|"
            r"month|year)|with my|again\b)"
        ),
    ),
    (
        "interested",
        re.compile(
            rf"\W*(?:{_IS} (?:on my list|next)|sounds? {_QUALITY}{_FINE}|looks? {_QUALITY}{_FINE}|it "
            r"is(?=\W*$)|sounds? like (?:a|something))"
        ),
    ),
    (
        "like",
        re.compile(
            r"[\s,\"'”’]*(?:but(?! (?:i|it|not|the|that|was|then|have|they|we|want|looking|did)\b)|only "
            r"(?!if)|just (?:with|more|less|"
            r"not)|except|with (?:more|less|a bit|some)|without|in space|vibes?|style|-?esque|-like|ish\b|type of)"
        ),
    ),
)
_LATER = (
    ("disliked", re.compile(rf"(?:,|\band|\bbut|-) (?:it|they) (?:just )?{_IS} {_QUALITY}{_BAD}\b")),
    ("liked", re.compile(rf"(?:,|\band|\bbut|-) (?:it|they) (?:just )?{_IS} {_QUALITY}{_FINE}\b")),
    ("disliked", re.compile(rf"(?:,|\band|\bbut|-) {_DISLIKED_IT}")),
    ("liked", re.compile(rf"(?:,|\band|\bbut|-) {_LIKED_IT}")),
    (
        "liked",
        re.compile(r"\b(?:i|we|the \w+|my \w+) (?:really |absolutely |all )*(?:loved|liked|enjoyed|adored) every\b"),
    ),
)
_NEXT = (
    (
        "disliked",
        re.compile(
            rf"\W*(?:{_I}(?:thought |think |found )?(?:it|that(?: one)?|they|this(?: one)?|that ƒ+|the ƒ+|"
            rf"which)? ?(?:just )?{_IS} {_QUALITY}{_BAD}\b|{_DISLIKED_IT}|"
            rf"it sucked|not my (?:thing|favou?rite|cup of tea)|hated (?:it|that|them))"
        ),
    ),
    (
        "liked",
        re.compile(
            rf"\W*(?:{_I}(?:thought |think |found )?(?:it|that(?: one)?|they|this(?: one)?|that ƒ+|the ƒ+|"
            rf"which|those)? ?(?:just )?{_IS} {_QUALITY}{_FINE}\b|{_LIKED_IT}|(?:loved|liked|enjoyed) (?:it|"
            r"that|them)|"
            rf"such a {_FINE}|{_QUALITY}(?:great|awesome|amazing|fantastic|excellent|good|funny|classic) (?:ƒ+|"
            r"one|flick)s?)"
        ),
    ),
    (
        "not_seen",
        re.compile(
            rf"\W*(?:but )?(?:i )?(?:(?:have|had)(?:n'?t| not)|never) (?:yet )?{_HAD} (?:it|that|that one|them|"
            r"those|this|either)\b"
        ),
    ),
    (
        "seen",
        re.compile(
            rf"\W*(?:yes,? )?(?:(?:i )?(?:'?ve|have) (?:already |also )?{_HAD}|(?:already )?(?:seen|watched)) "
            r"(?:it|that|that one|them|those|this|both|all)\b"
        ),
    ),
)
_FOUND_SO = (
    ("disliked", re.compile(rf"\W*{_QUALITY}{_BAD}\b")),
    ("liked", re.compile(rf"\W*{_QUALITY}{_FINE}\b")),
)
_FOUND = re.compile(r"\b(?:found|thought|think|find|considered|consider)(?: that)?\s+[\"'“‘]?(?:the |an? )?$")
_CALLED = re.compile(
    rf"\b{_QUALITY}(?:great|awesome|amazing|fantastic|excellent|good|funny|favou?rite|hilarious) (?:ƒ+|"
    r"one|flick|comedy)s? (?:is|was|are|were|like)\W*$"
)
_LIST = re.compile(
    r"[\s\"'“”‘’)*_!]*(?:,|[.!](?=\s+(?:also|and|plus)\b)|\bplus\b|/|;|&|\+|\band\b|\bor\b|\bnor\b|\bas well as\b|"
    r"\balso\b|\bboth\b|"
    r"\bthen\b|\beven\b|\s|\bthe\b|\ban?\b|\bmaybe\b|\bor even\b|\blike\b|\bthings\b|\bof course\b|"
    r"\band i (?:loved|liked)\b)*[\s\"'“‘(*_]*"
)
_SENTENCE = re.compile(r"[.!?;\n]+(?:\s|$|(?=[a-z]{2}))")
_NEAR = re.compile(
    rf"(?:[\s\"'“‘(*_:,-]|\b(?:the|an?|both|{N}|called|titled|like|of|all|all of|so|"
    r"much|parts? of|first|original|new|old|ending|story|plot|way|how|mostly|also|and|or|either|is|"
    rf"are|stuff|things|something|{ANY_NOUN}|that|this|it|one|when|with|to|for)\b|'s)*"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a message thinks of one item.

    ``grade`` is the one that it gives (0.5 to 5; None: none); ``end`` is where the words end that judge it ("X was too
    long"); ``alone`` says that the message holds nothing but names; ``cued`` that words near it said so.
    """

    attitude: Attitude
    grade: float | None
    end: int
    alone: bool = False
    cued: bool = True


def judgements(marked: str, places: Sequence[tuple[int, int]]) -> list[Judgement]:
    """The judgement of each mention at ``places`` (start, end; in order) of the marked message."""
    single: list[tuple[str | None, float | None, int]] = []
    joined: list[bool] = []
    for number, (start, end) in enumerate(places):
        begin = places[number - 1][1] if number else 0
        before = _last_sentence(marked[begin:start])
        following = places[number + 1][0] if number + 1 < len(places) else len(marked)
        parts = _SENTENCE.split(marked[end:following], maxsplit=2)
        after = parts[0][:100]
        grade = given_grade(marked, start, end)
        joined.append(number > 0 and _LIST.fullmatch(marked[begin:start]) is not None)
        attitude, length = _one(before, after)
        if attitude in (None, "about", "seen", "show") and grade is None and len(parts) > 1:
            told = _next(parts[1][:100], asked="?" in marked[end + len(parts[0]) : end + len(parts[0]) + 2])
            attitude = told or attitude
        single.append((_by_grade(grade) or attitude, grade, end + length))
    result = [attitude for attitude, _, _ in single]
    for number in range(1, len(result)):  # "I loved A, B and C"
        if joined[number] and result[number] is None:
            result[number] = result[number - 1]
    for number in range(len(result) - 2, -1, -1):  # "A and B were great"
        vague = result[number] is None or (result[number] == "seen" and result[number + 1] in ("liked", "disliked"))
        if joined[number + 1] and vague:
            result[number] = result[number + 1]
    alone = _only_names(marked, places)
    found = []
    for attitude, (_, grade, end) in zip(result, single, strict=True):
        if attitude == "show":
            attitude = "like" if re.search(r"\blike\b", marked) else "about"
        known: Attitude = attitude or ("like" if alone else "about")  # type: ignore[assignment]
        found.append(Judgement(known, grade, end, alone, attitude is not None))
    return found


def _one(before: str, after: str) -> tuple[str | None, int]:
    """The attitude that the words before and after a name tell, and how many characters after it do so."""
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
    if prefix is None and _CALLED.search(before):
        prefix = "liked"
    if prefix not in (None, "seen", "about", "show", "reject"):
        return prefix, 0
    for name, pattern in _AFTER:
        if (told := pattern.match(after)) is not None:
            if prefix == "reject" and name != "disliked":
                continue
            if prefix == "about" and name not in ("liked", "disliked", "not_seen"):
                continue
            if prefix == "about" and after.rstrip().endswith("?"):
                continue
            judged = name in ("liked", "disliked")
            if name == "seen":
                for other, later in _LATER:
                    if (more := later.search(after)) is not None:
                        return other, more.end()
            return name, told.end() if judged else 0
    for name, pattern in _LATER:
        if prefix not in ("about", "reject") and (told := pattern.search(after)) is not None:
            return name, told.end()
    if _FOUND.search(before):
        for name, pattern in _FOUND_SO:
            if (told := pattern.match(after)) is not None:
                return name, told.end()
    return prefix, 0


def _next(sentence: str, asked: bool) -> str | None:
    """The verdict of the sentence behind the one that names the item: "It was amazing"."""
    for name, pattern in _NEXT:
        if (told := pattern.match(sentence)) is not None:
            rest = sentence[told.end() :]
            return None if rest.lstrip().startswith("?") or (asked and name == "seen") else name
    return None


def _one_without(before: str) -> str | None:
    """The attitude of "my favourite book" in "my favourite book is ..."."""
    found = [(m.end(), name) for name, pattern in _COMPILED if name != "about" for m in pattern.finditer(before)]
    return max(found)[1] if found else None


def _near(gap: str) -> bool:
    """Whether the cue's object may be the name: few words stand between."""
    return _NEAR.fullmatch(gap) is not None or (
        len(gap.split()) <= 4 and not re.search(r"[,;:]|\b(?:but|and|because|so|when|while|i|it|you)\b", gap)
    )


def _last_sentence(text: str) -> str:
    return _SENTENCE.split(text[-200:])[-1]


def _by_grade(grade: float | None) -> str | None:
    if grade is None:
        return None
    return "liked" if grade >= 3.5 else "disliked" if grade <= 2.5 else "seen"


def _only_names(marked: str, places: Sequence[tuple[int, int]]) -> bool:
    rest = list(marked)
    for start, end in places:
        rest[start:end] = " " * (end - start)
    return (
        re.fullmatch(
            r"(?:[\s\W]|\b(?:and|or|the|please|maybe|thanks|hi|hello|hey|an?|that (?:sort|kind) of thing|etc|"
            r"stuff like that|"
            r"things like that|those kinds? of ƒ+s?|and so on)\b)*",
            "".join(rest)[:1000],
        )
        is not None
    )
