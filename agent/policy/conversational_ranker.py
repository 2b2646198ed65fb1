"""Dialogue ranker: the few fitted weights that turn what a conversation tells of each item into logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from agent.catalogue.catalogue import Catalogue
from agent.data.atomic import write_whole
from agent.features.conversation_features import FEATURES, Dialogue, centred
from agent.policy.item_embeddings import item_keys

RANKER_FILE = "ranker.json"
VECTORS_FILE = "vectors.safetensors"
SHIPPED = Path(__file__).parent / "conversational_rankers" / "movielens"
"""The ranker whose weights were fitted on MovieLens' ratings alone."""

COUNT_PRIOR = 0.3
"""Mentions that are added to every item's, so that those never mentioned keep a chance."""

PAIR_PRIOR = 3.0
"""Dialogues that are added to an item's own where the share of those that name another one too is worked out."""

KNOWN_PRIOR = 0.006
"""Mentions that are added to an item's for each of its ratings."""

SHARPNESS = 10.0
"""A past dialogue counts ``exp(SHARPNESS * cosine)`` where one like it is looked for."""

LEAST_SHARE = 5e-4
"""Share that is added to every item's in dialogues that are alike."""

LEARNT = (
    "mentioned",
    "familiar",
    "recommended",
    "mentioned_with",
    "familiar_few",
    "alike_said",
    "alike_last",
)
"""What past dialogues tell of an item: logarithms of in how many it was named, of that number mixed with how many
ratings it has, and of in how many it was recommended; how often it came with the named ones; ``familiar`` divided by
the root of one more than the number of named ones; and logarithms of its share of what was recommended where what was
said, or the last message, was alike."""


POLICY_PARTS = ("evidence", "lm", "evidence_alone", "lm_alone")
"""The parts of the policy's logits, evidence (with the text similarity) and LM, each less its mean over the catalogue;
and again, zero where an item was named: where there are only words, the policy that reads them counts for more."""

_PLAIN = ("mentioned", "recommended", "together", "answers")


class RankerError(ValueError):
    """A ranker cannot be used; the message says why and what to do."""


def _nothing() -> np.ndarray:
    return np.zeros((0, 1), dtype=np.float16)


@dataclass(frozen=True)
class PastDialogues:
    """What people named in dialogues, by item key (:func:`agent.policy.item_embeddings.item_keys`).

    ``mentioned`` and ``recommended`` count dialogues; ``together`` maps a key to the keys that were named in the same
    dialogues, with their number. ``answers`` are the keys that were recommended at each of T turns, ``said`` and
    ``last`` (T, width) float16 the vectors of what was said before and of the last message.
    """

    mentioned: Mapping[str, int] = field(default_factory=dict)
    recommended: Mapping[str, int] = field(default_factory=dict)
    together: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    answers: tuple[tuple[str, ...], ...] = ()
    said: np.ndarray = field(default_factory=_nothing, compare=False)
    last: np.ndarray = field(default_factory=_nothing, compare=False)


