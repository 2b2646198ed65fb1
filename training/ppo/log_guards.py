"""Log guards: what of a chat's log may be learnt from, and why the rest may not.

A log is written by whoever comes. Left out are impressions that are there twice, people who did the same one thing far
oftener than chance allows (programs that click or turn down one item), and whatever one person did beyond their share.
A log of too few people is refused. What holds a propensity of 0 is no impression
(:class:`agent.records.impression.Impression`) and cannot be read at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from agent.store.logged_impression import LoggedImpression

TWICE = "the same slate of the same moment is there twice"
ONE_ITEM = "somebody did the same one thing to the same item as too many others did and nothing else"
SHARE = "one person's share of the log is used up"


class GuardError(ValueError):
    """None of a log may be learnt from; the message says why and what was left out."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Where a log is not believed.

    ``people``: fewer are not learnt from. ``share`` of all impressions is the most that one person counts for, but
    ``least`` impressions each always count. ``significance``: below this p-value (over all items) so many people who
    did nothing but one thing to one item are no accident; ``pushed``: fewer of them are never suspected.
    """

    people: int = 20
    share: float = 0.05
    least: int = 10
    significance: float = 1e-4
    pushed: int = 8


@dataclass(frozen=True, slots=True)
class Guarded:
    """``kept`` are the ids of the impressions that may be learnt from, ``left_out`` counts the others by reason.

    ``refused`` says why none of it may be; None where some may.
    """

    kept: frozenset[str]
    left_out: Mapping[str, int]
    refused: str | None = None


def guard(impressions: Sequence[LoggedImpression], settings: GuardSettings | None = None) -> Guarded:
    """Which impressions of a log may be learnt from; they come in the order of recording."""
    settings = settings or GuardSettings()
    left_out: Counter[str] = Counter()
    once = _once(impressions)
    left_out[TWICE] = len(impressions) - len(once)
    suspects = _one_thing_only(once, settings)
    honest = [own for own in once if owner(own) not in suspects]
    left_out[ONE_ITEM] = len(once) - len(honest)
    most = max(settings.least, int(settings.share * len(honest)))
    seen: Counter[str] = Counter()
    kept = []
    for own in honest:
        seen[owner(own)] += 1
        if seen[owner(own)] <= most:
            kept.append(own)
    left_out[SHARE] = len(honest) - len(kept)
    people = len({owner(own) for own in kept})
    refused = None
    if people < settings.people:
        refused = f"only {people} people are left to learn from, at least {settings.people} are needed"
    return Guarded(frozenset(own.impression.id for own in kept), +left_out, refused)


def owner(logged: LoggedImpression) -> str:
    """Whose an impression is: the data set's user, or the conversation where there was none."""
    return logged.impression.user or logged.impression.conversation_id


def _once(impressions: Sequence[LoggedImpression]) -> list[LoggedImpression]:
    """Without those that come again: of one id, of one moment, or of one turn, with the same slate."""
    seen: set[tuple[object, ...]] = set()
    out = []
    for own in impressions:
        shown = own.impression
        keys = [
            ("id", shown.id),
            ("moment", shown.timestamp, shown.slate, shown.request),
            ("turn", shown.conversation_id, shown.turn, shown.slate, shown.propensities),
        ]
        if not seen.intersection(keys):
            out.append(own)
        seen.update(keys)
    return out


def _one_thing_only(impressions: Sequence[LoggedImpression], settings: GuardSettings) -> set[str]:
    """People who did one thing to one item and nothing else, where too many did so for it to be chance.

    Two tests for each item and each of taking up and turning down: whether it happened to those who saw the item
    oftener than to others, and whether those who did it did nothing else oftener than others. Both must fail.
    """
    saw: defaultdict[str, set[str]] = defaultdict(set)
    did: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
    acts: defaultdict[str, set[tuple[str, bool]]] = defaultdict(set)
    for own in impressions:
        for item, verdict in zip(own.impression.slate, own.verdicts(), strict=True):
            saw[item].add(owner(own))
            if verdict.clicked or verdict.stars is not None:
                did[item, verdict.clicked].add(owner(own))
                acts[owner(own)].add((item, verdict.clicked))
    alone = {act: {who for who in people if len(acts[who]) == 1} for act, people in did.items()}
    sightings = sum(map(len, saw.values()))
    suspects: set[str] = set()
    for act, people in did.items():
        if len(alone[act]) < settings.pushed:
            continue
        item, liked = act
        others = {other: own for other, own in did.items() if other[1] == liked and other != act}
        total = sum(map(len, others.values()))
        rate = (total + 1) / (sightings - len(saw[item]) + 2)
        usual = (sum(len(alone[other]) for other in others) + 1) / (total + 2)
        limit = settings.significance / len(did)
        oftener = stats.binom.sf(len(people) - 1, len(saw[item]), rate)
        lonelier = stats.binom.sf(len(alone[act]) - 1, len(people), usual)
        if oftener < limit and lonelier < limit:
            suspects |= alone[act]
    return suspects
