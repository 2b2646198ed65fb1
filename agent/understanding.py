"""Understanding: from one message to titles, attitudes, constraints and intent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median_low

from agent.attitudes import Attitude, attitudes
from agent.catalogue import Catalogue
from agent.constraints import Constraints
from agent.critiques import Critique
from agent.intents import Intent
from agent.text import clean, flat
from agent.title_index import Link
from agent.wishes import MASK, Wishes, read_wishes
from agent.years import year_hits


@dataclass(frozen=True, slots=True)
class Mention:
    """A title in the message: its item, the words and their place, the attitude, and stars where given (0.5 to 5)."""

    item: int
    text: str
    start: int
    end: int
    attitude: Attitude
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A title that several items share and that nothing decides; ``options`` are indices, the most rated first."""

    text: str
    options: tuple[int, ...]
    attitude: Attitude = "about"
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Understanding:
    """What one message says.

    ``constraints`` are those of this message alone; :func:`merge` joins them with what stands. ``replaces`` names the
    fields of :class:`Constraints` that stand no longer; ``dropped`` are genres that are neither wanted nor unwanted
    any more. ``request`` is the wish in words, titles as written; "" if the message holds none. Places of mentions
    count in ``agent.text.clean(message)``. ``critiques`` compare with what was shown or named; ``language`` is the
    message's, as ISO 639-1 ("en").
    """

    intent: Intent
    mentions: tuple[Mention, ...]
    ambiguities: tuple[Ambiguity, ...]
    constraints: Constraints
    replaces: frozenset[str]
    request: str
    dropped: frozenset[str] = field(default=frozenset())
    critiques: tuple[Critique, ...] = ()
    language: str = "en"


_RESET = re.compile(
    r"\b(?:start (?:over|again|afresh|anew|fresh)|new search|reset|begin again|from scratch|clear (?:everything|all)|"
    r"forget (?:everything|all (?:of )?(?:that|this)|what i (?:said|told you)|it all)|"
    r"something completely different)\b"
)
_THANKS = re.compile(r"\b(?:thanks?(?: you)?|thx|ty|cheers|much appreciated|bye|goodbye|good night|see you)\b")
_GREETING = re.compile(r"^\W*(?:hi|hello|hey|hiya|howdy|yo|greetings|good (?:morning|evening|afternoon|day))\b")
_POLITE = re.compile(
    r"\b(?:hi|hello|hey|hiya|howdy|yo|greetings|good|morning|evening|afternoon|day|there|again|"
    r"thanks?|you|thx|ty|cheers|so|very|much|a|lot|"
    r"bye|goodbye|night|see|great|perfect|awesome|nice|cool|lovely|ok|okay|that's|thats|that|is|"
    r"was|all|for|now|your|the|help|appreciated|"
    r"how|are|doing|concierge|wonderful|brilliant|excellent|really|helpful|it|this|these|those|"
    r"it's|yes|very|later|tips?|recommendations?|suggestions?)\b"
)
_ASK = re.compile(
    r"\b(?:recommend(?:ations?)?|suggest(?:ions?)?|want|need|looking for|look for|find|show|give (?:me|us)|"
    r"something|anything|what (?:should|can|could|to|else|would)|"
    r"any (?:good (?:films?|movies?|ones?)|ideas)|watch (?:tonight|next|now|today)|in the mood|"
    r"feel like|fancy|please|would like|i'd like|mood for|prefer|got any|"
    r"do you have|have you got|surprise me|pick|choose|more(?! than)|another|others?|else|similar|next|ideas?)\b"
)
_CHANGE = re.compile(
    r"\b(?:but|instead|rather|actually|more|less|another|others?|else|different|newer|older|not|no|"
    r"nothing|without|except|anything but|drop|forget|"
    r"whatever|any|also|too|even|only|keep|same)\b"
)
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?\n]+(?=\s|$)|[.!?\n](?=\S)|$)")
_TAG = re.compile(r"</?[A-Za-z!|][^<>\n]{0,80}>")
_MARKUP = re.compile(r"<(?=[/!|?A-Za-z_])|(?<=[\w|/\"'?-])>")
_OF_THAT_TIME = re.compile(r"[\s\"'”’(]*(?:(?:the )?(?:one )?(?:from|of|in) )?$")


