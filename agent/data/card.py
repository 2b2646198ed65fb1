"""The data card: what was made of a data set's columns and values, kept beside its tables as ``card.yaml``.

It is written by the import, shown by ``concierge data describe``, and may be edited: the domain counts at once, the
rest after ``concierge data reread NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.data.archive import DatasetError
from agent.domains.domain import BASE, Domain, Facet, Kind, load_domain

FILE = "card.yaml"

TAG = "tag"
"""The facet that a table of tags fills, whatever the domain."""

FeedbackKind = Literal["explicit", "counts", "events", "any", "none"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A source column: what it was ``taken_for`` (a role such as ``item`` or ``title``, a facet, or ``ignore``).

    Attributes:
        column: its name in the source.
        taken_for: ``item``, ``title``, ``alias``, ``user``, ``rating``, ``count``, ``time``, ``event``, ``session``,
            ``history``, ``identifier``, the name of a facet, or ``ignore``.
        why: where the decision comes from.
        example: a value.
        filled: the share of rows that have one.
    """

    column: str
    taken_for: str
    why: str = ""
    example: str = ""
    filled: float = 1.0


class CardFacet(_Strict):
    """A facet that the items have: its kind, and the column that it was read from.

    ``predicted`` names the tagger that inferred the values from the texts in ``column``; None where the data give them.
    """

    kind: Kind
    column: str
    separator: str | None = None
    unit: str | None = None
    label: str | None = None
    primary: bool = False
    predicted: str | None = None


class Feedback(_Strict):
    """How a data set's own values become grades from 0.5 to 5, where 4 and more is positive.

    Attributes:
        kind: ``explicit`` (values on a scale), ``counts`` (how often), ``events`` (kinds of events), ``any`` (an event
            says nothing but that it was), ``none`` (there are no events).
        column: the source column of the values.
        scale: of explicit values: "1-5", "thumbs", "yes-no" or "words".
        positive: "rating >= 4"; of ``any``: "any", where every event counts in full, or "none".
        weights: kind of event -> 1 (counts in full), less (had it), 0 (left out), below 0 (negative).
        stated: the rule in a sentence.
    """

    kind: FeedbackKind = "none"
    column: str | None = None
    scale: str | None = None
    positive: str | None = None
    weights: Mapping[str, float] = Field(default_factory=dict)
    stated: str = ""


class LeftOut(_Strict):
    """What a rule left out: how many rows, and the first of them."""

    rule: str
    about: str
    rows: int
    examples: tuple[str, ...] = ()


class Joined(_Strict):
    """A table that ``concierge data join`` added: its file, the column it was matched on, the facets it may fill."""

    path: str
    on: str
    only: tuple[str, ...] = ()
    names_from: str | None = None


class Sources(_Strict):
    """Where the tables came from, as given."""

    items: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    requests: str | None = None
    request_text: str | None = None
    request_item: str | None = None
    joined: tuple[Joined, ...] = ()


class Columns(_Strict):
    """What each source column was taken for."""

    items: tuple[Column, ...] = ()
    events: tuple[Column, ...] = ()


class Card(_Strict):
    """A data set's card; see the module.

    Attributes:
        name: the data set's name.
        layout: what kind of files it was read from.
        domain: a shipped domain or the folder of one; ``domain_why`` says how it was chosen.
        sources, columns: where the tables came from, and what each column was taken for.
        facets: what the items are known by.
        identifiers: columns of the items that name them elsewhere (IMDb, ISBN); tables are joined on them.
        feedback: how values became grades.
        rows, kept: events read and kept; the others are in ``left_out``.
        positive_share: of the events with a grade, those that are positive; None where none has a grade.
        left_out: what was left out, by rule.
        notes: what else a user should know.
    """

    name: str
    layout: str = "tables"
    domain: str = BASE
    domain_why: str = ""
    sources: Sources = Sources()
    columns: Columns = Columns()
    facets: Mapping[str, CardFacet] = Field(default_factory=dict)
    identifiers: tuple[str, ...] = ()
    feedback: Feedback = Feedback()
    rows: int = 0
    kept: int = 0
    positive_share: float | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def load_domain(self) -> Domain:
        """The domain that the card names."""
        return load_domain(self.domain)

    def facets_in(self, domain: Domain) -> dict[str, Facet]:
        """The card's facets: the domain's own where it has one of that name, with what the data say on top."""
        found = {}
        for name, own in self.facets.items():
            known = domain.facets.get(name)
            told: dict[str, Any] = {"kind": own.kind, "unit": own.unit, "label": own.label}
            told = {key: value for key, value in told.items() if value is not None}
            told["predicted"] = own.predicted is not None
            if known is not None:
                found[name] = known.model_copy(update=told)
            else:
                label = own.label or name.replace("_", " ")
                found[name] = Facet(
                    name=name, kind=own.kind, primary=own.primary, label=label, plural=_plural(label), unit=own.unit,
                    predicted=own.predicted is not None,
                )  # fmt: skip
        return found

    def write(self, folder: Path) -> None:
        """Write ``card.yaml`` into ``folder``."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        text = yaml.safe_dump({"name": self.name, **data}, sort_keys=False, allow_unicode=True, width=118)
        head = f"# What was made of this data set; edit it, then: concierge data reread {self.name}\n"
        (folder / FILE).write_text(head + text, encoding="utf-8")


def read_card(path: Path) -> Card:
    """The card in the file ``path``.

    Raises:
        DatasetError: it is no YAML, has an unknown key or a value of the wrong kind; the message names file and key.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Card.model_validate(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f"{path} cannot be read as YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the card"
        raise DatasetError(f"{path}: {where}: {first['msg']} (got {first['input']!r})") from None


def _plural(label: str) -> str:
    return f"{label[:-1]}ies" if label.endswith("y") and label[-2:-1] not in "aeiou" else f"{label}s"
