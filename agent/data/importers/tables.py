"""Tables of one's own: a table of items, perhaps one of events, in whatever columns they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.data.archive import DatasetError, Files, Source, file_source, folders, is_zip
from agent.data.card import Card, CardFacet, Columns
from agent.data.grades import Wanted
from agent.data.importers.events import Findings, Graduated, Parsed, checked_items, expanded, graduated, no_events
from agent.data.importers.person import site_of
from agent.data.importers.recognition import (
    ALIAS,
    EVENT_ROLES,
    HISTORY,
    IDENTIFIER,
    IGNORE,
    ITEM,
    ITEM_ROLES,
    TIME,
    TITLE,
    Override,
    Recognised,
    folded,
    guess_domain,
    identifier_name,
    of_people,
    recognise_events,
    recognise_items,
    words_of,
)
from agent.data.importers.titles import article_first, parse_title
from agent.data.tables import READABLE, Problems, Table, first_rows, read_table
from agent.data.values import clean_name, is_blank, loose_id, names_in, number_in, plain_ids, text_in, times, year_in
from agent.domains.domain import NAMED, NUMERIC, Domain, Facet, load_domain

_DATED = re.compile(r"\((?:1[89]|20)\d\d\)\s*$")
_GROUP_AT_END = re.compile(r"^(?P<head>.{2,}?)\s*[(\[][^()\[\]]+[)\]]$")
_FLAG = {"1": "yes", "true": "yes", "t": "yes", "y": "yes", "0": "no", "false": "no", "f": "no", "n": "no"}
_EVENT_FILES = frozenset(
    [
        "ratings",
        "rating",
        "interactions",
        "interaction",
        "events",
        "event",
        "inter",
        "reviews",
        "review",
        "transactions",
        "orders",
        "clicks",
        "purchases",
        "plays",
        "listens",
        "log",
        "logs",
        "history",
        "train",
    ]
)
_ITEM_FILES = frozenset(
    ["items", "item", "products", "product", "catalogue", "catalog", "meta", "metadata", "articles", "entries"]
)
# What a person wrote as headings beside data.
_NOT_TABLES = re.compile(r"readme|licen[cs]e|card\.yaml|changelog", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """What the user says of an import; all else is recognised.

    Attributes:
        domain: a shipped domain or the folder of one.
        columns: column -> what it stands for, in tables of items and of events alike.
        event_columns: the same for tables of events where they differ; None: as ``columns``.
        wanted: scale and rule of the feedback.
        requests: a table of requests whose answer is known, and its columns of text and item.
    """

    domain: str | None = None
    columns: Mapping[str, Override] = field(default_factory=dict)
    event_columns: Mapping[str, Override] | None = None
    wanted: Wanted = field(default_factory=Wanted)
    requests: Path | None = None
    request_text: str | None = None
    request_item: str | None = None


def read_tables(
    items: Source,
    events: Sequence[Source],
    options: Options,
    *,
    domain: str | None = None,
    dated: bool = False,
    usual: Sequence[str] = (),
    layout: str = "tables",
) -> Parsed:
    """A table of items and any number of tables of events.

    ``domain``: the domain of files of this layout; the user's goes before it, a guess after it; ``dated``: whether
    titles end in years and name others in brackets, in files of this layout.

    Raises:
        DatasetError: a file cannot be read, a column is missing, or the feedback cannot be told.
    """
    problems, findings = Problems(), Findings()
    table = read_table(items, problems)
    if not len(table.frame):
        raise DatasetError(f"{items.name}, line {table.first_line}: no row follows")
    site = site_of(map(str, table.frame.columns)) if not events else None
    if site is not None:
        raise DatasetError(
            f"{items.name} is what one person had ({site}), not a catalogue: use it with "
            "`concierge recommend --history FILE`, or in the chat"
        )
    name, why = _domain_of(table, items, events, options, domain)
    home = load_domain(name)
    given = {column: own for column, own in options.columns.items() if column in table.frame.columns}
    if not events:
        _check_columns(options, [table])
    recognised = recognise_items(table, home, _for_items(given))
    frame, facets = items_frame(table, recognised, home, dated)
    findings.add("malformed_items", problems.skipped.pop(table.name, 0), problems.examples.pop(table.name, []))
    frame = checked_items(frame, findings)
    outcome, columns = _events(events, frame["item"], home, options, problems, findings, usual, table)
    requests = read_requests(options, frame["item"], problems, findings)
    findings.add("malformed_others", sum(problems.skipped.values()),
                 [own for shown in problems.examples.values() for own in shown])  # fmt: skip
    if recognised.one(TITLE) is None:
        findings.notes.append(
            f"{items.name} has no column of titles: ids stand for them; --column NAME=title names one"
        )
    card = Card(
        name="",
        layout=layout,
        domain=name,
        domain_why=why,
        columns=Columns(items=tuple(recognised.columns), events=columns),
        facets=facets,
        identifiers=tuple(own for own in frame.columns if own in _identifier_names(recognised)),
        feedback=outcome.feedback,
        rows=outcome.rows,
        kept=len(outcome.ratings),
        positive_share=outcome.positive_share,
        left_out=findings.left_out(),
        notes=tuple(findings.notes),
    )
    return Parsed(outcome.ratings, frame, None, None, requests, card)


def read_any(paths: Sequence[Path], options: Options) -> Parsed:
    """Tables given as files, or as a folder or zip that holds them.

    Raises:
        DatasetError: what is what cannot be told, or a file cannot be read.
    """
    if len(paths) == 1 and (paths[0].is_dir() or is_zip(paths[0])):
        items, events = chosen(paths[0], options)
    else:
        items, *events = [file_source(path) for path in paths]
    return read_tables(items, events, options)


def chosen(path: Path, options: Options) -> tuple[Source, list[Source]]:
    """Which files of a folder or zip hold the items and the events.

    Raises:
        DatasetError: nothing there can be read, or what is what cannot be told.
    """
    listed: list[str] = []
    for folder, files in folders(path):
        listed += [f"{folder}/{name}" if folder else name for name in files]
        found = _chosen_in(files, options)
        if found is not None:
            return found
    shown = ", ".join(sorted(listed)[:12]) + (", ..." if len(listed) > 12 else "") if listed else "no files"
    raise DatasetError(
        f"{path}: no table of items with ids and titles found among {shown}: name the files, as in "
        "`concierge data import ITEMS EVENTS`"
    )


def _chosen_in(files: Files, options: Options) -> tuple[Source, list[Source]] | None:
    tables: dict[str, Table] = {}
    for name, source in files.items():
        ending = source.suffix if source.suffix != ".gz" else Path(name).with_suffix("").suffix.lower()
        if ending in READABLE and not _NOT_TABLES.search(name):
            try:
                tables[name] = first_rows(source)
            except DatasetError:
                continue
    base = load_domain(options.domain or "_base")
    whole: dict[str, tuple[Recognised, pd.Series]] = {}
    for name, table in tables.items():
        if of_people(table.frame.columns):
            continue
        try:
            own = recognise_items(table, base, _for_items(options.columns))
        except DatasetError:
            continue
        if own.one(TITLE) is not None and len(table.frame):
            whole[name] = own, read_table(files[name], Problems(), only=[own.one(ITEM) or ""]).frame.iloc[:, 0]
    best: tuple[float, str, list[str]] | None = None
    for name, (own, ids) in whole.items():
        beside = []
        for other, table in tables.items():
            if other == name:
                continue
            try:
                events = recognise_events(table, ids, base, _for_events(options, table))
            except DatasetError:
                continue
            roles = {column.taken_for for column in events.columns}
            if "user" not in roles and "session" not in roles:
                continue
            item = events.one(ITEM) or events.one(HISTORY)
            known = frozenset(map(loose_id, ids))
            values = list(pd.unique(table.frame[str(item)])[:500])
            fit = sum(loose_id(str(value)) in known for value in values) / len(values) if values else 0.0
            if events.one(HISTORY):
                fit = 1.0
            score = (
                fit + 0.5 * bool(roles & {"rating", "count", "event"}) + 0.3 * bool(_EVENT_FILES & set(words_of(other)))
            )
            beside.append((score, other))
        beside.sort(reverse=True)
        value = (
            0.2 * bool(_ITEM_FILES & set(words_of(name))) + 0.02 * len(own.facets) + 0.05 * (own.one(ALIAS) is not None)
        )
        value += beside[0][0] if beside else 0.0
        # Parts of one table (train, valid, test) have the same columns.
        first = list(tables[beside[0][1]].frame.columns) if beside else []
        same = [other for _, other in beside if list(tables[other].frame.columns) == first]
        if best is None or value > best[0]:
            best = value, name, sorted(same, key=_part_order)
    if best is None:
        return None
    return files[best[1]], [files[name] for name in best[2]]


def _part_order(name: str) -> tuple[int, str]:
    """Parts of one table in the order of time: train, valid, test."""
    words = set(words_of(name))
    place = (
        0 if "train" in words else 1 if words & {"valid", "val", "validation", "dev"} else 2 if "test" in words else 0
    )
    return place, name


def _domain_of(
    table: Table, items: Source, events: Sequence[Source], options: Options, usual: str | None
) -> tuple[str, str]:
    if options.domain is not None:
        folder = Path(options.domain).expanduser()
        load_domain(options.domain)
        shipped = not folder.is_dir() and not folder.is_file()
        return options.domain if shipped else str(folder.resolve()), "as given"
    if usual is not None:
        return usual, "the domain of such files"
    columns = list(map(str, table.frame.columns))
    for source in events:
        columns += map(str, first_rows(source, rows=20).frame.columns)
    names = [source.name.partition(".")[0] for source in (items, *events)]
    return guess_domain([*names, *(own for own in columns if folded(own).endswith(("id", "title", "name")))])


# --- items -----------------------------------------------------------------------------------------------------------


def items_frame(
    table: Table, recognised: Recognised, domain: Domain, dated: bool = False
) -> tuple[pd.DataFrame, dict[str, CardFacet]]:
    """The items as item, title, a column for each facet, identifiers, aliases; and the card's facets.

    Titles that end in a year give the facet of years where no column does.
    """
    frame = table.frame
    item = recognised.one(ITEM)
    title = recognised.one(TITLE)
    assert item is not None
    ids = plain_ids(frame[item])
    raw = frame[title] if title is not None else ids
    years = next((own for own in recognised.facets.items() if own[1].kind == "year"), None)
    facets = dict(recognised.facets)
    columns: dict[str, Any] = {name: facet_values(frame[own.column], own, domain.facets.get(name)) for name, own in
                               facets.items()}  # fmt: skip
    facets = {name: own.model_copy(update={"unit": "minutes"}) if own.unit in _TO_MINUTES else own
              for name, own in facets.items()}  # fmt: skip
    aliases: list[list[str]]
    if dated or raw.str.contains(_DATED).mean() > 0.5:
        given = columns[years[0]] if years is not None else [pd.NA] * len(raw)
        parsed = [parse_title(own, None if pd.isna(year) else int(year)) for own, year in zip(raw, given, strict=True)]
        titles = [own.title for own in parsed]
        aliases = [list(own.aliases) for own in parsed]
        name = years[0] if years is not None else _year_name(domain)
        columns[name] = pd.array([own.year for own in parsed], dtype="Int64")
        if years is None and any(own.year is not None for own in parsed):
            facets[name] = CardFacet(kind="year", column=str(title))
        elif years is None:
            del columns[name]
    else:
        titles = [article_first(clean_name(own)) for own in raw]
        aliases = [_alias(own) for own in titles]
    for column in recognised.all(ALIAS):
        for row, cell in enumerate(frame[column]):
            aliases[row] += [own for own in names_in(cell, "|") if own != titles[row] and own not in aliases[row]]
    found: dict[str, Any] = {"item": ids.to_numpy(dtype=object), "title": pd.Series(titles, dtype=object)}
    found |= {name: columns[name] for name in facets}
    for name, column in _identifier_names(recognised).items():
        if name not in found:
            found[name] = plain_ids(frame[column])
    return pd.DataFrame({**found, "aliases": pd.Series(aliases, dtype=object)}), facets


DAY = 86_400.0
_TO_MINUTES = {"milliseconds": 60_000.0, "seconds": 60.0}


def facet_values(cells: pd.Series, own: CardFacet, known: Facet | None) -> Any:
    """A column's values on a facet: lists of names, numbers (NaN where unknown), years (Int64), or texts."""
    read: Callable[[str], Any]
    if own.kind == "year":
        return pd.array([year_in(cell) for cell in cells], dtype="Int64")
    if own.kind == "date":
        return pd.Series(np.floor(times(list(cells)) / DAY), dtype=np.float64)
    if own.kind in NUMERIC:
        factor = _TO_MINUTES.get(own.unit or "", 1.0)
        distinct = {cell: number_in(cell) / factor for cell in pd.unique(cells)}
        return cells.map(distinct).astype(np.float64)
    if own.kind in NAMED:
        also = {folded(name): value for name, value in known.also.items()} if known is not None else {}
        distinct_names = {cell: _named(cell, own.separator, also) for cell in pd.unique(cells)}
        if set(distinct_names) <= {*_FLAG, "yes", "no", ""} and set(distinct_names) - {""}:
            distinct_names = {cell: [_FLAG.get(cell, cell)] if cell else [] for cell in distinct_names}
        return pd.Series([list(distinct_names[cell]) for cell in cells], dtype=object)
    read = text_in
    return pd.Series([read(cell) if not is_blank(cell) else "" for cell in cells], dtype=object)