def understand(
    message: str, catalogue: Catalogue, previous: Constraints | None = None, shown: Sequence[int] = ()
) -> Understanding:
    """Read one message; any text is accepted, and only its first ``agent.text.MESSAGE_LIMIT`` characters are read.

    Args:
        message: the user's words.
        catalogue: the items and genres that words may stand for.
        previous: what stands from earlier messages (None: this is the first one).
        shown: catalogue indices of what was shown last; "newer" and "older" compare with it if nothing else is named.
    """
    text = clean(message)
    folded = flat(text)
    links = list(catalogue.link(text, previous))
    years = year_hits(_masked(folded, links), catalogue.newest_year, catalogue.oldest_year)
    for number, link in enumerate(links):
        if link.item is not None:
            continue
        for hit in years:
            near = catalogue.titles.narrowed(link, (hit.first, hit.last))
            beside = hit.start - link.end >= 0 and _OF_THAT_TIME.fullmatch(folded, link.end, hit.start) is not None
            if near.item is not None:
                # "Hamlet from the 40s" tells which one; the decade is then no wish of its own.
                links[number] = replace(near, end=hit.end, text=text[near.start : hit.end]) if beside else near
                break
    # The year behind a title belongs to it; markup says nothing, and what judges a title is no wish.
    plain = _TAG.sub(lambda match: " " * len(match.group()), folded)
    judgements = attitudes(plain, [(link.start, link.end) for link in links])
    masked = _TAG.sub(lambda match: " " * len(match.group()), _masked(text, links))
    for link, judgement in zip(links, judgements, strict=True):
        masked = masked[: link.end] + MASK * (judgement.end - link.end) + masked[max(link.end, judgement.end) :]
    wishes = read_wishes(masked, flat(masked), catalogue.genre_names, catalogue.newest_year, catalogue.oldest_year)
    mentions: list[Mention] = []
    ambiguities: list[Ambiguity] = []
    excluded: set[int] = set()
    for link, judgement in zip(links, judgements, strict=True):
        attitude, stars = judgement.attitude, judgement.stars
        if link.item is None:
            ambiguities.append(Ambiguity(link.text, link.options, attitude, stars))
            continue
        mentions.append(Mention(link.item, link.text, link.start, link.end, attitude, stars))
        if judgement.refused or attitude in ("disliked", "seen", "unlike"):
            excluded.add(link.item)
    constraints = Constraints(
        wishes.genres,
        wishes.without_genres,
        wishes.year_min,
        wishes.year_max,
        wishes.rating_min,
        frozenset(excluded),
        wishes.unchecked,
    )
    replaces = set(wishes.replaces)
    if wishes.relative is not None:
        constraints, replaced = _relative(wishes.relative, constraints, mentions, catalogue, previous, shown)
        replaces |= replaced
    intent = _intent(folded, links, mentions, ambiguities, constraints, wishes, previous)
    request = "" if intent in ("thanks", "greeting", "rate") else _request(text, masked, mentions, wishes)
    return Understanding(
        intent, tuple(mentions), tuple(ambiguities), constraints, frozenset(replaces), request, wishes.dropped
    )


def merge(previous: Constraints, understanding: Understanding) -> Constraints:
    """What stands after a message.

    Genres add up, unless the message replaces them ("actually, a comedy"); one that it drops goes; a genre that was
    unwanted and is now wanted is wanted, and the other way round. A new decade replaces the years, an open end ("after
    1990") replaces its own side, and the other side too where both cannot hold. A new rating floor replaces the old.
    Exclusions and unchecked wishes add up. After "start over" only the message itself counts.
    """
    new = understanding.constraints
    if understanding.intent == "reset":
        return new
    gone = understanding.replaces
    kept = () if "genres" in gone else previous.genres
    kept = tuple(group - understanding.dropped for group in kept if group - understanding.dropped)
    kept = tuple(group - new.without_genres for group in kept if group - new.without_genres)
    wanted = frozenset(genre for group in new.genres for genre in group)
    without = frozenset() if "without_genres" in gone else previous.without_genres - understanding.dropped - wanted
    year_min = new.year_min if new.year_min is not None or "year_min" in gone else previous.year_min
    year_max = new.year_max if new.year_max is not None or "year_max" in gone else previous.year_max
    if year_min is not None and year_max is not None and year_min > year_max:
        year_min, year_max = new.year_min, new.year_max
    rating = new.rating_min if new.rating_min is not None or "rating_min" in gone else previous.rating_min
    return Constraints(
        tuple(dict.fromkeys([*kept, *new.genres])),
        without | new.without_genres,
        year_min,
        year_max,
        rating,
        previous.excluded | new.excluded,
        tuple(dict.fromkeys([*previous.unchecked, *new.unchecked])),
    )


