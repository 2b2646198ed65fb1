"""Requests written from metadata: true, reproducible, free of titles; and the protocol that judges by them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.catalogue.catalogue import Catalogue, Item
from agent.dialogue.state import state_after
from agent.domains.domain import load_domain
from eval.protocols.requests import PARTS, SETS, Filter, RequestRow, allowed_items, cases, load_requests
from eval.ranking.cases import Cases
from eval.ranking.table import compare_scorers
from tests.content_words import content_words, stem
from training.requests.phrases import FORMS, PhraseBank, Split
from training.requests.wording import Dice, plural, with_article
from training.requests.writer import STYLES, Request, write_request

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

FILMS = load_domain("films")


def load_bank(split: Split) -> PhraseBank:
    bank = PhraseBank.load(split, FILMS)
    assert bank is not None
    return bank


TRAIN, HELD_OUT = load_bank("train"), load_bank("heldout")
WESTERN = Item(0, "1", "High Noon", 1952, ("Western",))


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.fixture(scope="module")
def held_out_rows(dataset: Dataset, catalogue: Catalogue) -> dict[str, list[RequestRow]]:
    return {which: load_requests(dataset, which, "test", catalogue) for which in SETS}


def many(catalogue: Catalogue, bank: PhraseBank, count: int, seed: int = 0) -> list[tuple[Item, Request]]:
    rng = np.random.default_rng(seed)
    rows = []
    for index in rng.integers(len(catalogue), size=count).tolist():
        item = catalogue[index]
        rows.append((item, write_request(item, rng, bank)))
    return rows


# The banks


def test_banks_are_as_wide_as_promised() -> None:
    assert len(TRAIN.soft) == len(HELD_OUT.soft) == 18
    assert min(map(len, TRAIN.soft.values())) >= 60
    assert min(map(len, HELD_OUT.soft.values())) >= 25
    assert sum(map(len, TRAIN.frames.values())) >= 150
    assert sum(map(len, HELD_OUT.frames.values())) >= 60
    for bank in (TRAIN, HELD_OUT):
        assert {form for texts in bank.soft.values() for form, _ in texts} == set(FORMS)


def training_texts() -> list[str]:
    """Everything that a training request can be made of, numbers and common plain eras aside."""
    plain = [text for words in TRAIN.plain.values() for text in (*words.mod, *words.noun)]
    eras = [text for kinds in TRAIN.eras.values() for texts in kinds.values() for text in texts]
    return [
        *(*TRAIN.expressions(), *TRAIN.sentences(), *TRAIN.openings, *TRAIN.endings, *TRAIN.refusals, *TRAIN.joins),
        *plain,
        *eras,
        *(era.text for era in TRAIN.soft_eras),
    ]


def test_held_out_expressions_share_no_content_word_with_training() -> None:
    trained = content_words(training_texts())
    shared = {
        (text, root, trained[root])
        for text in HELD_OUT.expressions()
        for root in content_words([text])
        if root in trained
    }
    assert not shared
    assert all(content_words([text]) for text in HELD_OUT.expressions()), "an expression of stop words tests nothing"


def test_held_out_sentences_differ_from_training() -> None:
    def runs(frame: str) -> set[tuple[str, ...]]:
        words = re.findall(r"[a-z']+", frame.lower().replace("{", " {"))
        return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}

    trained = {run for frame in TRAIN.sentences() for run in runs(frame)}
    assert not set(HELD_OUT.sentences()) & set(TRAIN.sentences())
    assert not {frame for frame in HELD_OUT.sentences() if runs(frame) & trained}
    assert not set(HELD_OUT.openings) & set(TRAIN.openings)


def test_no_bank_repeats_itself_or_names_the_genre() -> None:
    for bank in (TRAIN, HELD_OUT):
        for genre, texts in bank.soft.items():
            assert len(set(texts)) == len(texts), genre
            name = re.compile(rf"\b{genre.lower().removeprefix('film-')}s?\b")
            named = [text for _, text in texts if name.search(text.lower())]
            assert not named, (bank.split, genre)


def test_unknown_bank_and_style_are_named() -> None:
    with pytest.raises(ValueError, match=r"'valid'.*'train' or 'heldout'"):
        PhraseBank.load("valid", FILMS)  # type: ignore[arg-type]
    assert PhraseBank.load("train", load_domain("support")) is None
    with pytest.raises(ValueError, match=r"'loud'.*hard, soft, mixed"):
        write_request(WESTERN, np.random.default_rng(0), TRAIN, "loud")  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["gangster", "gangsters", "Gangsters".lower()])
def test_stems_join_forms_of_a_word(word: str) -> None:
    assert stem(word) == stem("gangster")


# The requests


@pytest.mark.parametrize("bank", [TRAIN, HELD_OUT], ids=["train", "heldout"])
def test_what_a_request_asks_is_true_of_its_film(catalogue: Catalogue, bank: PhraseBank) -> None:
    for item, request in many(catalogue, bank, 3000):
        assert set(request.categories) <= set(item.categories), request
        assert not set(request.without) & set(item.categories), request
        if request.year_min is not None:
            assert item.year is not None and request.year_min <= item.year, request
        if request.year_max is not None:
            assert item.year is not None and item.year <= request.year_max, request
        assert "{" not in request.text and "  " not in request.text, request
        assert request.categories or not any(genre in bank.soft for genre in item.categories), request


def test_the_words_of_a_request_stand_in_it(catalogue: Catalogue) -> None:
    rng = np.random.default_rng(3)
    for item in catalogue.items[:400]:
        request = write_request(item, rng, TRAIN, typo=0.0)
        text = request.text.lower().replace("'", "")
        # A plural or a dropped last mark may differ, so only the beginning is compared.
        missing = [word for word in request.words if word.lower().replace("'", "").rstrip("?!.y") not in text]
        assert not missing, request


def test_same_seed_same_requests(catalogue: Catalogue) -> None:
    assert many(catalogue, TRAIN, 200, seed=5) == many(catalogue, TRAIN, 200, seed=5)
    assert many(catalogue, TRAIN, 200, seed=5) != many(catalogue, TRAIN, 200, seed=6)


def test_requests_vary(catalogue: Catalogue) -> None:
    texts = {request.text for _, request in many(catalogue, TRAIN, 3000)}
    assert len(texts) > 2900


def test_every_genre_and_style_is_asked_for(catalogue: Catalogue) -> None:
    requests = [request for _, request in many(catalogue, TRAIN, 4000)]
    assert {genre for request in requests for genre in request.categories} == set(TRAIN.soft)
    assert {request.style for request in requests} == set(STYLES)
    assert {genre for request in requests for genre in request.without} == set(TRAIN.soft)


@pytest.mark.parametrize("bank", [TRAIN, HELD_OUT], ids=["train", "heldout"])
def test_titles_never_enter_a_request(bank: PhraseBank) -> None:
    title = "Xyzzyq Plugh"
    rng = np.random.default_rng(1)
    for year in range(1922, 2000):
        for genres in (("Action", "Comedy"), ("Drama",), ()):
            request = write_request(Item(0, "1", title, year, genres), rng, bank, typo=0.0)
            assert not {"xyzzyq", "plugh"} & set(re.findall("[a-z]+", request.text.lower()))


def test_a_film_without_genres_or_year_still_gets_a_wish() -> None:
    rng = np.random.default_rng(0)
    by_year = write_request(Item(0, "1", "Good Morning", 1971, ()), rng, TRAIN, typo=0.0)
    assert by_year.categories == () and (by_year.year_min or by_year.year_max)
    assert write_request(Item(0, "1", "Unknown", None, ()), rng, TRAIN).text


def test_articles_and_plurals() -> None:
    phrases = ["80s thriller", "1980s thriller", "unforgettable film", "one-man-army picture", "eerie tale"]
    assert [with_article(text).split()[0] for text in phrases] == ["an", "a", "an", "a", "an"]
    assert plural("90s comedy") == "90s comedies"
    assert plural("picture for little ones") == "pictures for little ones"


def test_dice_outlast_their_block() -> None:
    dice = Dice(np.random.default_rng(0))
    drawn = [dice.whole(1, 6) for _ in range(600)]
    assert set(drawn) == {1, 2, 3, 4, 5, 6}
    assert set(Dice(np.random.default_rng(1)).weighted("ab", (0.0, 1.0)) for _ in range(50)) == {"b"}


# The protocol


def test_rows_are_as_described(
    dataset: Dataset, catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]
) -> None:
    ratings = dataset.ratings.groupby("user", sort=False)
    for which, rows in held_out_rows.items():
        assert len(rows) == 431
        for row in rows[:60]:
            own = ratings.get_group(row.user).sort_values("timestamp", kind="stable")
            cut = int(np.floor(0.8 * len(own) + 1e-9))
            future = own.iloc[cut:]
            assert len(row.history) == cut
            assert catalogue[row.target].item_id == future[future["rating"] >= 4]["item"].iloc[0]
            assert row.target not in {event.item for event in row.history}
            assert row.request.style == which
            assert set(row.request.categories) <= set(catalogue[row.target].categories)


def test_parts_hold_different_users_and_repeat(
    dataset: Dataset, catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]
) -> None:
    valid, test = (load_requests(dataset, "hard", part, catalogue) for part in PARTS)
    assert not {row.user for row in valid} & {row.user for row in test}
    assert len(valid) == 476
    assert test == held_out_rows["hard"]


def test_unknown_set_and_part_are_named(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"'easy'.*hard, soft, mixed"):
        load_requests(dataset, "easy", "test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'train'.*valid, test"):
        load_requests(dataset, "hard", "train")  # type: ignore[arg-type]


def test_held_out_requests_do_not_name_the_target(
    catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]
) -> None:
    common = set(content_words([*HELD_OUT.expressions(), *HELD_OUT.sentences(), *training_texts()]))
    common |= set(content_words([*HELD_OUT.openings, *HELD_OUT.endings, *HELD_OUT.refusals]))
    for rows in held_out_rows.values():
        for row in rows:
            title = catalogue[row.target].title
            assert title.lower() not in row.request.text.lower() or set(content_words([title])) <= common, row.request


def test_soft_wishes_are_beyond_the_grammar(catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]) -> None:
    read = [state_after(row.request.text, catalogue).conditions for row in held_out_rows["soft"]]
    undecided = [all(own.facet != "genre" for own in found) for found in read]
    assert np.mean(undecided) >= 0.94


def test_hard_wishes_are_within_the_grammar(catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]) -> None:
    kept = [allowed_items(row.state, catalogue)[row.target] for row in held_out_rows["hard"]]
    assert np.mean(kept) >= 0.95
    allowed = [allowed_items(row.state, catalogue).sum() for row in held_out_rows["hard"]]
    assert np.median(allowed) < 0.1 * len(catalogue)


def test_filters_fall_back_to_the_unseen(catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]) -> None:
    base = held_out_rows["hard"][0]
    nothing = Request("a western documentary from 1996", ("Western",), (), 1996, 1996, "hard", ())
    allowed = allowed_items(RequestRow(base.user, base.history, nothing, base.target).state, catalogue)
    assert allowed.sum() == len(catalogue) - len({event.item for event in base.history})


def test_requests_are_ranked_as_told(catalogue: Catalogue, held_out_rows: dict[str, list[RequestRow]]) -> None:
    asked = cases(held_out_rows["hard"], len(catalogue), "hard")

    def popular(part: Cases) -> list[np.ndarray]:
        return [catalogue.rating_count[items].astype(np.float64) for items in part.candidates]

    def oracle(part: Cases) -> list[np.ndarray]:
        return [np.isin(*pair).astype(np.float64) for pair in zip(part.candidates, part.relevant, strict=True)]

    def flat(part: Cases) -> list[np.ndarray]:
        return [np.zeros(len(items)) for items in part.candidates]

    scorers = {"prior": popular, "filtered": Filter(catalogue)(popular), "oracle": oracle, "flat": flat}
    found = compare_scorers(asked, scorers, reference="prior")
    assert found["oracle"].figures["ndcg@10"].mean == found["oracle"].figures["mrr"].mean == 1.0
    assert found["flat"].figures["hr@10"].mean < 0.03
    assert found["filtered"].differences["ndcg@10"].low > 0.1
    assert not found["prior"].differences
    with pytest.raises(ValueError, match="no rows"):
        cases([], len(catalogue), "none")
