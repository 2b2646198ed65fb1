"""Schemas: what callers send and get, as HTTP, MCP and the client share it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from agent.records.conditions import Condition, Op, Scope, Strength
from agent.records.impression import Reaction
from agent.text import MESSAGE_LIMIT

MOST_ITEMS = 50
"""Longest slate, and longest page of a list."""

MOST_HISTORY = 500
"""Longest history that a request may carry; the latest part is what counts."""

MOST_EVENTS = 1_000
"""Most events in one request."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Storable = AfterValidator(lambda text: text.encode("utf-8", "replace").decode().replace("\x00", ""))
"""Without characters that no database keeps."""
Text = Annotated[str, StringConstraints(max_length=MESSAGE_LIMIT), Storable]
Key = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[\w.:@-]+$")]
ConversationId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Grade = Annotated[float, Field(ge=0.5, le=5)]
Count = Annotated[int, Field(ge=1, le=MOST_ITEMS)]
Seconds = Annotated[float, Field(ge=1, le=60)]


class Strict(BaseModel):
    """What is sent: a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class ConditionIn(Strict):
    """A condition on one facet: is or is_not (a value or several), at_least or at_most (a number), between (a pair)."""

    facet: Id
    op: Op = "is"
    value: str | float | list[str] | list[float]
    strength: Strength = "must"
    scope: Scope = "topic"

    @model_validator(mode="after")
    def fits(self) -> ConditionIn:
        """Whether the value fits the operator."""
        self.condition()
        return self

    def condition(self) -> Condition:
        """As a record.

        Raises:
            ValueError: the value does not fit the operator.
        """
        return Condition.from_json(self.model_dump())


class HistoryEntry(Strict):
    """One item that the person had, with a grade from 0.5 to 5 where they gave one."""

    item: Id
    rating: Grade | None = None


class Wish(Strict):
    """For whom, and for what."""

    person: Id | None = Field(
        default=None, description="Somebody whose past counts: of the data set, or known from events."
    )
    history: list[HistoryEntry] = Field(
        default=[], max_length=MOST_HISTORY, description="More of their past, oldest first."
    )
    wish: Text = Field(default="", description="What they would like, in their own words.")
    conditions: list[ConditionIn] = Field(default=[], max_length=20, description="What the items must meet.")
    k: Count = Field(default=5, description="How many items, unless the wish itself names a number.")


class RecommendRequest(Wish):
    """A request for recommendations without a conversation."""

    record: bool = Field(
        default=True, description="Log the slate, so that feedback can name its impression_id and be learned from."
    )
    deadline: Seconds = Field(default=30.0, description="Seconds after which no answer is of use.")
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"person": "42", "wish": "something funny", "k": 3},
                {"history": [{"item": "183", "rating": 5}]},
            ]
        },
    )


class ConverseRequest(Strict):
    """The next message of a conversation; without an id, the first of a new one."""

    message: Annotated[str, StringConstraints(min_length=1, max_length=MESSAGE_LIMIT), Storable]
    conversation_id: ConversationId | None = None
    person: Id | None = None
    k: Annotated[int, Field(ge=1, le=10)] = 5
    stream: bool = Field(default=False, description="Answer by server-sent events: `delta` with text, then `answer`.")
    deadline: Seconds = 30.0
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"message": "Something like Alien, but newer", "k": 3}]}
    )


class ExplainRequest(Wish):
    """Why an item is, or is not, in the slate of a conversation, or of a wish that is given here."""

    item: Id
    conversation_id: ConversationId | None = None
    deadline: Seconds = 30.0
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"item": "183", "wish": "something funny", "k": 5}]}
    )


class FeedbackRequest(Strict):
    """What a person did with one item. Sent twice with the same key it counts once."""

    key: Key = Field(description="Your own id of this event.")
    item: Id
    kind: Reaction
    value: Grade | None = Field(default=None, description="The grade of kind `rated`.")
    impression_id: Key | None = Field(default=None, description="The slate that showed the item.")
    conversation_id: ConversationId | None = None
    person: Id | None = None
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"key": "order-1", "item": "183", "kind": "liked", "person": "ann"}]},
    )

    @model_validator(mode="after")
    def fits(self) -> FeedbackRequest:
        """Whether the value fits the kind."""
        if (self.kind == "rated") != (self.value is not None):
            raise ValueError("give a value with kind 'rated', and only there")
        return self


class EventIn(Strict):
    """One thing that a person did, from a shop's or a player's own log."""

    key: Key
    person: Id
    item: Id
    kind: Reaction
    value: Grade | None = None
    timestamp: float | None = Field(
        default=None, ge=0, le=1e11, description="Seconds since 1970; now, where it is left out."
    )


class EventsRequest(Strict):
    """Events to be kept, each once by its key."""

    events: list[EventIn] = Field(min_length=1, max_length=MOST_EVENTS)
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"events": [{"key": "e-1", "person": "ann", "item": "183", "kind": "rated", "value": 4.5}]}]
        },
    )


class ItemRequest(Strict):
    """An item to add, or whose title and attributes are to be replaced."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=500), Storable]
    attributes: dict[Id, str | float | list[str] | None] = Field(default={}, max_length=64)
    expires: float | None = Field(
        default=None, ge=0, le=1e11, description="From when on it is not shown (seconds since 1970)."
    )
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"title": "The Bee Keeper", "attributes": {"year": 2024}}]}
    )

    @field_validator("title")
    @classmethod
    def named(cls, value: str) -> str:
        """Whether it is more than white space."""
        if not value.strip():
            raise ValueError("a title of white space: give it a name")
        return value


