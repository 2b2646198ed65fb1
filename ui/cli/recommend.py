"""The verb ``concierge recommend``: one answer, or one a line of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from rich.progress import track

from agent.data.rows import RowError, checked, read_json_lines
from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    DataOption,
    JsonOption,
    Llm,
    ModelOption,
    OptionError,
    print_json,
    say,
    with_options,
    working,
)

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.catalogue.person_history import PersonHistory
    from agent.recommender import Recommender
    from agent.records.answer import Answer

# Of requests to OpenAI-compatible servers; not used.
SERVER_KEYS = {
    "model",
    "stream",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "n",
    "seed",
    "metadata",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Had(_Strict):
    item: StrictStr | StrictInt
    rating: float | None = None
    name: Any = None


class _Part(BaseModel):
    type: str = ""
    text: str = ""


class _Said(_Strict):
    role: str
    content: str | list[_Part]
    name: Any = None

    @property
    def text(self) -> str:
        """What is said, of a list of parts those that are text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.type == "text")


class _Request(_Strict):
    """A line of ``--input``."""

    id: Any = None
    user: str | int | None = None
    history: list[_Had] | None = None
    messages: list[_Said] | None = None
    k: Annotated[int, Field(strict=True, ge=1)] = 5


@ROOT.command(
    epilog='Examples: concierge recommend --likes Alien --likes "Blade Runner" --ask "something funny" -k 5\n\n'
    "concierge recommend --user 42 --json    concierge recommend --input requests.jsonl"
)
@with_options
def recommend(
    user: Annotated[str | None, typer.Option(help="A user of the data set whose past counts.")] = None,
    likes: Annotated[list[str] | None, typer.Option(help="An item you like; may be repeated.")] = None,
    dislikes: Annotated[list[str] | None, typer.Option(help="An item you dislike; may be repeated.")] = None,
    ask: Annotated[str, typer.Option(help="What you are in the mood for, in your own words.")] = "",
    k: Annotated[int, typer.Option("-k", help="How many items.", min=1)] = 5,
    history: Annotated[
        Path | None,
        typer.Option(
            help="What you had: an export of Letterboxd, IMDb, Trakt, Goodreads or Netflix (file, folder or zip), or a "
            "list with a title a line, each perhaps with a year and a grade.",
            show_default=False,
        ),
    ] = None,
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help='Requests, one JSON object a line: {"id"?, "user"?, "history"?: [{"item": id or title, "rating"?}], '
            '"messages": [{"role", "content"}], "k"?}. Prints one answer a line, in the same order; a bad line gets '
            '{"id", "error"}, and the exit status is 1.',
            show_default=False,
        ),
    ] = None,
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    llm: Llm = Llm(),
    as_json: JsonOption = False,
) -> None:
    """Recommend items for a user, for items you like, or for a wish in words."""
    from agent.catalogue.lookup import RequestError
    from agent.catalogue.person_history import read_history
    from agent.recommender import Recommender

    if input is not None and (user or likes or dislikes or ask or history):
        raise OptionError("--input stands alone: put the user, the history and the messages into its lines")
    lines = list(read_json_lines(input)) if input is not None else []
    language = llm.language()
    with working("Loading the model"):
        recommender = Recommender.load(data, model, adapter, progress=not as_json, language=language)
    if input is None:
        own = read_history(history, recommender.catalogue) if history is not None else None
        answer = recommender.recommend(
            user=user,
            likes=likes or (),
            dislikes=dislikes or (),
            ask=ask,
            k=k,
            history=None if own is None else own.entries(recommender.catalogue),
        )
        read = {} if own is None else {"history": {"matched": len(own.events), "unmatched": list(own.unmatched)}}
        if as_json:
            print_json({**answer.to_json(), **read})
        else:
            if own is not None:
                _show_history(own, recommender.catalogue)
            _show(answer)
        return
    failed = False
    for line in track(lines, "Answering", console=None, disable=not sys.stderr.isatty()):
        request = line.value
        where = f"{input}:{line.number}"
        name = request.get("id", line.number)
        try:
            if line.error is not None:
                raise OptionError(f"{where}: {line.error}")
            given = {key: value for key, value in request.items() if key not in SERVER_KEYS}
            found = _answer(recommender, checked(_Request, given, where)).to_json()
        except (OptionError, RowError, RequestError) as error:
            failed = True
            said = str(error)
            found = {"error": said if said.startswith(where) else f"{where}: {said}"}
        typer.echo(json.dumps({"id": name, **found}, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def _answer(recommender: Recommender, request: _Request) -> Answer:
    # What a server was told to be ("system") is no part of what the person and the agent said.
    said = [own for own in request.messages or () if own.role not in ("system", "developer")]
    return recommender.recommend(
        user=None if request.user is None else str(request.user),
        history=[own.model_dump(exclude={"name"}, exclude_none=True) for own in request.history or ()],
        messages=[{"role": own.role, "content": own.text} for own in said],
        k=request.k,
    )


def _show_history(own: PersonHistory, catalogue: Catalogue) -> None:
    graded = sum(event.rating is not None for event in own.events)
    say(f"From the history: {len(own.events):,} {catalogue.domain.nouns.many}, {graded:,} with a grade.")
    if own.unmatched:
        shown = "; ".join(own.unmatched[:20]) + ("; ..." if len(own.unmatched) > 20 else "")
        say(f"Not in {catalogue.name}: {len(own.unmatched):,}: {shown}")
    say("")


def _show(answer: Answer) -> None:
    say(answer.reply)
    for place, item in enumerate(answer.items, 1):
        year = f" ({item.year})" if item.year else ""
        say(f"\n{place}. {item.title}{year}  {', '.join(item.categories)}")
        say(f"   {item.reason}")
