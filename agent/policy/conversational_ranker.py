"""Dialogue ranker: the few fitted weights that turn what a conversation tells of each item into logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from agent.catalogue.catalogue import Catalogue
from agent.data.atomic import write_whole
from agent.features.conversation_features import FEATURES, Dialogue
from agent.policy.item_embeddings import item_keys
from agent.policy.taken import TAKEN, Taken

RANKER_FILE = "ranker.json"
PAST_FILE = "past.safetensors"
SHIPPED = Path(__file__).parent / "conversational_rankers" / "movielens"
"""The ranker whose weights were fitted on MovieLens' ratings alone."""

OF_DOMAIN = "fitted/conversational_ranker"
"""Folder of the ranker that was fitted on dialogues about a domain's items, beside its ``domain.yaml``."""

LEAST_KNOWN = 0.8
"""A catalogue that has a smaller share of what was named in those dialogues is ranked by the one from ratings."""

COUNT_PRIOR = 0.3
"""Mentions that are added to every item's, so that those never mentioned keep a chance."""

PAIR_PRIOR = 3.0
"""Dialogues that are added to an item's own where the share of those that name another one too is worked out."""

KNOWN_PRIOR = 0.006
"""Mentions that are added to an item's for each of its ratings."""

LEARNT = ("mentioned", "familiar", "recommended", "mentioned_with", "familiar_few")
"""What past dialogues tell of an item: logarithms of in how many it was named, of that number mixed with how many
ratings it has, and of in how many it was recommended; how often it came with the named ones; ``familiar`` divided by
the root of one more than the number of named ones."""

POLICY_PARTS = ("evidence", "lm", "evidence_alone", "lm_alone")
"""The parts of the policy's logits, evidence (with the text similarity) and LM, each less its mean over the catalogue;
and again, zero where an item was named: where there are only words, the policy that reads them counts for more."""


class RankerError(ValueError):
    """A ranker cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class PastDialogues:
    """What people named in dialogues, by item key (:func:`agent.policy.item_embeddings.item_keys`).

    ``mentioned`` and ``recommended`` count dialogues; ``together`` maps a key to the keys that were named in the same
    dialogues, with their number. Nothing that anybody said is kept.
    """

    mentioned: Mapping[str, int] = field(default_factory=dict)
    recommended: Mapping[str, int] = field(default_factory=dict)
    together: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the numbers: of each key, and of each pair of keys once."""
        keys = sorted({*self.mentioned, *self.recommended})
        place = {key: row for row, key in enumerate(keys)}
        pairs = [
            (place[one], place[other], number)
            for one, own in sorted(self.together.items())
            for other, number in sorted(own.items())
            if one < other
        ]
        counts = [(self.mentioned.get(key, 0), self.recommended.get(key, 0)) for key in keys]
        arrays = {
            "counts": np.array(counts, dtype=np.int32).reshape(-1, 2),
            "pairs": np.array(pairs, dtype=np.int32).reshape(-1, 3),
        }
        save_file(arrays, path, {"keys": " ".join(keys)})

    @classmethod
    def load(cls, path: Path) -> PastDialogues:
        """Read what :meth:`save` wrote."""
        with safe_open(path, "np") as stored:
            keys = stored.metadata()["keys"].split()
            counts, pairs = stored.get_tensor("counts").tolist(), stored.get_tensor("pairs").tolist()
        mentioned, recommended = (
            {key: own[column] for key, own in zip(keys, counts, strict=True) if own[column]} for column in (0, 1)
        )
        together: dict[str, dict[str, int]] = {}
        for one, other, number in pairs:
            together.setdefault(keys[one], {})[keys[other]] = number
            together.setdefault(keys[other], {})[keys[one]] = number
        return cls(mentioned, recommended, together)


@dataclass(frozen=True)
class ConversationalRanker:
    """``weights`` maps a feature's name to its weight: one of FEATURES, LEARNT, TAKEN and POLICY_PARTS.

    ``about`` says what the weights were fitted on; ``chat`` what the people of a chat took up since.
    """

    weights: Mapping[str, float]
    past: PastDialogues = field(default_factory=PastDialogues)
    about: str = ""
    chat: Taken = field(default_factory=Taken)

    def vector(self, names: tuple[str, ...]) -> np.ndarray:
        """The weights of the named features, (len(names),) float32; 0 where there is none."""
        return np.array([self.weights.get(name, 0.0) for name in names], dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write ``ranker.json``, and what past dialogues named, into the folder (made if missing)."""
        document: dict[str, Any] = {"about": self.about, "weights": dict(self.weights)}
        if self.chat.expected:
            document["chat"] = asdict(self.chat)
        write_whole(folder / RANKER_FILE, json.dumps(document, indent=1, sort_keys=True) + "\n")
        if self.past.mentioned:
            self.past.save(folder / PAST_FILE)

    @classmethod
    def load(cls, folder: Path) -> ConversationalRanker:
        """Read what :meth:`save` wrote.

        Raises:
            RankerError: there is none, or it has unknown features.
        """
        path = folder / RANKER_FILE
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            past = PastDialogues.load(folder / PAST_FILE) if (folder / PAST_FILE).is_file() else PastDialogues()
            weights = {str(k): float(v) for k, v in data["weights"].items()}
            ranker = cls(weights, past, str(data.get("about", "")), Taken(**data.get("chat", {})))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RankerError(
                f"{path} is no ranker of conversations: {error}. Make one with `concierge train dialogue`"
            ) from error
        unknown = sorted(set(ranker.weights) - {*FEATURES, *LEARNT, *TAKEN, *POLICY_PARTS})
        if unknown:
            raise RankerError(f"{path} weighs {unknown[0]!r}, which this version does not have: train it again")
        return ranker


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

    def features(
        self,
        dialogue: Dialogue,
        named_here: frozenset[int] = frozenset(),
        rec_here: frozenset[int] = frozenset(),
    ) -> np.ndarray:
        """(len(LEARNT), n_items) float32.

        ``named_here`` are items named anywhere in it, where it is one of those counted, ``rec_here`` those recommended:
        they are taken off again.
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
        ]
        return np.stack(columns).astype(np.float32)

    def _counts(self, counts: Mapping[str, int]) -> np.ndarray:
        out = np.zeros(self.n_items)
        for key, number in counts.items():
            if key in self._place:
                out[self._place[key]] += number
        return out


def ranker_for(catalogue: Catalogue) -> ConversationalRanker:
    """The ranker that ships for a catalogue: the one fitted on dialogues about its items, else the one from ratings."""
    folder = catalogue.domain.folder / OF_DOMAIN
    if (folder / RANKER_FILE).is_file():
        ranker = ConversationalRanker.load(folder)
        keys, named = set(item_keys(catalogue.items)), ranker.past.mentioned
        if sum(number for key, number in named.items() if key in keys) >= LEAST_KNOWN * sum(named.values()):
            return ranker
    return ConversationalRanker.load(SHIPPED)
