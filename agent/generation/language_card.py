"""Language card: what goes with the weights of a language adapter."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.policy.item_lm import AdapterError

LANGUAGE_FILE = "language.json"


@dataclass(frozen=True, slots=True)
class LanguageCard:
    """``language.json`` of an adapter folder.

    ``words`` are the words that its wordings may use beside those of the facts, in lower case. ``base`` names the base
    LM and ``base_sha256`` is of its weights; ``wording`` and ``parsing`` name the prompt templates that the adapter was
    tuned with.
    """

    version: str
    base: str
    base_sha256: str
    words: tuple[str, ...]
    wording: str = "wording@1"
    parsing: str = "request-parsing@1"

    @classmethod
    def read(cls, folder: Path) -> LanguageCard:
        """Read an adapter folder's card.

        Raises:
            AdapterError: the file is missing or has missing or unknown keys.
        """
        path = folder / LANGUAGE_FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**data, "words": tuple(data["words"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise AdapterError(
                f"{path} is not the card of a language adapter: {error}. Make one with `concierge train language`."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the card into an adapter folder."""
        (folder / LANGUAGE_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
