"""Unlisted: wishes in words that nothing in the catalogue is called by; they rank by meaning, and the chat says so."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence

from agent.catalogue.word_index import EMPTY
from agent.domains.domain import ANY_NOUN
from agent.text import word_set
from agent.understanding.cues import CHAT, GREETING, POLITE
from agent.understanding.vocabulary import NOUN, wordlike

_QUALITY = r"[^\W\d_]{2,}(?:ing|y|ic|ous|ful|al|ive|able|ible|ish|ant|ent|ual|iar)"
_ADJECTIVE = (
    r"(?!(?:to|for|from|about|like|with|by|in|on|of|at|that|which|else|good|great|nice|new|old|i|we|you|we'll)\b)"
    r"[^\W\d_ƒ¤]{3,}"
)
_SHORT_QUALITY = "slow|loud|fast|deep|long|complex|weird|odd|mean|young|adult|abstract|harsh"
_ENDS = rf"(?=\W*$|\s*[,.;!]|\s+(?:and|or|but|please|pls|{NOUN}))"
_DEGREE = re.compile(
    r"\b(?:less|more|not (?:so|too|that|as|very|overly|really)|nothing(?: too| very)?) "
    rf"(?P<what>{_QUALITY}|[^\W\d_]{{3,}}(?:ed|less)|{_SHORT_QUALITY})(?![\w'])"
)
_NOT = re.compile(rf"\bnot (?P<what>{_QUALITY}){_ENDS}")
_COMPARATIVE = re.compile(
    r"\b(?:something|anything|ones?|bit|little|much|even|far|way|slightly|lot) (?P<what>[^\W\d_]{3,}er)\b(?! than\b)"
)
_DENIED = re.compile(
    r"(?:(?:^|[,.;]|\band\b|\bbut\b)\s*(?:please )?no|(?:that'?s|that is|that are|which is) not(?: an?| by| from)?|"
    r"\b(?:afraid|scared|tired|sick) of) "
    r"(?P<what>(?!idea|problem|thank|way|more|longer|matter|one\b|need|doubt|rush|worr|prefer|really|sorry|wait|thing|"
    r"please|nothing|never|that|this|these|those|they|it|i\b|but|not|stop|other|better|i'm|offen|too\b|so\b|very\b)"
    rf"[^\W\d_]{{3,}}(?: (?!(?:please|pls|and|or|but|then|thanks)\b)[^\W\d_]{{3,}})?){_ENDS}"
)
_PURPOSE = re.compile(
    rf"\b(?:something|anything|ones?|{NOUN}+s?) (?:good |nice |great )?"
    r"(?P<what>(?:to|for)(?: an?)? (?!(?:someone|somebody|people|anyone|me|us|my|our|him|her|his|them|their|two|"
    r"three|free|kids?|"
    r"children|the|now|today|tonight|once|watch|see|read|play|listen|do|you|your|this|that|it|with)\b)"
    r"[^\W\d_]{2,}(?: (?!(?:and|or|but|please|with|from|that|which)\b)[^\W\d_]+){0,3})"
)
_BOUNDED = re.compile(
    r"\b(?:an?|some|any) (?:(?:good|nice|decent|great|proper) )?(?P<what>[^\W\d_]{4,})"
    r"(?= (?:for )?(?:under|over|below|above|less|between|around|about|up to|at most|from \d)\b)"
)
"""The thing itself, before the bounds of a number: "a claret under 30"."""
_NO_QUALITY = word_set(
    """
    any many really very actually recently probably already only finally definitely interesting nothing anything
    everything something thing things during being going looking watching reading listening playing seeing having family
    friendly likely story city country history happy original necessarily exactly particularly every my feeling saying
    asking getting doing trying working totally completely entirely convinced impressed other another never ever over
    similar different comparable under after whether together rather either however later better rated
    """
)
_OBJECT = re.compile(
    r"\b(?:need|want|after|looking for|look for|searching for|find(?: me| us)?|show (?:me|us)|give (?:me|us)|get me|"
    r"recommend(?: me)?|suggest|got any|have any|(?:do|have) you (?:have|got)|would like|i'd like|fancy)\s+"
    r"(?:an? |some |any |the |new |good |nice |great |really |cheap |my )*"
    r"(?P<what>[^\W\d_][\w'-]*(?: (?!(?:and|or|but|please|which|because|so)\b)[\w'-]+){0,5})"
)
_NO_OBJECT = re.compile(
    r"(?:something|anything|nothing|everything|one|ones|more|another|others?|help|advice|ideas?|it|that|this|these|those|"
    r"them|you|me|us|to|what|how|if|your|her|him|his|their|different|similar|else|list|results|two|three|few|couple|all|smth|sth|stuff|"
    r"things?|again|next)\b"
)
_TAIL = re.compile(
    r"(?: (?:please|pls|now|then|today|tonight|for me|for us|instead|too|that|to|is|are|i|we|with|for|of|a|an|the))+$"
)
_PRAISE = word_set("good great nice new best better other more some any to for of a an the")
_EXAMPLE = re.compile(
    r"\b(?:something|anything|stuff|ones?|ƒ+s?) (?P<like>like (?!(?:that|this|these|those|it|them|him|her|me|you|"
    r"we|i|what|"
    r"when|the (?:first|second|third|last|one)|a|an|in|to|no|ƒ+|nothing|before)\b)[^\W\d_¤][\w']*"
    r"(?: (?!(?:but|with|only|please|from|and)\b)[\w']+){0,5})"
)
_TRAILING = re.compile(
    r"(?:[\s,]+(?:though|please|pls|then|too|instead|if possible|thanks?|thank you|maybe))+[\s.!?]*$", re.IGNORECASE
)
_CLAUSES = re.compile(r"\s*[,;.!?]+\s+")
_NAME_ASKED = re.compile(
    r"^(?:and |but |so )?(?:do you know )?(?:what(?:'s|s| is| was)?|which) (?:it|that|this|the name|its name|the title)"
    r"(?: (?:called|again|of it))*$|^(?:i )?(?:forgot|can'?t remember|don'?t (?:know|remember)) (?:the |its |what )",
    re.IGNORECASE,
)
"""A clause that only asks what the thing is called."""
_THING = rf"(?:{ANY_NOUN}|one|ones|something|anything|thing|things|stuff)"
_FRAME = re.compile(
    r"^(?:(?:so|ok|okay|well|hmm+|hey|hi|please|and|then|maybe|perhaps)[\s,]+)*"
    r"(?:(?:what(?:'s|s| is| are| would be| about)|which (?:is|are)|is there|are there|do you have|got|have you got|"
    r"how about|i(?:'m| am)? (?:just |really )?(?:want|need|fancy|looking for|after|would like)|i'd like|"
    r"give me|show me|find me) )?"
    r"(?:(?:an?|the|some|any|that|this) )?(?:(?:really |very )?(?:good|best|nice|great|decent|perfect|cool) )?"
    rf"{_THING}(?: to (?:watch|see|read|play|hear))?"
    r"(?: (?:where|that|which|in which|who|when)(?: (?:is|are|has|have)(?= about\b))?)? "
    r"|^(?:what(?:'s|s| is) (?:good|best|nice) )",
    re.IGNORECASE,
)
"""What stands around a wish: "a book where ...", "what's a good one ...", "the one that ..."."""
_SOMETHING = re.compile(
    rf"\b(?:something|anything|smth|sth|(?:an?|some) (?={_ADJECTIVE}(?:,? (?:and |but )?{_ADJECTIVE})* {NOUN}))[ ]?"
    rf"(?:(?:a bit|a little|really|very|quite|rather|kind of|sort of|more|nice and) )*"
    rf"(?P<what>{_ADJECTIVE}(?:(?:,|,? and|,? but) (?:(?:not too|really|very|quite) )?{_ADJECTIVE})*)"
    rf"(?=\s*$|\s*[,.;!?]|\s+(?:for|that|which|to|please|tonight|today|now|with|but|and|from|{NOUN}))"
)
"""How something is to be: "something dumb and fun for tonight"."""
_PLOT = re.compile(
    rf"\b(?P<thing>{NOUN}+s?|something|anything|nothing|ones?|stor(?:y|ies)) (?:where|in which|whose) "
    r"(?P<what>[^,.;!?¤]{6,80})"
)
_NAMED = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ0-9][\w'’.&-]*[:,]?\s+(?:(?:of|the|and|in|a|to|for|&|vs\.?|on|with|from|"
    r"at)\s+)*){0,7}[A-ZÀ-ÖØ-Þ0-9][\w'’.!-]*\s*\((?:19|20)\d\d\)"
)
_SPOKEN_OF = re.compile(
    r"(?i:\b(?:who (?:directed|wrote|made|(?:stars|plays|is|was) in)|what(?:'s| is) (?=.+\babout\b|.{4,40}\?$)|"
    r"tell me (?:more )?about|do you (?:have|know)|have you (?:got|seen|heard of)|when was|how long is|"
    r"(?:i|we)(?:'ve| have)? (?:really |absolutely |just |also |both )*"
    r"(?:loved|liked|enjoyed|hated|saw|watched|seen|adored)|"
    r"(?:something|anything|more|ones?|\w+s) (?:like|similar to)|similar to)) "
    r"(?P<name>[A-ZÀ-ÖØ-Þ][\w'’.-]*(?:(?: (?:of|the|and|in|a|to|for|on|with|from|at))* [A-ZÀ-ÖØ-Þ0-9][\w'’-]*)*)"
)
"""Where a name stands that is asked about, was liked or is an example."""
_COLON = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ][\w'’.&-]*\s+){0,4}[A-ZÀ-ÖØ-Þ][\w'’&-]*: (?:[A-ZÀ-ÖØ-Þ][\w'’.&-]*)(?:\s+(?:(?:of|"
    r"the|and|in|a)\s+)*[A-ZÀ-ÖØ-Þ0-9][\w'’.&-]*)*"
)


def qualities(marked: str) -> Iterator[tuple[int, int]]:
    """The places of words that say how things should be, or not: "less confusing", "something smaller", "no guns"."""
    for pattern in (_DEGREE, _NOT, _COMPARATIVE, _DENIED):
        for match in pattern.finditer(marked):
            what = match["what"]
            if wordlike(what.split()[0]) and what not in _NO_QUALITY and NOUN not in what:
                yield match.span("what")
    for match in _PURPOSE.finditer(marked):
        yield match.span("what")
    for match in _BOUNDED.finditer(marked):
        if wordlike(match["what"]) and NOUN not in match["what"]:
            yield match.span("what")


def asked_object(marked: str) -> str | None:
    """What a message asks for: "I need a stapler"; None where it names nothing."""
    match = _OBJECT.search(marked)
    if match is None or _NO_OBJECT.match(match["what"]) or NOUN in match["what"] or "¤" in match["what"]:
        return None
    said = _TAIL.sub("", match["what"])
    return said if any(word not in _PRAISE and wordlike(word) for word in said.split()) else None


def asked_example(marked: str, spans: Sequence[tuple[int, int]]) -> str | None:
    """A title in lower case that the catalogue lacks, as an example: "like knives out"; None where there is none.

    ``spans`` are the places of all that was understood.
    """
    match = _EXAMPLE.search(marked)
    return None if match is None or _touches(match.span("like"), spans) else match["like"]


def as_said(text: str) -> str:
    """What a whole message asks for, as a wish in words: "what's a good one for a first date" is for a first date.

    Left out are what is only polite, the question around the wish and the words that stand for the item itself.
    """
    said = _TRAILING.sub("", text.strip()).strip(" .!?,")
    clauses = [own for own in _CLAUSES.split(said) if own.strip() and not _NAME_ASKED.search(own)]
    gist = _FRAME.sub("", ", ".join(clauses).strip(" .!?,"), count=1).strip(" .!?,")
    # What nobody is to do is not wanted: wishes that begin with "no" count against.
    return re.sub(r"^nobody\b", "no one", gist if any(wordlike(word) for word in gist.split()) else said)


def adjectives(marked: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """How something is to be, where none of it was understood: "something warm and gentle"."""
    found = []
    for match in _SOMETHING.finditer(marked):
        told = [own for own in re.split(r",? (?:and|but|or) |, ", match["what"]) if own]
        fit = [own for own in told if all(word not in _NO_QUALITY and word not in NO_SUBJECT for word in own.split())]
        if fit and not _touches(match.span("what"), spans):
            found.append(match["what"] if fit == told else " and ".join(fit))
    return found


def plots(marked: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """What is to happen in what is asked for, of which nothing was understood: "one where the villain wins"."""
    found = [own for own in _PLOT.finditer(marked) if not _touches(own.span("what"), spans)]
    return [f"nothing where {own['what']}" if own["thing"] == "nothing" else own["what"] for own in found]


def unlisted(text: str, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Names that look like titles, with a year or a colon, outside the ``taken`` places: (start, end, name)."""
    found: list[tuple[int, int, str]] = []
    for pattern in (_NAMED, _COLON):
        for match in pattern.finditer(text):
            start, end = match.span()
            for _, stop in taken:
                if start < stop <= end:
                    start = stop
            name = text[start:end].strip(" ,.")
            begin = start + (len(text[start:end]) - len(text[start:end].lstrip(" ,.")))
            if len(name) < 3 or any(begin < stop and first < end for first, stop in taken):
                continue
            if any(begin < stop and first < end for first, stop, _ in found) or not re.search(r"[^\W\d_]{3}", name):
                continue
            if pattern is _COLON and (not match.start() or text[: match.start()].rstrip().endswith((".", "!", "?"))):
                continue
            found.append((begin, end, name))
    return found