def _masked(text: str, links: Sequence[Link]) -> str:
    for link in links:
        text = text[: link.start] + MASK * (link.end - link.start) + text[link.end :]
    return text


def _relative(
    direction: str,
    constraints: Constraints,
    mentions: Sequence[Mention],
    catalogue: Catalogue,
    previous: Constraints | None,
    shown: Sequence[int],
) -> tuple[Constraints, set[str]]:
    """Newer or older: than the examples, else than what stands, else than the middle of what was shown."""
    named = [m for m in mentions if m.attitude == "like"] or [m for m in mentions if m.attitude != "unlike"]
    years = [year for m in named if (year := catalogue[m.item].year) is not None]
    newer = direction == "newer"
    if years:
        reference: int | None = max(years) if newer else min(years)
    else:
        reference = None if previous is None else previous.year_max if newer else previous.year_min
        seen_years = [year for item in shown if (year := catalogue[item].year) is not None]
        if reference is None and seen_years:
            reference = median_low(seen_years)
    if reference is None:
        return replace(constraints, unchecked=(*constraints.unchecked, direction)), set()
    if newer:
        return replace(constraints, year_min=max(reference + 1, constraints.year_min or 0)), {"year_min", "year_max"}
    return replace(constraints, year_max=min(reference - 1, constraints.year_max or 9999)), {"year_min", "year_max"}


def _intent(
    folded: str,
    links: Sequence[Link],
    mentions: Sequence[Mention],
    ambiguities: Sequence[Ambiguity],
    constraints: Constraints,
    wishes: Wishes,
    previous: Constraints | None,
) -> Intent:
    wish = bool(
        wishes.genres
        or wishes.without_genres
        or wishes.unchecked
        or wishes.replaces
        or wishes.dropped
        or wishes.relative
        or constraints.year_min
        or constraints.year_max
        or constraints.rating_min
    )
    if _RESET.search(_masked(folded, links)):
        return "reset"
    if not links and not wish:
        rest = re.sub(r"[\W_]+", " ", _POLITE.sub(" ", folded)).strip()
        if not rest and _THANKS.search(folded):
            return "thanks"
        if not rest and _GREETING.search(folded):
            return "greeting"
    asked = _ASK.search(_masked(folded, links)) is not None
    felt = [*(mention.attitude for mention in mentions), *(title.attitude for title in ambiguities)]
    if felt and not wish and not asked and all(attitude in ("liked", "disliked", "seen") for attitude in felt):
        return "rate"
    if wish or asked or "like" in felt or "unlike" in felt:
        standing = previous is not None and (bool(previous) or bool(previous.unchecked))
        if standing or (previous is not None and _CHANGE.search(_masked(folded, links))):
            return "refine"
        return "recommend"
    return "refine" if mentions and constraints.excluded and previous is not None else "other"


def _request(text: str, masked: str, mentions: Sequence[Mention], wishes: Wishes) -> str:
    """The sentences that hold a wish: neither greetings nor sentences that only judge films."""
    kept = []
    for match in _SENTENCE.finditer(masked):
        start, end = match.span()
        sentence = masked[start:end].strip()
        if not sentence:
            continue
        inside = [m for m in mentions if start <= m.start < end]
        wished = any(start <= place < end for place, _ in wishes.spans)
        judged = inside and all(m.attitude in ("liked", "disliked", "seen") for m in inside)
        polite = not inside and not re.sub(r"[\W_]+", "", _POLITE.sub(" ", flat(sentence)))
        if polite or (judged and not wished and not _ASK.search(flat(sentence))):
            continue
        kept.append(text[start:end].strip())
    # Angle brackets could spell a token of the language model ("<item_5>"): the words stay, the brackets go.
    return re.sub(r"\s+", " ", _MARKUP.sub(" ", " ".join(kept))).strip()
