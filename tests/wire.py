"""Articles of a news wire, of which a rise of bad news in one topic is known."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from ui.cli.main import app

FIRST = datetime.date(2020, 1, 6)  # a Monday


def news(days: int = 200, a_day: int = 20, rise: tuple[int, int] | None = None, seed: int = 1) -> pd.DataFrame:
    """Headlines about oil and rates, a fifth of them negative; three fifths of those about oil between two days."""
    generator = np.random.default_rng(seed)
    rows = []
    for day in range(days):
        for number in range(a_day):
            topic = ("oil", "rates")[number % 2]
            risen = rise is not None and rise[0] <= day < rise[1] and topic == "oil"
            hit = generator.random() < (0.6 if risen else 0.2)
            date = FIRST + datetime.timedelta(days=day)
            rows.append((date, f"{topic} {day} {number}", [topic], hit, 0.5 + 0.4 * hit + number / 1000))
    return pd.DataFrame(rows, columns=["date", "text", "topics", "hit", "probability"])


def letters(number: int) -> str:
    """A word for each number: texts that differ in numbers alone would be taken for a program's."""
    return "".join(chr(97 + number // 26**place % 26) for place in range(3))


def imported_wire(folder: Path, a_day: int = 20) -> str:
    """A data set "wire" whose tone the data give, in the cache that the environment names; two dates are bad."""
    frame = news(a_day=a_day, rise=(150, 175))
    frame = pd.DataFrame(
        {
            "id": [f"n{number}" for number in range(len(frame))],
            "date": frame["date"],
            "headline": [f"{topics[0]} in {letters(n)}" for n, topics in enumerate(frame["topics"])],
            "topic": [own[0] for own in frame["topics"]],
            "tone": np.where(frame["hit"], "negative", "neutral"),
        }
    )
    frame.loc[5, "date"] = None
    frame.loc[6, "date"] = datetime.date(2199, 1, 1)
    frame.to_csv(folder / "wire.csv", index=False)
    line = ["data", "import", str(folder / "wire.csv"), "--name", "wire", "--domain", "news", "--column", "id=item"]
    outcome = CliRunner().invoke(app, line)
    assert outcome.exit_code == 0, outcome.output
    return "wire"
