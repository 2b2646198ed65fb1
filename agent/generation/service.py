"""Language: what the LM does with words in one recommender, loaded when it is first needed.

It words checked sentences (:mod:`agent.generation.paraphrase`) and reads messages that the grammar cannot
(:mod:`agent.generation.lm_parser`). Both have a plain way behind them: the templates' words, and what the grammar
found.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from agent.data.assets import resolve_model
from agent.generation.lm_parser import Reading, RequestReader, completed, unread
from agent.generation.local import LANGUAGE, Speech
from agent.generation.openai import RemoteSpeech, SpeechError
from agent.generation.paraphrase import Retelling
from agent.policy.item_lm import AdapterError

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.generation.realizer import Voice
    from agent.policy.distribution import Policy
    from agent.records.answer import Answer
    from agent.understanding.parser import Understanding

_LOG = logging.getLogger(__name__)


class Language:
    """The LM's words and readings for one catalogue.

    Args:
        catalogue: whose genres a reading may name.
        wording: ``templates`` (the LM words nothing), ``lm`` (the language adapter does), or a server's address.
        wording_model: the server's model.
        reading: whether the language adapter reads messages that the grammar cannot.
        cards: whether the reasons on cards are worded too, or the reply alone.
        model: the base LM by name or folder (None: the default).
        folder: the language adapter's folder.

    Raises:
        SpeechError: ``wording`` is none of these.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        wording: str = "templates",
        wording_model: str = "",
        reading: bool = False,
        cards: bool = False,
        model: str | None = None,
        folder: Path = LANGUAGE,
    ) -> None:
        self.wording = wording
        self.reading = reading
        self._genres: Sequence[str] = catalogue.category_names
        self._cards = cards
        self._model = model
        self._folder = folder
        self._loading = threading.Lock()
        self._speech: Speech | None = None
        self._holder: object = None
        self._broken = ""
        self._retelling: Retelling | None = None
        if wording not in ("templates", "lm"):
            self._retelling = Retelling(RemoteSpeech(wording, wording_model or "default"), cards=cards)
        self._read: Callable[[str], Reading | None] = lru_cache(maxsize=256)(self._reading)

    def worded(self, answer: Answer, key: str, voice: Voice, policy: Policy) -> Answer:
        """An answer in the LM's words where they pass the check; what an author's own template says stays as it is."""
        if self.wording == "templates" or (self.wording == "lm" and self.speech(policy) is None):
            return answer
        assert self._retelling is not None
        return self._retelling.answer(answer, key, voice.reply is None, voice.explanation is None)

    def completed(self, told: Understanding, message: str, refines: bool, policy: Policy) -> Understanding:
        """What the grammar found in a message, with the LM's reading of what it could not read."""
        if not self.reading or not unread(told) or self.speech(policy) is None:
            return told
        reading = self._read(message)
        return told if reading is None else completed(told, reading, refines)

    def speech(self, policy: Policy | None = None) -> Speech | None:
        """The language adapter on the policy's base weights; None (and a note in the log) where it cannot be used."""
        with self._loading:
            holder = None if policy is None or policy.lm is None else policy.lm.model
            if self._speech is None and not self._broken:
                try:
                    self._speech = Speech.load(self._folder, Path(resolve_model(self._model)), holder)
                except (AdapterError, OSError, ImportError) as error:
                    self._broken = str(error)
                    _LOG.warning("templates word the answers: %s", error)
                else:
                    self._holder = holder
                    if self._retelling is None:
                        self._retelling = Retelling(self._speech, self._speech.card.words, self._cards, held=True)
            elif self._speech is not None and holder is not None and holder is not self._holder:
                self._speech.share(holder)  # another policy serves now: its weights are the same
                self._holder = holder
            return self._speech

    def _reading(self, message: str) -> Reading | None:
        assert self._speech is not None
        try:
            return RequestReader(self._speech, self._genres).read(message)
        except SpeechError:
            return None
