"""Understanding: from one message, in its context, to titles, attitudes, constraints, critiques and intent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from agent.catalogue.catalogue import Catalogue
from agent.domains.glosses import gloss
from agent.domains.languages import language
from agent.records.constraints import Constraints
from agent.text import clean, flat
from agent.understanding.conditions import Wishes, read_wishes
from agent.understanding.critiques import Critique, applied, critique_hits, year_bound
from agent.understanding.entities import tag_of
from agent.understanding.intent_cues import ASK, POLITE
from agent.understanding.intents import TALK, Intent, Signs, intent_of, rejects
from agent.understanding.mentions import Spot, masked_at, spots_of
from agent.understanding.sentiment import Attitude, Judgement, attitudes
from agent.understanding.spelling import mend, rewrite


@dataclass(frozen=True, slots=True)
class Mention:
    """A film in the message, by its title or by a reference ("the second one").

    ``text`` are the words and ``start``, ``end`` their place; ``rating`` are stars where given (0.5 to 5).
    """

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

    ``constraints`` are those of this message alone; :func:`agent.understanding.merging.merge` joins them with what
    stands. ``replaces`` names the fields of :class:`Constraints` that stand no longer; ``dropped`` are genres that are
    neither wanted nor unwanted any more. ``request`` is the wish in words, titles as written; "" if the message holds
    none. Places of mentions count in ``agent.text.clean(message)``. ``critiques`` compare with what was shown or named;
    ``language`` is the message's, as ISO 639-1 ("en"). ``corrections`` are (mistaken, meant) items: what an earlier
    message said of the first is meant of the second.
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
    corrections: tuple[tuple[int, int], ...] = ()


_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?\n]+(?=\s|$)|[.!?\n](?=\S)|$)")
_TOO = re.compile(
    r" (?:are|is|all|look|looks|seem|seems|sound|sounds|feel|feels|were) (?:all |both |a bit |"
    r"a little |way |far |just )*too "
)
_TAG = re.compile(r"</?[A-Za-z!|][^<>\n]{0,80}>")
_MARKUP = re.compile(r"<(?=[/!|?A-Za-z_])|(?<=[\w|/\"'?-])>")


def understand(
    message: str,
    catalogue: Catalogue,
    previous: Constraints | None = None,
    shown: Sequence[int] = (),
    spoken: Sequence[int] = (),
    last: Intent | None = None,
) -> Understanding:
    """Read one message; any text is accepted, and only its first ``agent.text.MESSAGE_LIMIT`` characters are read.

    Args:
        message: the user's words.
        catalogue: the items and genres that words may stand for.
        previous: what stands from earlier messages (None: this is the first one).
        shown: catalogue indices of what was shown last, in order; references and comparisons mean these.
        spoken: catalogue indices of the films that the message before spoke of; "it" and corrections mean these.
        last: the intent of the message before.
    """
    text = clean(message)
    folded = flat(text)
    spots, correcting = spots_of(text, folded, catalogue, previous, shown, spoken, last)
    code = language(masked_at(text, [(spot.start, spot.end) for spot in spots]))
    # From here on in plain English: glossed where it is not, mended where it is mistyped.
    change = mend if code == "en" else partial(gloss, code=code)
    plain, places = rewrite(text, [(spot.start, spot.end) for spot in spots], change)
    plain = _TAG.sub(lambda match: " " * len(match.group()), plain)
    judgements = [
        # "These are too mainstream" tells how the next ones should differ.
        replace(told, attitude="about", end=end)
        if len(spot.items) > 1 and spot.reference and _TOO.match(flat(plain), end)
        else told
        for spot, (_, end), told in zip(spots, places, attitudes(flat(plain), places), strict=True)
    ]
    # The year behind a title belongs to it, and what judges a title is no wish.
    masked = masked_at(
        plain, [(start, max(end, told.end)) for (start, end), told in zip(places, judgements, strict=True)]
    )
    wishes = read_wishes(masked, flat(masked), catalogue.category_names, catalogue.newest_year, catalogue.oldest_year)

    mentions, ambiguities, refused = _mentions(text, spots, judgements)
    constraints, found_critiques, replaces = _constraints(flat(masked), wishes, mentions, catalogue, previous, shown)
    signs = Signs(
        flat=flat(masked_at(plain, places)),
        felt=[*(mention.attitude for mention in mentions), *(title.attitude for title in ambiguities)],
        items=len({mention.item for mention in mentions}) + len(ambiguities),
        references=any(spot.reference for spot in spots),
        wish=bool(found_critiques or wishes.replaces or wishes.dropped or constraints or constraints.unchecked),
        checkable=bool(constraints),
        refused=bool(refused),
        shown=len(shown),
        compared=bool(shown and found_critiques),
        begun=previous is not None,
        standing=previous is not None and (bool(previous) or bool(previous.unchecked)),
        correction=correcting and bool(mentions),
        last=last,
    )
    intent = intent_of(signs)
    corrections = _corrections(mentions, refused, spoken) if correcting else ()
    if intent in TALK:
        about = tuple(replace(mention, attitude="about", rating=None) for mention in mentions)
        unsure = tuple(replace(title, attitude="about", rating=None) for title in ambiguities)
        return Understanding(
            intent, about, unsure, Constraints(), frozenset(), "", language=code, corrections=corrections
        )
    excluded = {m.item for m in mentions if m.attitude in ("disliked", "seen", "unlike")} | refused
    if shown and rejects(signs.flat) and intent in ("reject", "refine"):
        excluded |= {m.item for m in mentions if m.attitude == "about"} if mentions else set(shown)
    if corrections:
        meant = {new for _, new in corrections}
        mentions = [replace(m, attitude="about") if m.item in meant and m.attitude == "like" else m for m in mentions]
        excluded -= meant
    request = "" if intent == "rate" else _request(plain, masked, places, spots, judgements, wishes, catalogue)
    return Understanding(
        intent,
        tuple(mentions),
        tuple(ambiguities),
        constraints.excluding(excluded),
        frozenset(replaces),
        request,
        wishes.dropped,
        found_critiques,
        code,
        corrections,
    )


def _mentions(
    text: str, spots: Sequence[Spot], judgements: Sequence[Judgement]
) -> tuple[list[Mention], list[Ambiguity], set[int]]:
    """What is said of each film, of each title that is not clear, and the films that are refused."""
    mentions: dict[int, Mention] = {}
    ambiguities: list[Ambiguity] = []
    refused: set[int] = set()
    grouped: set[int] = set()
    for spot, told in zip(spots, judgements, strict=True):
        words = text[spot.start : spot.end]
        if not spot.items:
            ambiguities.append(Ambiguity(words, spot.options, told.attitude, told.stars))
        if told.refused and spot.items and set(spot.items) <= grouped:
            for item in spot.items:  # "all of those except Chinatown"
                mentions.pop(item, None)
            continue
        if len(spot.items) > 1:
            grouped |= set(spot.items)
        for item in spot.items:
            feeling: Attitude = "about" if spot.reference and told.attitude == "like" and told.alone else told.attitude
            mentions.setdefault(item, Mention(item, words, spot.start, spot.end, feeling, told.stars))
            if told.refused:
                refused.add(item)
    return list(mentions.values()), ambiguities, refused


def _constraints(
    flat_masked: str,
    wishes: Wishes,
    mentions: Sequence[Mention],
    catalogue: Catalogue,
    previous: Constraints | None,
    shown: Sequence[int],
) -> tuple[Constraints, tuple[Critique, ...], set[str]]:
    """The conditions of a message, its critiques, and the fields that it replaces."""
    tags: list[str] = []
    without_tags: set[str] = set()
    unchecked = list(wishes.unchecked)
    for words in wishes.names:
        tag = tag_of(words, catalogue.items_by("tag"))
        if tag is not None:
            unchecked = [own for own in unchecked if own != words]
            if words.startswith("no "):
                without_tags.add(tag)
            else:
                tags.append(tag)
    constraints = Constraints(
        genres=wishes.genres,
        without_genres=wishes.without_genres,
        year_min=wishes.year_min,
        year_max=wishes.year_max,
        rating_min=wishes.rating_min,
        unchecked=tuple(unchecked),
        without_years=wishes.without_years,
        tags=tuple(tags),
        without_tags=frozenset(without_tags),
        # Users tag few films, so that a missing tag does not say much.
        soft=wishes.soft | frozenset(tags),
    )
    replaces = set(wishes.replaces)
    named = [m.item for m in mentions if m.attitude == "like"] or [m.item for m in mentions if m.attitude != "unlike"]
    compared = tuple(dict.fromkeys(named or shown))
    wanted = frozenset(genre for group in (previous.genres if previous else ()) for genre in group)
    found: list[Critique] = []
    for aspect, more, start, end in critique_hits(flat_masked, wishes.relative):
        critique = Critique(aspect, more, compared)
        found.append(critique)
        if aspect != "year":
            constraints, gone = applied(critique, constraints, wanted, catalogue)
            replaces |= gone
            if gone:  # the data decide it: its words are no hint any more
                rest = tuple(own for own in constraints.unchecked if flat(own) not in flat_masked[start:end])
                constraints = replace(constraints, unchecked=rest)
            continue
        bounded = year_bound(more, named, shown, constraints, previous, catalogue)
        if bounded is None:
            constraints = replace(constraints, unchecked=(*constraints.unchecked, "newer" if more else "older"))
        else:
            constraints, replaces = bounded, replaces | {"year_min", "year_max"}
    return constraints, tuple(found), replaces


def _corrections(mentions: Sequence[Mention], refused: set[int], spoken: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The film spoken of before, and the one that is meant instead."""
    meant = [m.item for m in mentions if m.item not in refused and m.item not in spoken]
    mistaken = [item for item in spoken if item in refused] or list(spoken[-1:])
    return ((mistaken[0], meant[0]),) if meant and mistaken else ()