def _named(cell: str, separator: str | None, also: Mapping[str, str]) -> list[str]:
    names = [also.get(folded(name), name) if also else name for name in names_in(cell, separator)]
    return list(dict.fromkeys(names))


def _alias(title: str) -> list[str]:
    """The title without what stands in brackets at its end: "The Hunger Games (The Hunger Games, #1)"."""
    match = _GROUP_AT_END.match(title)
    return [match["head"]] if match else []


def _year_name(domain: Domain) -> str:
    return next((name for name, facet in domain.facets.items() if facet.kind == "year"), "year")


def _identifier_names(recognised: Recognised) -> dict[str, str]:
    """Name among the items -> source column, of what identifies items elsewhere."""
    return {identifier_name(column): column for column in recognised.all(IDENTIFIER)}


def _for_items(given: Mapping[str, Override]) -> dict[str, Override]:
    """What was said of columns, without the roles that only events have."""
    only_events = set(EVENT_ROLES) - set(ITEM_ROLES)
    return {column: own for column, own in given.items() if own.taken_for not in only_events}


def _for_events(options: Options, table: Table) -> dict[str, Override]:
    given = options.columns if options.event_columns is None else options.event_columns
    return {
        column: own for column, own in given.items()
        if own.taken_for in EVENT_ROLES and column in table.frame.columns
    }  # fmt: skip


