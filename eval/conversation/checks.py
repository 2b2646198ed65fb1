"""Checks: scripted conversations whose every turn says what is right, and the share of turns that are.

A file is a list of conversations: ``{id, turns: [{say | react, position, stars | remove, checks ...}]}``. The checks of
the answer to a turn:

    slate: new | same | none        another slate; the last one untouched (or none yet); no slate in this answer
    count: N                        so many items are shown
    all / none: {facet: values}     every item / no item of the slate has one of the values; numbers: [least, most];
                                    ``title`` compares title and year, ``raters_max`` how many people had an item
    keeps / drops: [facet]          a condition on these facets stands afterwards, or does not
    liked / disliked / seen: [titles believed so afterwards];  believes_nothing_of: [titles]
    reply_has / reply_lacks: [words, whatever their case]
    unmet: true | false             whether the answer names a wish that it could not meet
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from agent.recommender import Recommender
from eval.conversation.scripted import hold
from eval.metrics import Interval, cluster_bootstrap

SENT = ("react", "position", "stars", "remove")
CHECKS = frozenset(
    [
        "slate",
        "count",
        "all",
        "none",
        "keeps",
        "drops",
        "liked",
        "disliked",
        "seen",
        "believes_nothing_of",
        "reply_has",
        "reply_lacks",
        "unmet",
    ]
)


class ChecksError(ValueError):
    """A file of conversations cannot be used; the message names the conversation, the turn and the fix."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A check that failed: ``kind`` is its key, ``what`` says how."""

    conversation: str
    turn: int
    said: str
    kind: str
    what: str


