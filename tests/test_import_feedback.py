"""A data set's own values become grades: the scale is read, or asked for, and nothing is turned round."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent.data.archive import DatasetError
from agent.data.grades import STAR_SCALES, Graded, Wanted, count_grades, grade_events, grade_values, no_values


def graded(
    values: list[str], wanted: Wanted | None = None, column: str = "rating", usual: tuple[str, ...] = ()
) -> Graded:
    return grade_values(pd.Series(values, dtype=object), column, wanted or Wanted(), counts=False, usual=usual)


@pytest.mark.parametrize(
    ("values", "grades"),
    [
        (["1", "2", "3", "4", "5"], [1, 2, 3, 4, 5]),
        (["0.5", "2", "3.5", "5"], [0.5, 2, 3.5, 5]),
        (["0", "2", "7", "8", "10"], [0.5, 1, 3.5, 4, 5]),
        (["1", "5", "8", "10"], [0.5, 2.5, 4, 5]),
        (["0", "20", "50", "80", "100"], [0.5, 1, 2.5, 4, 5]),
        (["1", "0"], [5, 1]),
        (["1", "-1"], [5, 1]),
        (["like", "dislike", "Loved"], [5, 1, 5]),
        (["true", "false"], [5, 1]),
    ],
)
def test_a_scale_is_read_from_its_values(values: list[str], grades: list[float]) -> None:
    assert graded(values).grades.tolist() == grades


def test_a_thumb_that_says_neither_is_no_grade() -> None:
    found = graded(["1", "0", "-1"])
    assert found.grades[[0, 2]].tolist() == [5, 1]
    assert np.isnan(found.grades[1])


@pytest.mark.parametrize("values", [["5", "5"], ["3", "4"], ["1", "2", "3", "4"], ["6", "7"], ["0.2", "0.7", "0.9"]])
def test_a_scale_that_cannot_be_told_is_asked_for(values: list[str]) -> None:
    with pytest.raises(DatasetError, match=r"rating cannot be told.*--scale 1-5"):
        graded(values)


def test_the_files_of_a_known_layout_have_their_scale_unless_the_values_say_otherwise() -> None:
    assert graded(["5", "5"], usual=STAR_SCALES).grades.tolist() == [5, 5]
    assert graded(["9", "2", "4", "10"], usual=STAR_SCALES).grades.tolist() == [4.5, 1, 2, 5]
    assert graded(["1", "0", "1"], usual=STAR_SCALES).grades.tolist() == [5, 1, 5]


@pytest.mark.parametrize(
    ("scale", "positive", "values", "positives"),
    [
        ("1-5", None, ["3", "4", "5"], [False, True, True]),
        ("1-5", "rating >= 3", ["2", "3", "5"], [False, True, True]),
        ("0-10", "rating >= 7", ["6", "7", "10"], [False, True, True]),
        ("1-10", "rating > 7", ["7", "8"], [False, True]),
        ("1-5", "rating >= 5", ["4", "5"], [False, True]),
        ("-10..10", None, ["-10", "0", "6"], [False, False, True]),
    ],
)
def test_the_rule_says_from_where_a_grade_is_positive(
    scale: str, positive: str | None, values: list[str], positives: list[bool]
) -> None:
    found = graded(values, Wanted(scale, positive)).grades
    assert (found >= 4).tolist() == positives
    assert (np.diff(found) > 0).all()
    assert (found >= 0.5).all() and (found <= 5).all()


def test_what_is_outside_a_scale_that_was_given_is_kept_without_a_grade_and_told() -> None:
    found = graded(["0", "1", "10"], Wanted("1-10"))
    assert np.isnan(found.grades).tolist() == [True, False, False]
    assert not found.bad.any()
    assert "outside" in found.notes[0]


@pytest.mark.parametrize(
    "wanted", [Wanted(scale="stars"), Wanted(scale="5-1"), Wanted("1-5", "rating = 4"), Wanted("1-5", "rating >= 9")]
)
def test_a_rule_that_cannot_be_understood_is_refused(wanted: Wanted) -> None:
    with pytest.raises(DatasetError, match=r"--(?:scale|positive)"):
        graded(["1", "5"], wanted)


def test_blank_values_are_no_grades_and_words_among_numbers_are_malformed() -> None:
    found = graded(["4", "", "nan", "four", "1", "5"])
    assert np.isnan(found.grades).tolist() == [False, True, True, True, False, False]
    assert found.bad.tolist() == [False, False, False, True, False, False]


def test_counts_are_graded_by_rank_within_the_person() -> None:
    counts = np.asarray([100.0, 3, 2, 1, 5000, 7000])
    users = np.asarray([0, 0, 0, 0, 1, 1])
    grades = count_grades(counts, users)
    assert (grades >= 4).tolist() == [True, True, False, False, False, True]
    assert grades[0] > grades[1] > grades[2] > grades[3]
    assert (count_grades(np.asarray([1.0, 1.0]), np.asarray([0, 0])) >= 4).all()


def test_kinds_of_events_count_as_much_as_they_say() -> None:
    kinds = pd.Series(["view", "purchase", "Return", "add to cart"], dtype=object)
    found = grade_events(kinds, "event", Wanted())
    assert found.grades[[1, 2]].tolist() == [5, 1]
    assert np.isnan(found.grades[[0, 3]]).all()
    found = grade_events(kinds, "event", Wanted(positive="{purchase: 1, view: 1}"))
    assert found.grades[[0, 1]].tolist() == [5, 5]
    assert found.dropped.tolist() == [False, False, True, True]
    with pytest.raises(DatasetError, match="'buy'"):
        grade_events(kinds, "event", Wanted(positive="buy: 1"))


def test_events_without_values_count_in_full_or_say_nothing() -> None:
    assert no_values(2, Wanted()).grades.tolist() == [5, 5]
    assert np.isnan(no_values(2, Wanted(positive="none")).grades).all()
    with pytest.raises(DatasetError, match="needs a column of values"):
        no_values(2, Wanted(positive="rating >= 4"))