def spoken_of(text: str, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Names in capitals where titles stand, outside the ``taken`` places: "I loved Oppenheimer"."""
    for match in _SPOKEN_OF.finditer(text):
        start, end = match.span("name")
        if not any(start < stop and first < end for first, stop in taken):
            yield start, end, match["name"].rstrip(".")


_HATED = re.compile(
    r"\b(?:i|we|he|she|they) (?:really |absolutely |just )*(?:hates?|can'?t stand|detests?|loathes?|despises?) "
    r"(?P<what>"
    r"(?!(?:when|how|that|this|it|these|those|them|to|the|all|both|being|everything|anything|my|your|waiting|what|"
    r"ƒ+s?|¤+)\b)[a-z][a-z'-]{3,}(?: (?!and\b|but\b|or\b|so\b|when\b|in\b|though\b|too\b)[a-z]{3,})?)"
    r"(?=\W*(?:$|[.,;!?]|and\b|but\b|so\b))"
)
"""What somebody hates in words that no facet decides."""
_BEFORE = re.compile(r"(?<![\w'-])(?P<word>[^\W\d_]{3,})[ -]")
_SEGMENT = re.compile(r"[,.;!?\n]|\bbut\b")


NO_SUBJECT = EMPTY | word_set(
    """
    a an i i'm im i'd i've i'll me my mine you your we our us he she they his her their it its is am be been
    being do does did don't want wants need like likes love loves hate hates show give find get got watch see
    look looking think guess know try maybe perhaps please yes no not nope yeah ok okay hi hello hey or but so
    to in on at of by as if when then than too also either again now instead though else actually honestly
    ideally preferably seriously hmm lol haha thanks sorry wait oops cheers dude man bro mate help two three
    four five six seven eight nine ten first second third last tonight today tomorrow yesterday evening night
    weekend morning day time same new old good bad best well just only even still much many few lot lots bit
    quick quickly fast nice cool fine right sure idea question thing things stuff guys folks friend friends wife
    husband girlfriend boyfriend mother father mum mom dad kids boss fun short long because always never ever
    sometimes stand made usually mostly mainly whatever whichever both neither nor it's that's he's she's they're we're
    rated big huge small world you're there's here's won't can't isn't don't fine what's how why what which
    """
)
"""Words that a part of a message that names a subject does not hold."""


def _touches(span: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in spans)


def fragments(marked: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Parts of a message of one to three words of which none was understood: "james bond, with sean connery"."""
    found, start = [], 0
    for end in [*(match.start() for match in _SEGMENT.finditer(marked)), len(marked)]:
        said = marked[start:end]
        told = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", said)
        plain = "¤" not in said and NOUN not in said and not _touches((start, end), spans)
        polite = POLITE.search(said) or CHAT.search(said) or GREETING.match(said.strip())
        if plain and not polite and 1 <= len(told) <= 3 and not any(word in NO_SUBJECT for word in told):
            found.append(said.strip(" ,.;!?'\"-"))
        start = end + 1
    return [own for own in found if own]


def modifiers(marked: str, spans: Sequence[tuple[int, int]], known: Container[str]) -> list[str]:
    """Words before a noun or what was understood, of which the catalogue tells: the first of "courtroom drama"."""
    found = []
    for match in _BEFORE.finditer(marked):
        word, end = match["word"], match.end()
        before_noun = marked[end : end + 1] == NOUN or any(start == end for start, _ in spans)
        if before_noun and not _touches(match.span("word"), spans) and word not in NO_SUBJECT and word in known:
            found.append(word)
    return found


def hated(marked: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """What somebody hates in words that were not understood, as wishes for none of it."""
    return [f"no {own['what']}" for own in _HATED.finditer(marked) if not _touches(own.span("what"), spans)]