@dataclass
class Checked:
    """What the checks came to; ``turns`` and ``kinds`` hold (conversation, right) for every turn and every check."""

    turns: list[tuple[str, bool]] = field(default_factory=list)
    kinds: dict[str, list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    flaws: list[Flaw] = field(default_factory=list)

    def to_json(self, seed: int = 0) -> dict[str, Any]:
        """Shares with 95 % intervals over conversations, and the flaws."""

        def share(rows: Sequence[tuple[str, bool]]) -> dict[str, Any]:
            found: Interval = cluster_bootstrap(
                np.array([right for _, right in rows], dtype=np.float64), [own for own, _ in rows], seed=seed
            )
            return {
                "share": found.mean,
                "ci": [found.low, found.high],
                "right": sum(r for _, r in rows),
                "of": len(rows),
            }

        whole = {own for own, _ in self.turns} - {flaw.conversation for flaw in self.flaws}
        return {
            "turns": share(self.turns),
            "conversations": {"whole": len(whole), "of": len({own for own, _ in self.turns})},
            "kinds": {kind: share(rows) for kind, rows in sorted(self.kinds.items())},
            "flaws": [
                {
                    "conversation": own.conversation,
                    "turn": own.turn,
                    "said": own.said,
                    "kind": own.kind,
                    "what": own.what,
                }
                for own in self.flaws
            ],
        }


def read_dialogues(path: Path) -> list[dict[str, Any]]:
    """The conversations of a file.

    Raises:
        ChecksError: it cannot be read, or a turn has neither words nor a press, or an unknown check.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ChecksError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, list):
        raise ChecksError(f"{path} holds no list of conversations: start with `- id: ...`")
    for dialogue in data:
        for number, turn in enumerate(dialogue.get("turns", ()), 1):
            unknown = set(turn) - CHECKS - {"say", *SENT}
            if unknown:
                raise ChecksError(
                    f"{path}: {dialogue.get('id')}, turn {number}: unknown check {min(unknown)!r}: use one of "
                    f"{', '.join(sorted(CHECKS))}"
                )
            if not {"say", "react", "remove"} & set(turn):
                raise ChecksError(f"{path}: {dialogue.get('id')}, turn {number}: give say, react or remove")
    return data


def run(
    dialogues: Sequence[Mapping[str, Any]],
    recommender: Recommender,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> Checked:
    """Hold the conversations and check every answer."""
    checked = Checked()
    for done, dialogue in enumerate(dialogues, 1):
        name = str(dialogue["id"])
        answers = hold(recommender, {"id": name, "turns": [sent(turn) for turn in dialogue["turns"]]})["turns"]
        for number, (turn, answer) in enumerate(zip(dialogue["turns"], answers, strict=True), 1):
            found = list(flaws(turn, answer))
            checked.turns.append((name, not found))
            for kind in CHECKS & set(turn):
                checked.kinds[kind].append((name, all(own != kind for own, _ in found)))
            said = str(turn.get("say", sent(turn)))
            checked.flaws += [Flaw(name, number, said, kind, what) for kind, what in found]
        report("conversations", done, len(dialogues))
    return checked


def sent(turn: Mapping[str, Any]) -> Any:
    """A turn without its checks."""
    return turn["say"] if "say" in turn else {key: value for key, value in turn.items() if key in SENT}


def flaws(turn: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The checks of a turn that its answer fails, each with how."""
    slate, reply, changed = answer["slate"], answer["reply"].lower(), answer["slate_changed"]
    wanted = turn.get("slate")
    if wanted == "new" and not (changed and slate):
        yield "slate", "no new slate"
    if wanted in ("same", "none") and changed:
        yield "slate", "the slate changed"
    if "count" in turn and len(slate) != turn["count"]:
        yield "count", f"{len(slate)} shown"
    for facet, values in (turn.get("all") or {}).items():
        off = [item["title"] for item in slate if not meets(item, facet, values, every=True)]
        if off or not slate:
            yield "all", f"not {facet} {values}: {off[:3]}"
    for facet, values in (turn.get("none") or {}).items():
        off = [item["title"] for item in slate if meets(item, facet, values, every=False)]
        if off:
            yield "none", f"{facet} {values}: {off[:3]}"
    held = {condition["facet"] for condition in answer["conditions"]}
    for facet in turn.get("drops", ()):
        if facet in held:
            yield "drops", f"{facet} still stands"
    for facet in turn.get("keeps", ()):
        if facet not in held:
            yield "keeps", f"{facet} is gone"
    believed = answer["believed"]
    for kind in ("liked", "disliked", "seen"):
        for title in turn.get(kind, ()):
            if not any(title.lower() in own.lower() for own in believed.get(kind, ())):
                yield kind, f"{title} is not believed {kind}"
    everything = {own.rsplit(" (", 1)[0].lower() for names in believed.values() for own in names}
    for title in turn.get("believes_nothing_of", ()):
        if title.lower() in everything:
            yield "believes_nothing_of", f"believes something of {title}"
    for words in turn.get("reply_has", ()):
        if words.lower() not in reply:
            yield "reply_has", f"lacks {words!r}: {answer['reply']}"
    for words in turn.get("reply_lacks", ()):
        if words.lower() in reply:
            yield "reply_lacks", f"has {words!r}: {answer['reply']}"
    if "unmet" in turn and bool(answer["unmet"]) != turn["unmet"]:
        yield "unmet", f"names {answer['unmet']}"


def meets(item: Mapping[str, Any], facet: str, wanted: Any, every: bool) -> bool:
    """Whether an item has all (``every``) or one of the wanted values; numbers lie in [least, most]."""
    if facet == "raters_max":
        return bool(item["raters"] <= wanted)
    if facet == "title":
        year = item["attributes"].get("year")
        known = [item["title"] + (f" ({year})" if year else "")]
    else:
        value = item["attributes"].get(facet)
        known = [] if value is None else value if isinstance(value, list) else [value]
    wanted = wanted if isinstance(wanted, list) else [wanted]
    if known and isinstance(known[0], int | float) and len(wanted) == 2 and not isinstance(wanted[0], str):
        return bool(wanted[0] <= float(known[0]) <= wanted[1])
    hits = [any(str(own).lower() in str(value).lower() for value in known) for own in wanted]
    return all(hits) if every else any(hits)
