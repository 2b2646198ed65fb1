"""What earlier versions kept of wishes, conversations and impressions, when films were all there was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.records.acts import Want
from agent.records.answer import Answer, Evidence, Question, Recommendation
from agent.records.conditions import Condition, Conditions, Strength
from agent.records.conversation import PRESSES, Conversation, Event, Pressed, Replied, Said

_EVIDENCE = {"genre": ("condition", "genre"), "year": ("condition", "year"), "viewers": ("raters", None)}
_NUMBERS = (
    ("year", "year_min", "year_max"),
    ("rating", "rating_min", ""),
    ("popularity", "viewers_min", "viewers_max"),
)


def legacy_conditions(logged: Mapping[str, Any]) -> tuple[Conditions, tuple[str, ...]]:
    """Conditions and wishes in words from the fields that earlier versions logged."""
    return tuple(_conditions(logged)), tuple(logged.get("unchecked", ()))


def legacy_conversation(data: Mapping[str, Any]) -> Conversation:
    """A conversation of an earlier version: its messages, what was believed, and the conditions that held."""
    events: list[Event] = []
    for message in data["messages"]:
        if message["role"] == "user":
            events.append(Said(message["content"]))
        elif message["answer"]:
            events.append(Replied(_answer(message["answer"])))
        else:
            events.append(Replied(_answer({"reply": message["content"]})))
    conditions, hints = legacy_conditions(data.get("constraints", {}))
    request = str(data.get("request", ""))
    last = max((place for place, event in enumerate(events) if isinstance(event, Said)), default=None)
    if last is not None and (conditions or hints or request):
        said = events[last]
        assert isinstance(said, Said)
        events[last] = Said(said.text, (Want(conditions, hints, request=request, opens_topic=True),))
    for belief in data["beliefs"]:
        if belief["attitude"] in PRESSES:
            events.append(Pressed(belief["item_id"], belief["attitude"], belief["rating"], belief.get("turn", 0)))
    return Conversation(data["id"], data["user"], events)


def _conditions(logged: Mapping[str, Any]) -> Iterator[Condition]:
    soft = set(logged.get("soft", ()))

    def strength(*names: str) -> Strength:
        return "prefer" if soft & set(names) else "must"

    for group in logged.get("genres", ()):
        yield Condition("genre", "is", tuple(sorted(group)), strength(*group))
    if without := tuple(sorted(logged.get("without_genres", ()))):
        yield Condition("genre", "is_not", without, strength(*without))
    for facet, least, most in _NUMBERS:
        low, high = logged.get(least), logged.get(most)
        if low is not None and high is not None:
            yield Condition(facet, "between", (low, high), strength(least, most))
        elif low is not None:
            yield Condition(facet, "at_least", low, strength(least))
        elif high is not None:
            yield Condition(facet, "at_most", high, strength(most))
    for first, last in logged.get("without_years", ()):
        yield Condition("year", "is_not", (first, last), strength("without_years"))
    for tag in logged.get("tags", ()):
        yield Condition("tag", "is", (tag,), strength(tag))
    if without := tuple(sorted(logged.get("without_tags", ()))):
        yield Condition("tag", "is_not", without, strength(*without))


def _answer(data: Mapping[str, Any]) -> Answer:
    items = tuple(_item(item) for item in data.get("items", ()))
    asked = data.get("question")
    choices = tuple(data.get("choices", ()))
    return Answer(
        reply=data["reply"],
        items=items,
        conditions=tuple(own.to_json() for own in _conditions(data.get("constraints", {}))),
        policy=str(data.get("policy", "")),
        template=dict(data.get("template", {})),
        latency_ms=float(data.get("latency_ms", 0.0)),
        timings_ms=dict(data.get("timings_ms", {})),
        choices=choices,
        question=Question(asked["aspect"], asked["text"], choices) if asked else None,
        about={"recommend": "want", "reset": "control", "which": "which"}.get(data.get("about", ""), "ask"),
        slate_changed=bool(items) or data.get("about") == "reset",
        impression_id=data.get("impression_id"),
    )


def _item(item: Mapping[str, Any]) -> Recommendation:
    categories = tuple(item.get("categories", item.get("genres", ())))
    known = {"genre": list(categories)} | ({"year": item["year"]} if item["year"] is not None else {})
    return Recommendation(
        item_id=item["item_id"],
        title=item["title"],
        year=item["year"],
        categories=categories,
        score=item["score"],
        propensity=item["propensity"],
        reason=item["reason"],
        evidence=tuple(_fact(fact) for fact in item.get("evidence", ())),
        attributes=known,
        raters=next((int(fact["value"]) for fact in item.get("evidence", ()) if fact["kind"] == "viewers"), 0),
    )


def _fact(fact: Mapping[str, Any]) -> Evidence:
    kind, facet = _EVIDENCE.get(fact["kind"], (fact["kind"], None))
    return Evidence(kind, fact["weight"], fact["item_id"], fact["value"], facet)