def _request(
    plain: str,
    masked: str,
    places: Sequence[tuple[int, int]],
    spots: Sequence[Spot],
    judgements: Sequence[Judgement],
    wishes: Wishes,
    catalogue: Catalogue,
) -> str:
    """The sentences that hold a wish: neither greetings nor sentences that only judge films."""
    kept = []
    for match in _SENTENCE.finditer(masked):
        start, end = match.span()
        sentence = masked[start:end].strip()
        if not sentence:
            continue
        inside = [
            (spot, place, told)
            for spot, place, told in zip(spots, places, judgements, strict=True)
            if start <= place[0] < end
        ]
        wished = any(start <= place < end for place, _ in wishes.spans)
        judged = inside and all(told.attitude in ("liked", "disliked", "seen") for _, _, told in inside)
        polite = not inside and not re.sub(r"[\W_]+", "", POLITE.sub(" ", flat(sentence)))
        if polite or (judged and not wished and not ASK.search(flat(sentence))):
            continue
        words = plain[start:end]
        for spot, (first, stop), _ in reversed(inside):
            if spot.reference and len(spot.items) == 1 and stop <= end:
                # "The second one" says nothing to a reader who does not see the list.
                words = words[: first - start] + catalogue[spot.items[0]].title + words[stop - start :]
        kept.append(words.strip())
    # Angle brackets could spell a token of the language model ("<item_5>"): the words stay, the brackets go.
    return re.sub(r"\s+", " ", _MARKUP.sub(" ", " ".join(kept))).strip()
