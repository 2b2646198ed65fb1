"""Titles as MovieLens writes them become what a person would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.data.importers.titles import Title, article_first, parse_title, parse_year


@pytest.mark.parametrize(
    ("raw", "title", "year", "aliases"),
    [
        ("Godfather, The (1972)", "The Godfather", 1972, ()),
        ("Postino, Il (1994)", "Il Postino", 1994, ()),
        ("Enfer, L' (1994)", "L'Enfer", 1994, ()),
        ("Boot, Das (1981)", "Das Boot", 1981, ()),
        ("Mariachi, El (1992)", "El Mariachi", 1992, ()),
        ("Vitelloni, I (1953)", "I Vitelloni", 1953, ()),
        ("Paris, Texas (1984)", "Paris, Texas", 1984, ()),
        ("Kiss Me, Guido (1997)", "Kiss Me, Guido", 1997, ()),
        ("Bye Bye, Love (1995)", "Bye Bye, Love", 1995, ()),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly", 1966, ()),
        ("Lion, the Witch and the Wardrobe, The", "The Lion, the Witch and the Wardrobe", None, ()),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children",
            1995,
            ("La Cité des enfants perdus",),
        ),
        ("Seven (a.k.a. Se7en) (1995)", "Seven", 1995, ("Se7en",)),
        ("Besieged (a.k.a. L' Assedio) (1998)", "Besieged", 1998, ("L'Assedio",)),
        (
            "Asterix in America (a.k.a Asterix Conquers America) (1994)",
            "Asterix in America",
            1994,
            ("Asterix Conquers America",),
        ),
        ("Asterix (aka Astérix) (1994)", "Asterix", 1994, ("Astérix",)),
        ("Akaroa (Akaroa Harbour) (2001)", "Akaroa", 2001, ("Akaroa Harbour",)),
        ("Legend, The (a.k.a. The Tale) (Leggenda, La) (1998)", "The Legend", 1998, ("The Tale", "La Leggenda")),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009, ()),
        (
            "Birdman: Or (The Unexpected Virtue of Ignorance) (2014)",
            "Birdman: Or (The Unexpected Virtue of Ignorance)",
            2014,
            (),
        ),
        ("Frontière(s) (2007)", "Frontière(s)", 2007, ()),
        ("Evangelion: 2.0 You Can (Not) Advance (2009)", "Evangelion: 2.0 You Can (Not) Advance", 2009, ()),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995, ()),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", 2006, ()),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968, ()),
        ("1984 (1984)", "1984", 1984, ()),
        ("Babylon 5", "Babylon 5", None, ()),
        ("  Toy \t Story  (1995) ", "Toy Story", 1995, ()),
        ("Cafe\u0301 (2010)", "Café", 2010, ()),
        ("Evil\x1b[31m \u202ekcab (2010)", "Evil[31m kcab", 2010, ()),
        ("(1995)", "(1995)", None, ()),
        ("", "", None, ()),
    ],
)
def test_a_title_is_split(raw: str, title: str, year: int | None, aliases: tuple[str, ...]) -> None:
    assert parse_title(raw) == Title(title, year, aliases)


def test_a_known_year_wins_over_one_in_the_title() -> None:
    assert parse_title("Blade Runner (1982)", 1992) == Title("Blade Runner", 1992, ())


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1972", 1972),
        (" 1972 ", 1972),
        ("1972.0", 1972),
        ("2006-", 2006),
        ("V", None),
        ("1", None),
        ("3000", None),
        ("", None),
    ],
)
def test_a_year_is_read(text: str, year: int | None) -> None:
    assert parse_year(text) == year


@given(st.text(max_size=60), st.integers(1900, 2030))
def test_any_text_gives_a_one_line_title(raw: str, year: int) -> None:
    parsed = parse_title(f"{raw} ({year})")
    assert parsed.title == parsed.title.strip()
    assert "\n" not in parsed.title
    if raw.strip() and raw.strip().isalnum():
        assert parsed == Title(article_first(parse_title(raw).title), year, ())