@dataclass(frozen=True)
class ConversationalRanker:
    """``weights`` maps a feature's name to its weight: one of FEATURES, LEARNT and POLICY_PARTS.

    ``about`` says what the weights were fitted on.
    """

    weights: Mapping[str, float]
    past: PastDialogues = field(default_factory=PastDialogues)
    about: str = ""

    def vector(self, names: tuple[str, ...]) -> np.ndarray:
        """The weights of the named features, (len(names),) float32; 0 where there is none."""
        return np.array([self.weights.get(name, 0.0) for name in names], dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write ``ranker.json``, and the vectors of past dialogues, into the folder (made if missing)."""
        past: dict[str, object] = {name: getattr(self.past, name) for name in _PLAIN}
        document = {"about": self.about, "weights": dict(self.weights), "past": past}
        write_whole(folder / RANKER_FILE, json.dumps(document, indent=1, sort_keys=True) + "\n")
        if self.past.answers:
            save_file({"said": self.past.said, "last": self.past.last}, folder / VECTORS_FILE)

    @classmethod
    def load(cls, folder: Path) -> ConversationalRanker:
        """Read what :meth:`save` wrote.

        Raises:
            RankerError: there is none, or it has unknown features.
        """
        path = folder / RANKER_FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            past: dict[str, Any] = data["past"] | {"answers": tuple(tuple(own) for own in data["past"]["answers"])}
            if past["answers"]:
                past |= load_file(folder / VECTORS_FILE)
            ranker = cls({str(k): float(v) for k, v in data["weights"].items()}, PastDialogues(**past))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RankerError(
                f"{path} is no ranker of conversations: {error}. Make one with `concierge train dialogue`"
            ) from error
        unknown = sorted(set(ranker.weights) - {*FEATURES, *LEARNT, *POLICY_PARTS})
        if unknown:
            raise RankerError(f"{path} weighs {unknown[0]!r}, which this version does not have: train it again")
        return cls(ranker.weights, ranker.past, str(data.get("about", "")))


class LearntCounts:
    """LEARNT of every item of a catalogue, (F, n_items), for a conversation."""

    def __init__(self, past: PastDialogues, catalogue: Catalogue) -> None:
        self._place = {key: index for index, key in enumerate(item_keys(catalogue.items))}
        self.n_items = len(catalogue)
        self._ratings = KNOWN_PRIOR * (catalogue.rating_count + 1.0)
        self.mentioned = self._counts(past.mentioned)
        self.recommended = self._counts(past.recommended)
        self.together = {
            self._place[key]: {self._place[other]: n for other, n in others.items() if other in self._place}
            for key, others in past.together.items()
            if key in self._place
        }
        pairs = [
            (turn, self._place[key]) for turn, keys in enumerate(past.answers) for key in keys if key in self._place
        ]
        shape = (len(past.answers), self.n_items)
        rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
        self._answers = sparse.csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=shape)
        self._said, self._last = (centred(own.astype(np.float32)) for own in (past.said, past.last))

    def features(
        self,
        dialogue: Dialogue,
        named_here: frozenset[int] = frozenset(),
        rec_here: frozenset[int] = frozenset(),
        turns_here: tuple[int, ...] = (),
    ) -> np.ndarray:
        """(len(LEARNT), n_items) float32.

        ``named_here``: items named anywhere in it, where it is one of those counted: they are taken off again;
        ``turns_here``: the places of its turns among those of the past dialogues, likewise.
        """
        mentioned, recommended = self.mentioned.copy(), self.recommended.copy()
        mentioned[list(named_here)] -= 1
        recommended[list(rec_here)] -= 1
        shares = np.zeros(self.n_items)
        for item in dialogue.named:
            own = item in named_here
            for other, number in self.together.get(item, {}).items():
                left = number - (own and other in named_here)
                shares[other] += left / (mentioned[item] + PAIR_PRIOR)
        familiar = np.log(mentioned + self._ratings)
        columns = [
            np.log(mentioned + COUNT_PRIOR),
            familiar,
            np.log(recommended + COUNT_PRIOR),
            np.log1p(shares * 30.0),
            familiar / np.sqrt(1.0 + len(dialogue.named)),
            self._alike(dialogue.said, self._said, turns_here),
            self._alike(dialogue.last, self._last, turns_here),
        ]
        return np.stack(columns).astype(np.float32)

    def _alike(
        self, vector: np.ndarray, known: tuple[np.ndarray, np.ndarray], turns_here: tuple[int, ...]
    ) -> np.ndarray:
        """Logarithm of every item's share of what was recommended in turns that were alike, (n_items,)."""
        vectors, centre = known
        if not len(vectors):
            return np.full(self.n_items, np.log(LEAST_SHARE))
        moved = vector - centre
        weights = np.exp(SHARPNESS * (vectors @ (moved / max(float(np.linalg.norm(moved)), 1e-9))))
        weights[list(turns_here)] = 0.0
        share = (weights / max(float(weights.sum()), 1e-9)) @ self._answers
        return np.log(np.asarray(share).ravel() + LEAST_SHARE)

    def _counts(self, counts: Mapping[str, int]) -> np.ndarray:
        out = np.zeros(self.n_items)
        for key, number in counts.items():
            if key in self._place:
                out[self._place[key]] += number
        return out
