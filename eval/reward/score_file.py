"""Score files: what somebody else's system says of user-item pairs, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent.data.rows import RowError, checked, read_rows
from eval.reward.pairs import RatedPairs, ScoreError, Scores


def _id(value: Any) -> Any:
    if type(value) not in (str, int):
        raise ValueError("must be an id")
    return str(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a finite number")
    return value


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, BeforeValidator(_id)]
    item: Annotated[str, BeforeValidator(_id)]
    score: Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


def read_scores(path: Path, pairs: RatedPairs, item_index: Mapping[str, int]) -> Scores:
    """Scores of ``pairs`` from rows ``{user, item, score}`` (JSON Lines, CSV with a header, or Parquet).

    Pairs that the file does not hold get NaN. Rows about other known pairs are not used, and counted in the notes.
    Scores that all lie in [0, 1] are taken as probabilities of a like.

    ``path``: the file; its suffix says which kind it is; ``item_index``: the catalogue index of each item id.

    Raises:
        ScoreError: a field is missing, unknown or malformed, an item is unknown, or a pair stands twice; the message
            names the row (counted as in an editor, or from 1 in Parquet) and the field.
    """
    asked = zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)
    wanted = {pair: row for row, pair in enumerate(asked)}
    values = np.full(len(pairs), np.nan)
    seen: dict[tuple[str, int], str] = {}
    unused = 0
    in_range = True
    try:
        for where, given in read_rows(path):
            row = checked(_Row, given, where)
            if row.item not in item_index:
                sample = ", ".join(list(item_index)[:3])
                raise RowError(f"{where}: item {row.item!r} is not in the catalogue: ids look like {sample}")
            pair = (row.user, item_index[row.item])
            if pair in seen:
                raise RowError(f"{where}: user {row.user!r}, item {row.item!r} stood in {seen[pair]} already: keep one")
            seen[pair] = where
            in_range &= 0.0 <= row.score <= 1.0
            if pair in wanted:
                values[wanted[pair]] = row.score
            else:
                unused += 1
    except RowError as error:
        raise ScoreError(f"{path.parent}/{error}: each row needs user, item and score") from None
    notes = [f"{unused:,} rows of the file are about pairs that are not asked for"] if unused else []
    probabilities = None
    if in_range and seen:
        probabilities = values
    else:
        notes.append("the scores are not all in [0, 1]: probabilities are fitted here, on other users")
    return Scores(path.name, values, probabilities, tuple(notes))