def _check_columns(options: Options, tables: Sequence[Table]) -> None:
    there = [str(column) for table in tables for column in table.frame.columns]
    for column in options.columns:
        if column not in there:
            raise DatasetError(f"--column {column}=...: no such column; there are {', '.join(dict.fromkeys(there))}")


# --- events ----------------------------------------------------------------------------------------------------------


def _events(
    sources: Sequence[Source],
    items: pd.Series,
    domain: Domain,
    options: Options,
    problems: Problems,
    findings: Findings,
    usual: Sequence[str],
    table: Table,
) -> tuple[Graduated, tuple[Any, ...]]:
    if not sources:
        return no_events(), ()
    heads = [first_rows(source) for source in sources]
    _check_columns(options, [table, *heads])
    if any(list(head.frame.columns) != list(heads[0].frame.columns) for head in heads):
        raise DatasetError(
            f"{sources[0].name} and {sources[-1].name} have different columns: tables of events must be alike; "
            "a table with more of the items goes in by `concierge data join`"
        )
    recognised = recognise_events(heads[0], items, domain, _for_events(options, heads[0]))
    roles = {own.taken_for: own.column for own in reversed(recognised.columns) if own.taken_for != IGNORE}
    read = [read_table(source, problems, only=list(roles.values()), number=roles.get(TIME)) for source in sources]
    joined = Table(
        read[0].name if len(read) == 1 else ", ".join(own.name for own in read),
        read[0].frame if len(read) == 1 else pd.concat([own.frame for own in read], ignore_index=True),
        read[0].first_line,
    )
    for own in read if len(read) > 1 else []:
        problems.skip(joined.name, problems.skipped.pop(own.name, 0))
        problems.examples.setdefault(joined.name, []).extend(problems.examples.pop(own.name, []))
    if HISTORY in roles:
        rows = len(joined.frame)
        joined = expanded(joined, roles.get("user"), roles[HISTORY], roles.get(ITEM))
        findings.notes.append(
            f"{rows:,} rows hold whole histories: {len(joined.frame):,} events in order; rows of one person are put "
            "together where they overlap"
        )
        roles = {"user": "user", "item": "item"}
    outcome = graduated(joined, roles, items, options.wanted, problems, findings, usual)
    return outcome, tuple(recognised.columns)