class TrendsQuery(Strict):
    """Which shares, of how many days each; with ``texts`` (and ``until``) also the texts of these days."""

    catalogue: Annotated[str | None, Field(max_length=64)] = None
    series: Id = Field(default="all", description="all, or a topic.")
    days: Annotated[int, Field(ge=1, le=366)] = 7
    since: date | None = Field(default=None, description="Shares of earlier days are left out.")
    texts: date | None = Field(default=None, description="The texts of this day, up to 50.")
    until: date | None = Field(default=None, description="... to this one.")


class ExpiryRequest(Strict):
    """From when on an item is not shown any more."""

    at: float | None = Field(default=None, ge=0, le=1e11, description="Seconds since 1970; null: never.")
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"at": 1798761600}]})


class EvidenceOut(BaseModel):
    """One fact that carried a choice; ``weight`` is the change of log-probability when it is left out."""

    kind: str
    weight: float
    item_id: str | None = None
    value: str | int | float | None = None
    facet: str | None = None
    predicted: bool = Field(default=False, description="Whether a model read the value out of the item's text.")


ItemStatus = Literal["shown", "hidden", "expired", "deleted"]


class ItemOut(BaseModel):
    """One item as the catalogue has it now."""

    item_id: str
    title: str
    attributes: dict[str, JsonValue] = {}
    raters: int = 0
    mean_rating: float | None = None
    status: ItemStatus = "shown"
    trained: bool = Field(
        default=True, description="False: new since the models were fitted; found by its words alone."
    )


class Recommended(BaseModel):
    """One item of a slate, in the order of rank."""

    item_id: str
    title: str
    attributes: dict[str, JsonValue] = {}
    raters: int = 0
    score: float = Field(description="The policy's probability over the candidates; 0 for an item that is not trained.")
    strength: float = Field(default=0.0, description="The same against the top of the slate.")
    propensity: float = Field(description="The chance with which it came to this place given those above it.")
    reason: str
    evidence: list[EvidenceOut] = []
    trained: bool = True


class AnswerOut(BaseModel):
    """One answer, with the conditions that hold after it and the wishes that it could not meet."""

    catalogue: str
    reply: str
    items: list[Recommended]
    slate_changed: bool = Field(default=True, description="False: the slate from before stands, `items` is empty.")
    conditions: list[dict[str, JsonValue]] = []
    unmet: list[str] = []
    question: str | None = None
    choices: list[str] = []
    conversation_id: str | None = None
    impression_id: str | None = None
    policy: str = ""
    latency_ms: float = 0.0


class ExplanationOut(BaseModel):
    """Why an item is, or is not, in a slate: in words, and by the facts."""

    item: ItemOut
    shown: bool
    place: int | None = Field(default=None, description="Its place in the slate, from 1.")
    explanation: str
    evidence: list[EvidenceOut] = []
    change: str | None = Field(default=None, description="A message that would bring it into the slate.")


class ItemPage(BaseModel):
    """One page of a list; send ``next`` as the cursor for the page after it."""

    items: list[ItemOut]
    total: int
    next: str | None = None


class TrendPoint(BaseModel):
    """The share of a value among the texts of some days, with its 95 % interval."""

    start: date
    end: date
    read: int = Field(description="How many texts were scored.")
    share: float | None = Field(description="None where there were none.")
    low: float
    high: float
    usual: float | None = Field(description="What was to be expected on the last of the days; None: not known yet.")


class TextOut(BaseModel):
    """One text behind a share."""

    date: date
    text: str
    hit: bool = Field(description="Whether it has the watched value.")
    probability: float
    topics: list[str]


class AlertOut(BaseModel):
    """A series lies, or lay, above what is usual; ``closed`` is None while it does."""

    id: str
    series: str
    opened: date
    closed: date | None
    acknowledged_by: str | None
    text: str


class TrendsOut(BaseModel):
    """How the watched share of a catalogue moves; ``texts`` where a span of days was asked for."""

    monitor: str
    predicted: bool = Field(description="Whether a model read the watched value out of the texts.")
    series: list[str]
    points: list[TrendPoint]
    alerts: list[AlertOut]
    left_out: dict[str, int] = Field(description="Texts that are not scored, by reason.")
    texts: list[TextOut] = []


class FeedbackOut(BaseModel):
    """What became of it: ``repeated`` says that it had been kept before."""

    key: str
    repeated: bool


class EventsOut(BaseModel):
    """How many events are new, and how many had been kept before."""

    kept: int
    repeated: int


class PersonOut(BaseModel):
    """What is known of a person here."""

    person: str
    in_data_set: bool
    events: int
    history: list[HistoryEntry]
    conversations: list[str]


class PersonExport(BaseModel):
    """Everything that is kept of a person."""

    person: str
    exported: float
    history: list[HistoryEntry]
    events: list[dict[str, JsonValue]]
    conversations: list[dict[str, Any]]


class Deleted(BaseModel):
    """What was deleted."""

    events: int = 0
    conversations: int = 0


class CatalogueOut(BaseModel):
    """One catalogue in this process."""

    name: str
    items: int
    facets: Mapping[str, str] = Field(description="Facet -> the kind of its values.")
    noun: str
    nouns: str
    policy: str
    default: bool


class ProblemOut(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, JsonValue]] | None = None
