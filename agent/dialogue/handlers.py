"""Handlers: one turn's answer, by the acts of the message. Only wants, judgements and controls change the slate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import (
    GivenUp,
    cautious,
    listed,
    noun_phrase,
    phrase,
    plain_number,
    relax,
    span_words,
    value_name,
)
from agent.catalogue.word_index import is_mood, naming, unrefused
from agent.dialogue.clarifying import SURPRISE, best_question, offered
from agent.dialogue.profile import profile
from agent.dialogue.questions import (
    SUPERLATIVES,
    abilities,
    about,
    compare,
    described,
    extreme,
    facet_answer,
    newest,
    opinion,
    size,
    tags,
    which,
    why,
    yours,
)
from agent.dialogue.set_aside import kinds_of, least_liked, near_avoided, surprises, unsurprising
from agent.dialogue.slate import LEAST_SHOWN, WEAK, Choice, Part, choose
from agent.dialogue.state import DialogueState, policy_state
from agent.dialogue.worded import named, parts, refused_words, tastes, well_liked
from agent.explanation.counterfactual import ORDINALS, Change, why_not
from agent.explanation.counterfactual import Turn as RankedTurn
from agent.generation.realizer import Facts, Wording, number
from agent.policy.distribution import Policy
from agent.records.acts import Act, Ask, Command, Judge, Later, NotUnderstood, Pleasantry, Want, act_name
from agent.records.answer import Answer, Question, Recommendation
from agent.records.conditions import Condition, Conditions
from agent.records.conversation import Conversation
from agent.records.impression import Impression
from agent.records.state import Event, State
from agent.store.logged_state import impression_of
from agent.understanding.vocabulary import open_facets
from prompts import PromptError

COUNT = 5
"""So many items are shown where nothing else is said."""

ANSWERS = 3
"""So many answers to a question are shown at most; the first one is given in full."""

TRIED = 2
"""So many answers at least have not helped before a person is asked to."""

WEAK_ANSWER = 0.03
"""Another answer is shown where it is so many times as probable as the first."""

ENOUGH = 3
"""Where a wish cannot be met, so many items are enough to give up no more of it."""

MOST_OPTIONS = 4
"""So many items of one name are offered as quick replies."""

CHANGING = ("want", "judge", "which", "control")
"""What :attr:`agent.records.answer.Answer.about` says of exchanges that changed what is believed or shown."""

LANGUAGES: Mapping[str, str] = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "ru": "Russian",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "ar": "Arabic",
}
"""Languages by their ISO 639-1 codes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """All that one answer is made from.

    ``before`` and ``state`` are what the conversation comes to without and with the latest event. ``policy`` serves the
    turn; ``plain`` is the same without an edited template, for states on which that fails. ``past`` is the events of
    the data set's user, oldest first. With ``rng`` slates are drawn. ``start`` is when the turn began and
    ``understood`` when the message was (``time.perf_counter``). ``asks`` allows a question back. ``undone`` is the
    message that was just taken back, where that is what the latest one wanted (None: there was none). ``saved`` are
    the ids on the person's list for later, as it was before the message (None: no list is kept where they write).
    """

    catalogue: Catalogue
    policy: Policy
    plain: Policy
    conversation: Conversation
    before: DialogueState
    state: DialogueState
    past: Sequence[Event]
    wording: Wording
    k: int
    rng: np.random.Generator | None
    start: float
    understood: float
    asks: bool = False
    undone: str | None = None
    saved: Sequence[str] | None = None

    @property
    def acts(self) -> tuple[Act, ...]:
        """Those of the latest message."""
        return self.state.acts


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what the log keeps of its slate where it has one."""

    answer: Answer
    impression: Impression | None = None


def respond(turn: Turn) -> Reply:
    """Answer the latest message: what it asks in words, what it wants with a slate."""
    acts = turn.acts
    if any(isinstance(act, Command) and act.kind == "undo" for act in acts):
        return undo(turn)
    sentences: list[Facts] = []
    choices: tuple[str, ...] = ()
    for act in acts:
        if isinstance(act, Ask):
            said, choices = answered(turn, act)
            sentences += said
        elif isinstance(act, Later):
            sentences.append(_for_later(turn, act))
    told = tuple(item for facts in sentences for item in facts.get("items", ()))
    spoken = told or tuple(item for act in acts if isinstance(act, Ask) for item in act.items)
    if wants_slate(turn):
        reply = recommend(turn)
        if sentences:
            text = f"{turn.wording.all_of(sentences)} {reply.answer.reply}"
            reply = replace(reply, answer=replace(reply.answer, reply=text))
        return reply
    if turn.state.which and turn.asks:
        return ask_which(turn)
    noted = judgements(turn)
    if turn.state.unknown:
        noted.append({"kind": "unknown", "titles": list(turn.state.unknown)})
    lacking = [words for act in acts if isinstance(act, Want) for words in act.lacking]
    if lacking:
        noted.append({"kind": "lacking", "words": lacking})
    if not sentences and not noted:
        sentences, choices = _small_talk(turn)
    elif noted and not sentences and not turn.catalogue.domain.answers and not (lacking and turn.state.slate):
        noted.append({"kind": "opener"})
        choices = turn.catalogue.domain.starters[:3]
    kinds = [act.kind if isinstance(act, Ask) else act_name(act) for act in acts]
    cleared = any(isinstance(act, Command) and act.kind in ("restart", "forget") for act in acts)
    answer = answer_of(
        turn,
        turn.wording.all_of([*noted, *sentences]),
        choices=choices,
        about=next((kind for kind in kinds if kind in CHANGING), kinds[0] if kinds else "unclear"),
        spoken=tuple(turn.catalogue[item].item_id for item in spoken),
    )
    missing = tuple(str(facts["missing"]) for facts in sentences if facts["kind"] == "missing")
    return Reply(replace(answer, slate_changed=cleared, unmet=(*missing, *lacking)))


def wants_slate(turn: Turn) -> bool:
    """Whether the latest event calls for another slate."""
    for act in turn.acts:
        match act:
            case Want():
                if not act.only_lacks or turn.catalogue.domain.answers:
                    return True
            case Command(kind="more" | "next"):
                return True
            case Judge(verdict="not_seen" | "interested"):
                pass
            case Judge(verdict="liked") if turn.catalogue.domain.answers:
                pass
            case Judge():
                if (
                    turn.state.slate
                    or turn.state.wished
                    or (turn.state.judgements.get(act.item) is not None and (turn.state.judgements[act.item].liked))
                ):
                    return True
            case _:
                pass
    return False


def recommend(turn: Turn) -> Reply:
    """A slate, with the sentences that introduce it; with a question beside it where that pays."""
    catalogue, dialogue = turn.catalogue, turn.state
    if _handed_over(turn):
        asked = any(isinstance(act, Want) for act in turn.acts)
        text = turn.wording.tell(kind="handed_over", value=catalogue.domain.hand_over, again=not asked)
        return Reply(replace(answer_of(turn, text, about="handed_over"), unmet=(dialogue.request,)))
    state = policy_state(dialogue, turn.past)
    left_out = dialogue.left_out(catalogue) | state.seen
    count = dialogue.count or turn.k
    if catalogue.domain.answers:
        # What helped with another question says nothing of this one.
        state = State(request=dialogue.request, goal="request")
        left_out = frozenset(item for item, own in dialogue.judgements.items() if own.disliked)
        count = min(count, ANSWERS)
    lacking = tuple(words for act in turn.acts if isinstance(act, Want) for words in act.lacking)
    state = _loosened(turn, state, left_out)
    refused = refused_words(state, left_out, catalogue)
    left_out |= {item for _, items in refused for item in items}
    given_up: tuple[GivenUp, ...] = ()
    if not catalogue.mask(state.conditions, {*left_out, *state.excluded}).any():
        if dialogue.fresh:
            words = {"kind": "none_left", "wish": noun_phrase(dialogue.conditions, catalogue)}
            return Reply(answer_of(turn, turn.wording.all_of([*judgements(turn), words]), about="want"))
        out = {*left_out, *state.excluded}
        firm = tuple(own for own in state.conditions if own.strength == "must")
        # Where what must be met can be, only preferences give way, and few items are enough.
        enough = 1 if firm != state.conditions and catalogue.mask(firm, out).any() else min(count, ENOUGH)
        opened = any(isinstance(act, Want) and act.opens_topic for act in turn.acts)
        held = () if opened else turn.before.conditions
        relaxed, given_up = relax(state.conditions, catalogue, out, enough, dialogue.added, held)
        state = replace(state, conditions=relaxed)
    wished = state.conditions
    doubtful = cautious(wished, catalogue)
    if doubtful and catalogue.mask((*wished, *doubtful), {*left_out, *state.excluded}).sum() >= count:
        state, doubtful = replace(state, conditions=(*wished, *doubtful)), ()
    allowed = catalogue.mask(state.conditions, {*left_out, *state.excluded})
    aside, other_kinds = _set_aside(turn, state, allowed, count)
    allowed[list(aside)] = False
    left_out |= aside
    by_hint = {hint: items for hint in state.hints if (items := named(hint, allowed, turn.policy, catalogue))}
    if not (state.conditions or state.hints or state.history or state.like or dialogue.named):
        liked = well_liked(state, catalogue)
        if catalogue.mask(liked, {*left_out, *state.excluded}).sum() >= count:
            state = replace(state, conditions=liked)
    made_of = parts(dialogue, state, allowed, by_hint, count, catalogue)
    if doubtful and not made_of:  # first those of which it is known that they are not what is not wanted
        sure = frozenset(np.flatnonzero(allowed & catalogue.mask(doubtful)).tolist())
        made_of = (Part(count, sure), Part(count, frozenset(np.flatnonzero(allowed).tolist()))) if sure else ()
    left_out |= least_liked(state, allowed, count, catalogue) if not made_of else frozenset()
    policy, choice = _chosen(turn, state, left_out, count, made_of, wished)
    sentences = judgements(turn)
    unmet: list[str] = list(dialogue.unknown)
    if dialogue.unknown:
        sentences.append({"kind": "unknown", "titles": list(dialogue.unknown)})
    for beyond in dialogue.beyond:
        facet = catalogue.facets[beyond.condition.facet]
        value = span_words(beyond.condition.span, facet)
        least, most = (plain_number(own, facet) for own in (beyond.least, beyond.most))
        sentences.append({"kind": "beyond", "value": value, "least": least, "most": most})
        unmet.append(value)
    if catalogue.domain.answers and choice.items:
        sentences += about(catalogue.index(choice.items[0].item_id), catalogue)
    elif given_up and choice.items:
        sentences.append(_relaxed(turn, wished, bool(state.seen), given_up, len(choice.items)))
        unmet += [phrase(own.was, catalogue.facets[own.was.facet]) for own in given_up]
    else:
        sentences += _found(turn, wished, choice, count, by_hint, state.hints, other_kinds)
    sentences += _unsure(wished, choice.items, catalogue)
    shown = [catalogue.index(item.item_id) for item in choice.items]
    avoided = [hint for hint, _ in refused]
    before = set(turn.before.slate)
    subjects = [hint for hint in state.hints if not is_mood(hint, catalogue)]
    new = [own for own in subjects if own not in dialogue.said or naming(own, catalogue) & before]
    if shown and (kept_out := [hint for hint in new if hint in avoided]):
        sentences.append({"kind": "kept_out", "words": [unrefused(hint) for hint in kept_out]})
    partly = {hint: len(items & set(shown)) for hint, items in by_hint.items() if items & set(shown) < set(shown)}
    if partly and not given_up and len(set(partly.values())) == 1 and choice.items:
        (of_these,) = set(partly.values())
        rest = len(shown) - of_these
        facts: Facts = {"words": list(partly), "found": rest, "number": number(rest)}
        sentences.append({"kind": "filled", **facts})
    elif not catalogue.domain.answers:
        for hint, of_these in partly.items():
            sentences.append({"kind": "named_by", "words": [hint], "found": of_these, "number": number(of_these)})
    undecided = [hint for hint in new if hint not in avoided and not by_hint.get(hint, frozenset()) & set(shown)]
    if undecided and shown:
        sentences.append({"kind": "undecided", "words": undecided})
    if lacking:
        sentences.append({"kind": "lacking", "words": list(lacking)})
    unmet += [hint for hint in new if not set(shown) <= by_hint.get(hint, frozenset())]
    unmet += [*partly, *lacking]
    plain = given_up or catalogue.domain.answers or surprises(dialogue.request, catalogue)
    question, choices = (None, ()) if plain else _question(turn, choice, count)
    text = turn.wording.all_of(sentences)
    if turn.state.which and turn.asks:
        question, choices = _which(turn)
    if question is not None:
        text = f"{text} {question.text}"
    timings = {"understanding": turn.understood - turn.start, **choice.seconds}
    changing = next((act_name(act) for act in turn.acts if act_name(act) in CHANGING), "want")
    answer = answer_of(turn, text, choice.items, choices, timings, policy, changing)
    answer = replace(answer, question=question, unmet=tuple(dict.fromkeys(unmet)), slate_changed=True)
    impression = (
        impression_of(turn.conversation, state, left_out, choice.ranking, choice.drawn, answer, catalogue)
        if choice.items
        else None
    )
    return Reply(answer, impression)


def _handed_over(turn: Turn) -> bool:
    """Whether a person should answer: nothing is near the question, or none of what was shown has helped."""
    if not turn.catalogue.domain.answers:
        return False
    if any(isinstance(act, Judge) for act in turn.acts):
        refused = [act for act in turn.acts if isinstance(act, Judge) and act.verdict == "disliked"]
        if not any(isinstance(act, Want) for act in turn.acts):
            tried = sum(own.disliked for own in turn.state.judgements.values())
            return 0 < len(turn.before.slate) <= len(refused) and tried >= TRIED
    semantic = turn.policy.semantic
    return semantic is not None and not semantic.answerable(turn.state.request)


def _loosened(turn: Turn, state: State, left_out: frozenset[int]) -> State:
    """The state with preferences for tags that hardly any item has as wishes in words."""
    catalogue, out = turn.catalogue, {*left_out, *state.excluded}
    free = [own for own in state.conditions if own.strength == "prefer" and own.facet in open_facets(catalogue)]
    if not free or catalogue.mask(state.conditions, out).sum() >= LEAST_SHOWN:
        return state
    words = tuple(dict.fromkeys(name for own in free for name in own.names if not own.negative))
    kept = tuple(own for own in state.conditions if own not in free)
    return replace(state, conditions=kept, hints=(*state.hints, *words))


def _set_aside(turn: Turn, state: State, allowed: np.ndarray, count: int) -> tuple[frozenset[int], frozenset[str]]:
    """What is near to an example to avoid, and what would be no surprise where one is wanted; and of which kinds."""
    catalogue, dialogue = turn.catalogue, turn.state
    found: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    if catalogue.domain.answers:
        return found, kinds
    if dialogue.unlike:
        liked = {*dialogue.like, *(item for item, own in dialogue.judgements.items() if own.liked)}
        found = near_avoided(dialogue.unlike, liked - set(dialogue.unlike), allowed, count, turn.policy, catalogue)
    if surprises(dialogue.request, catalogue):
        rest = allowed.copy()
        rest[list(found)] = False
        items, kinds = unsurprising(state, rest, kinds_of(turn.before.answer), count, catalogue)
        found |= items
    return found, kinds


def _unsure(wished: Conditions, items: Sequence[Recommendation], catalogue: Catalogue) -> list[Facts]:
    """Of which items it is not known that they are not what is not wanted."""
    labels, titles = [], []
    for condition in wished:
        facet = catalogue.facets.get(condition.facet)
        if not condition.negative or not condition.names or facet is None or facet.primary:
            continue
        if facet.name in open_facets(catalogue):
            continue  # a tag that is missing says little of any item
        unknown = [item.title for item in items if facet.name not in item.attributes]
        if unknown:
            labels.append(facet.label)
            titles += unknown
    if not labels:
        return []
    label = listed(list(dict.fromkeys(labels)), "or")
    return [{"kind": "unsure", "label": label, "titles": list(dict.fromkeys(titles)), "found": len(items)}]


def _chosen(
    turn: Turn,
    state: State,
    left_out: frozenset[int],
    count: int,
    made_of: tuple[Part, ...],
    asked: Conditions,
) -> tuple[Policy, Choice]:
    exactly = turn.state.count is not None
    words = turn.wording.explanation
    fit = (WEAK, LEAST_SHOWN) if not turn.catalogue.domain.answers else (WEAK_ANSWER, 1)

    def chosen(policy: Policy) -> Choice:
        told = turn.wording.reasons
        return choose(
            policy, turn.catalogue, state, left_out, count, turn.rng, words, exactly, *fit, made_of, told, asked
        )

    try:
        return turn.policy, chosen(turn.policy)
    except PromptError:
        return turn.plain, chosen(turn.plain)


def _found(
    turn: Turn,
    wished: Conditions,
    choice: Choice,
    count: int,
    by_hint: Mapping[str, frozenset[int]],
    hints: Sequence[str],
    other_kinds: frozenset[str],
) -> list[Facts]:
    """What was found, how it follows from the wish, and where it is less than was asked for."""
    catalogue, dialogue = turn.catalogue, turn.state
    shown = {catalogue.index(own.item_id) for own in choice.items}
    # Where some bear out a wish in words and the others fill the slate, the sentence is about those that do.
    bearing = shown & frozenset.intersection(*by_hint.values()) if by_hint else shown
    found = len(bearing or shown)
    words = [_worded(hint, turn) for hint, items in by_hint.items() if (bearing or shown) <= items]
    wish = noun_phrase(wished, catalogue, found or 2, words)
    if not found:
        return [{"kind": "nothing", "wish": wish}]
    again = bool(turn.before.slate) and any(isinstance(act, Want) and not act.opens_topic for act in turn.acts)
    titles = {name: [catalogue[item].title for item in own] for name, own in (
        ("examples", dialogue.like[-3:]), ("avoided", dialogue.unlike[-3:]))}  # fmt: skip
    more = any(isinstance(act, Command) and act.kind in ("more", "next") for act in turn.acts)
    changed = any(isinstance(act, Want) for act in turn.acts)
    facts: Facts = {
        "kind": "more" if more and not changed and found >= count and turn.before.shown else "found",
        "asked": count if not choice.weak else found,
        "found": found,
        "number": number(found),
        "wish": wish,
        **titles,
        "words": [hint for hint in hints if is_mood(hint, catalogue)],
        "specific": dialogue.wished or any(own.seen for own in dialogue.judgements.values()),
        "taste": bool(turn.past or dialogue.past) or any(own.liked for own in dialogue.judgements.values()),
        "again": again,
    }
    if dialogue.tastes:
        facts |= {"kind": "for_each", **_for_whom(turn, wished, [own.item_id for own in choice.items])}
    elif surprises(dialogue.request, catalogue):
        kinds = [value_name(own, catalogue.primary.facet) for own in sorted(other_kinds)] if catalogue.primary else []
        facts |= {"kind": "surprise", "values": kinds, "label": "well liked" if catalogue.rated else ""}
    sentences: list[Facts] = [facts]
    if choice.weak:
        sentences.append({"kind": "weak"})
    preferred = tuple(own for own in wished if own.strength == "prefer")
    if len(shown) < count and not choice.weak and preferred and not words:
        facets = catalogue.facets
        given = [phrase(own, facets[own.facet]) for own in preferred if own.facet in facets]
        sentences.append({"kind": "fewer", "given": given, "number": number(found)})
    return sentences


def _for_whom(turn: Turn, wished: Conditions, shown: Sequence[str]) -> Facts:
    """Which of what is shown is for everybody and which for whom, in words."""
    catalogue = turn.catalogue
    left = [catalogue.index(own) for own in shown]
    told = {facet for _, facet, _ in turn.state.tastes}
    rest = tuple(own for own in wished if own.facet not in told and not own.negative)
    masks = tastes(turn.state, catalogue)
    groups: dict[str, list[Condition]] = {}
    for who, facet, names in turn.state.tastes:
        if who in groups:  # either will do
            names = (*(name for own in groups[who] for name in own.names), *names)
            groups[who] = [Condition(facet, "is", names)]
        else:
            groups[who] = [Condition(facet, "is", (name,)) for name in names]
    everybody = [item for item in left if all(mask[item] for mask in masks.values())]
    values = []
    if everybody:
        kinds = [own for mine in groups.values() for own in mine]
        wish = noun_phrase((*kinds, *rest), catalogue, len(everybody))
        values.append(f"{number(len(everybody))} {wish} for {'both' if len(masks) == 2 else 'all'} of you")
    left = [item for item in left if item not in everybody]
    for who, mask in masks.items():
        mine = [item for item in left if mask[item]]
        left = [item for item in left if item not in mine]
        if mine:
            wish = noun_phrase((*groups[who], *rest), catalogue, len(mine))
            values.append(f"{number(len(mine))} {wish} for {who}")
    refused = noun_phrase([own for own in wished if own.negative], catalogue).partition(", ")[2]
    return {"values": values, "condition": refused, "total": "" if len(everybody) == len(shown) else "split"}


def _worded(hint: str, turn: Turn) -> str:
    """A wish in words as it was said; a preference for a name that few have as words that follow a noun."""
    for own in turn.state.conditions:
        if hint in own.names and hint not in turn.state.hints:
            return phrase(own, turn.catalogue.facets[own.facet])
    several = " " not in hint and hint.endswith("s") and not hint.endswith("ss")
    return f"about {hint}" if several else hint


def _relaxed(turn: Turn, wished: Conditions, taste: bool, given_up: Sequence[GivenUp], found: int) -> Facts:
    catalogue = turn.catalogue
    return {
        "kind": "relaxed",
        "found": found,
        "number": number(found),
        "wish": noun_phrase(turn.state.conditions, catalogue),
        "closest": noun_phrase(wished, catalogue, found),
        "given": [phrase(own.was, catalogue.facets[own.was.facet]) for own in given_up],
        "taste": taste,
    }


def _question(turn: Turn, choice: Choice, count: int) -> tuple[Question | None, tuple[str, ...]]:
    if not turn.asks or len(choice.items) < count:
        return None, ()
    asked = {
        message.answer.question.aspect
        for message in turn.conversation.messages
        if message.answer is not None and message.answer.question is not None
    }
    best = best_question(turn.state, choice.full, turn.catalogue, count, asked)
    if best is None:
        return None, ()
    options = offered(best.question, turn.catalogue)
    text = turn.wording.tell(kind="question", options=options)
    choices = (*(option[0].upper() + option[1:] for option in options), SURPRISE)
    return Question(best.question.facet, text, tuple(options), best.question.values), choices


def _which(turn: Turn) -> tuple[Question, tuple[str, ...]]:
    first = turn.state.which[0]
    options = tuple(turn.catalogue[index].name for index in first.options[:MOST_OPTIONS])
    text = turn.wording.tell(kind="which", title=first.words, options=list(options))
    return Question("which", text, options), options


def ask_which(turn: Turn) -> Reply:
    """Which of several items of one name is meant?"""
    question, options = _which(turn)
    noted = turn.wording.all_of(judgements(turn))
    text = f"{noted} {question.text}".strip()
    return Reply(replace(answer_of(turn, text, choices=options, about="which"), question=question))


def undo(turn: Turn) -> Reply:
    """Says what was taken back; the slate from before stands again."""
    if turn.undone is None:
        return Reply(answer_of(turn, turn.wording.tell(kind="nothing_to_undo"), about="undo"))
    text = turn.wording.tell(kind="undone", said=turn.undone)
    before = turn.state.answer
    answer = answer_of(turn, text, before.items if before is not None else (), about="undo")
    impression = before.impression_id if before is not None else None
    return Reply(replace(answer, slate_changed=True, impression_id=impression))


def judgements(turn: Turn) -> list[Facts]:
    """What the latest message said of single items, repeated in short, so that a misreading is seen."""
    names: dict[str, list[str]] = {kind: [] for kind in ("liked", "disliked", "seen", "unseen", "refused")}
    judged = dict.fromkeys(act.item for act in turn.acts if isinstance(act, Judge))
    if judged and turn.catalogue.domain.answers:
        helped = any(isinstance(act, Judge) and act.verdict == "liked" for act in turn.acts)
        return [{"kind": "helped" if helped else "not_helped"}]
    for item in judged:
        own = turn.state.judgements.get(item)
        verdicts = {act.verdict for act in turn.acts if isinstance(act, Judge) and act.item == item}
        kind = "unseen" if verdicts == {"not_seen"} else "refused" if "not_interested" in verdicts else "seen"
        if own is not None and kind == "seen":
            kind = "liked" if own.liked else "disliked" if own.disliked else "seen"
        if verdicts != {"interested"}:
            names[kind].append(turn.catalogue[item].title)
    for act in turn.acts:
        if isinstance(act, Want):
            names["refused"] += [turn.catalogue[item].title for item in act.reject]
    told = {kind: list(dict.fromkeys(titles)) for kind, titles in names.items() if titles}
    return [{"kind": "noted", **told}] if told else []


def answered(turn: Turn, ask: Ask) -> tuple[list[Facts], tuple[str, ...]]:
    """What is said to a question, and quick replies."""
    shown = not ask.items or ask.items[0] in turn.state.slate
    if ask.items and (ask.kind == "why_not" or (ask.kind == "why" and not shown)):
        facts, change = _why_not(turn, ask.items[0])
        return facts, () if change is None else (change.message,)
    return _answer(turn, ask), ()


def _answer(turn: Turn, ask: Ask) -> list[Facts]:
    catalogue, state = turn.catalogue, policy_state(turn.state, turn.past)
    slate = list(turn.state.slate)
    match ask.kind:
        case "facet":
            items = list(ask.items) or slate
            if not items:
                return [{"kind": "no_slate" if turn.state.turns else "nameless"}]
            return facet_answer(ask.facet or "", items, catalogue)
        case "about":
            items = list(ask.items) or slate[:1]
            if not items:
                return [{"kind": "nameless"}]
            if ask.facet is not None:
                return facet_answer(ask.facet, items, catalogue)
            return [{"kind": "partly"}, *(facts for item in items[:2] for facts in _all_about(item, state, catalogue))]
        case "compare":
            items = list(dict.fromkeys([*ask.items, *slate]))[: max(2, len(ask.items))]
            return compare(items, state, turn.policy, catalogue) if len(items) > 1 else [{"kind": "nameless"}]
        case "which":
            return which(ask, catalogue)
        case "why":
            return _why(turn, ask)
        case "why_not":
            return [{"kind": "nameless"}]
        case "person":
            return profile(state, catalogue)
        case "catalogue":
            if ask.conditions:
                fitting = np.flatnonzero(catalogue.mask(ask.conditions)).tolist()
                if ask.facet is not None and ask.facet in SUPERLATIVES and fitting:
                    return extreme(ask.facet, fitting, catalogue)
                wish = noun_phrase(ask.conditions, catalogue, len(fitting))
                return [{"kind": "count", "total": f"{len(fitting):,}", "wish": wish}]
            if ask.facet is not None and ask.facet in SUPERLATIVES:
                return extreme(ask.facet, None, catalogue)
            return [size(catalogue), *newest(catalogue)] if catalogue.newest_year else [size(catalogue)]
        case "agent":
            return [abilities(catalogue)]


def _all_about(item: int, state: State, catalogue: Catalogue) -> list[Facts]:
    said = [*described(item, catalogue), *tags(item, catalogue)]
    return [*said, *opinion(item, catalogue), *yours(item, state)]


def _why(turn: Turn, ask: Ask) -> list[Facts]:
    slate, answer = list(turn.state.slate), turn.state.answer
    if answer is None:
        return [{"kind": "no_slate"}]
    places = [slate.index(item) for item in ask.items if item in slate] or [0]
    return [facts for place in places[:2] for facts in why(place, answer, turn.catalogue)]


def _why_not(turn: Turn, item: int) -> tuple[list[Facts], Change | None]:
    catalogue, dialogue = turn.catalogue, turn.state
    title = catalogue[item].title
    if item not in dialogue.slate:
        own = dialogue.judgements.get(item)
        if item in dialogue.refused or (own is not None and own.opinion == "not_interested"):
            return [{"kind": "known_item", "title": title, "attitude": "refused"}], None
        if own is not None or any(event.item == item for event in (*turn.past, *dialogue.past)):
            attitude = "had" if own is None else "liked" if own.liked else "disliked" if own.disliked else "had"
            return [{"kind": "known_item", "title": title, "attitude": attitude}], None
        if item in dialogue.like or item in dialogue.unlike:
            return [{"kind": "example", "title": title}], None
    state = policy_state(dialogue, turn.past)
    left_out = dialogue.left_out(catalogue) | state.seen
    ranked = RankedTurn(
        state, left_out, dialogue.slate[: len(ORDINALS)], turn.policy, catalogue, dialogue.count or turn.k
    )
    return why_not(item, ranked)


def _for_later(turn: Turn, act: Later) -> Facts:
    """What becomes of the list for later, or is on it."""
    catalogue, saved = turn.catalogue, turn.saved
    called = catalogue.domain.later
    if saved is None:
        return {"kind": "later_elsewhere", "label": called}
    if act.kind == "show":
        titles = [catalogue[catalogue.index(own)].name for own in reversed(saved) if own in catalogue]
        return {"kind": "later_shown", "label": called, "titles": titles}
    ids = [catalogue[item].item_id for item in act.items]
    changed = [own for own in ids if (own in saved) == (act.kind == "remove")]
    if not ids:
        return {"kind": "nameless"}
    titles = [catalogue[catalogue.index(own)].name for own in changed or ids]
    kind = {"add": "later_added", "remove": "later_removed"}[act.kind]
    return {"kind": kind, "label": called, "titles": titles, "again": not changed}


def _small_talk(turn: Turn) -> tuple[list[Facts], tuple[str, ...]]:
    """A pleasantry, a fresh start, or that nothing was understood; with starters as quick replies."""
    starters = turn.catalogue.domain.starters[:4]
    known = size(turn.catalogue)
    for act in turn.acts:
        match act:
            case Command(kind="restart" | "forget"):
                opener = [] if turn.catalogue.domain.answers else [{"kind": "opener"}]
                return [{"kind": "restart"}, *opener], starters
            case Pleasantry(kind="greeting"):
                first = turn.state.turns <= 1
                facts: Facts = {**known, "kind": "greeting"}
                opens = first and not turn.catalogue.domain.answers
                return ([facts, {"kind": "opener"}] if opens else [facts], starters if first else ())
            case Pleasantry(kind=kind):
                return [{"kind": kind}], ()
            case NotUnderstood(kind="language"):
                return [{"kind": "language", "language": LANGUAGES.get(turn.state.language, "another language")}], ()
            case NotUnderstood(kind="question"):
                return [{**abilities(turn.catalogue), "kind": "unanswered"}], ()
            case NotUnderstood(kind=unclear):
                return [{"kind": unclear, "options": list(starters[:1])}], starters
            case Judge(verdict="interested" | "not_seen"):
                return [{"kind": "accept"}], ()
            case _:
                pass
    return [{"kind": "nonsense", "options": list(starters[:1])}], starters


def answer_of(
    turn: Turn,
    text: str,
    items: tuple[Recommendation, ...] = (),
    choices: tuple[str, ...] = (),
    timings: Mapping[str, float] | None = None,
    policy: Policy | None = None,
    about: str = "want",
    spoken: tuple[str, ...] = (),
) -> Answer:
    """The answer with what holds, what served and how long it took (``timings`` in seconds)."""
    policy = policy or turn.policy
    return Answer(
        reply=text,
        items=items,
        conditions=tuple(own.to_json() for own in turn.state.conditions),
        policy=policy.version,
        template=policy.template,
        latency_ms=round(1000 * (time.perf_counter() - turn.start), 1),
        timings_ms={part: round(1000 * seconds, 1) for part, seconds in (timings or {}).items()},
        choices=tuple(choices),
        about=about,
        spoken=spoken,
    )