def read_requests(options: Options, items: pd.Series, problems: Problems, findings: Findings) -> pd.DataFrame | None:
    """Requests in words whose answer is known: text, item; None where there is no table of them.

    Raises:
        DatasetError: a column cannot be told.
    """
    if options.requests is None:
        return None
    table = read_table(file_source(options.requests), problems)
    frame, known = table.frame, frozenset(items)
    for flag, column in (("--request-text", options.request_text), ("--request-item", options.request_item)):
        if column is not None and column not in frame:
            raise DatasetError(f"{flag} {column}: {table.name} has the columns {', '.join(map(str, frame.columns))}")
    columns = list(map(str, frame.columns))
    item = options.request_item or max(
        columns, key=lambda column: sum(own in known for own in frame[column].head(2000))
    )
    others = [column for column in columns if column != item]
    if not others:
        raise DatasetError(f"{table.name} has one column only: requests need a text and the item that answers it")
    text = options.request_text or max(others, key=lambda column: frame[column].str.len().mean())
    requests = pd.DataFrame({"text": frame[text].map(clean_name), "item": plain_ids(frame[item])})
    good = (requests["text"] != "") & requests["item"].isin(known)
    examples = [f"{table.name}: {own!r} -> {answer!r}" for own, answer in requests[~good].head(3).to_numpy().tolist()]
    if not good.any():
        raise DatasetError(f"{table.name}: no value of {item} is an item (such as {examples[0]}): give --request-item")
    findings.add("lost_requests", int((~good).sum()), examples)
    findings.notes.append(f"{int(good.sum()):,} requests with a known answer: {text} -> {item}")
    return requests[good].reset_index(drop=True)
