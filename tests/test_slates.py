"""Slates: no wish goes unsaid, the least liked give way, "less like this" moves away, a surprise is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.data.dataset import load_dataset
from agent.dialogue.set_aside import likeness, smoothed_means
from agent.records.conversation import Conversation
from tests.plain_policy import plain_recommender

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.answer import Answer

SUBJECTS = ("courtroom", "chess", "loneliness", "boxing", "amnesia", "robots", "journalism", "holocaust")
LATER = ("I only have 100 minutes", "from the 60s", "in French", "with Tom Hanks", "with Meg Ryan")


@pytest.fixture(scope="module")
def films() -> Recommender:
    return plain_recommender(load_dataset("films"))


def _accounted(answer: Answer, word: str) -> bool:
    """Whether a wish stands in the reply, or is a condition that all of the slate meet."""
    held = [own for own in answer.conditions if word in str(own["value"])]
    return word in answer.reply or bool(held and all(word in item.attributes.get("tag", ()) for item in answer.items))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_is_kept_given_up_or_undecided_but_never_unsaid(films: Recommender, subject: str) -> None:
    for later in LATER:
        conversation = Conversation()
        first = films.reply(conversation, f"films about {subject}")
        assert _accounted(first, subject), first.reply
        second = films.reply(conversation, later)
        bearing = [item for item in second.items if any(fact.value == subject for fact in item.evidence)]
        known = "sound" in first.reply or "cannot decide" in first.reply or "settles" in first.reply
        assert _accounted(second, subject) or known or len(bearing) == len(second.items), (later, second.reply)


def test_what_fills_a_slate_is_said_to_lack_the_wish(films: Recommender) -> None:
    filled = 0
    for subject in SUBJECTS:
        for kind in ("musical", "western", "documentary", "animated film"):
            answer = films.reply(Conversation(), f"three {kind}s about {subject}")
            named = [item for item in answer.items if re.search(subject[:5], " ".join(item.attributes.get("tag", ())))]
            if answer.items and len(named) < len(answer.items):
                filled += 1
                assert subject in answer.reply and subject in " ".join(answer.unmet), (subject, kind, answer.reply)
    assert filled > 10


def test_the_head_line_repeats_the_wish(films: Recommender) -> None:
    for message, said in (
        ("a good courtroom drama", "courtroom dramas"),
        ("vampire films", "vampire films"),
        ("a film about chess", "films about chess"),
        ("a romcom", "romantic comedies"),
        ("a children's film", "children's films"),
    ):
        assert said in films.reply(Conversation(), message).reply


def test_the_least_liked_are_not_shown_where_others_fit(films: Recommender) -> None:
    means = smoothed_means(films.catalogue)
    poor = float(np.quantile(means, 0.25))
    for message in ("courtroom films", "a western", "in French", "a horror film from the 80s", "about boxing"):
        items = films.reply(Conversation(), message).items
        assert items and all(means[films.catalogue.index(item.item_id)] >= poor for item in items), message
    assert means[films.catalogue.rating_count > 50].max() > means[films.catalogue.rating_count == 1].max()


@pytest.mark.parametrize("title", ["It (2017)", "The Shining", "Toy Story", "Die Hard", "Titanic"])
def test_less_like_this_moves_away(films: Recommender, title: str) -> None:
    catalogue, policy = films.catalogue, films.policy
    conversation = Conversation()
    before = films.reply(conversation, f"something like {title}")
    for place in range(2):
        disliked = before.items[place]
        near = likeness(catalogue.index(disliked.item_id), policy, catalogue)
        after = films.react(conversation, disliked.item_id, "less")
        assert after is not None and after.items
        shown = [catalogue.index(item.item_id) for item in after.items]
        others = [catalogue.index(item.item_id) for item in before.items if item is not disliked]
        assert near[shown].mean() < near[others].mean()
        assert int(np.argmax(near)) not in shown, "the nearest neighbour is not shown"
        conversation = Conversation()
        films.reply(conversation, f"something like {title}")


def test_a_surprise_is_little_known_well_liked_and_of_another_kind(films: Recommender) -> None:
    catalogue = films.catalogue
    conversation = Conversation()
    usual = films.reply(conversation, "a war film")
    answer = films.reply(conversation, "surprise me")
    places = [catalogue.index(item.item_id) for item in answer.items]
    assert len(places) == 5 and "well liked" in answer.reply
    assert catalogue.rating_count[places].max() <= np.quantile(catalogue.rating_count, 0.95)
    assert np.nanmin(catalogue.mean_rating[places]) > np.nanmean(catalogue.mean_rating)
    assert not any("War" in item.categories for item in answer.items)
    again = films.reply(conversation, "surprise me")
    shown = {item.item_id for own in (usual, answer) for item in own.items}
    assert not shown & {item.item_id for item in again.items}


def test_nothing_is_called_more_or_to_a_taste_before_there_is_any(films: Recommender) -> None:
    for message in ("five films to my taste", "something good", "I have seen Titanic. What else?"):
        reply = films.reply(Conversation(), message).reply
        assert "more film" not in reply and "taste" not in reply, reply


def test_what_is_not_known_to_be_what_is_not_wanted_is_said_in_one_sentence(films: Recommender) -> None:
    for message in ("not American, not in English and not rated R, with Jean Gabin", "a silent film, not American"):
        answer = films.reply(Conversation(), message)
        unknown = [item for item in answer.items if "country" not in item.attributes]
        assert answer.reply.count("I do not know") == bool(unknown), answer.reply


TWO = {
    "a romcom for her, sci-fi for me": ("her", ("Comedy", "Romance"), ("Sci-Fi",)),
    "something for both of us: she likes horror, I like musicals": ("her", ("Horror",), ("Musical",)),
    "my wife wants a western and I want a musical": ("your wife", ("Western",), ("Musical",)),
    "we can't agree: he wants a documentary, I'd like a fantasy film": ("him", ("Documentary",), ("Fantasy",)),
    "Anna likes film noir, I like animated films": ("Anna", ("Film-Noir",), ("Animation",)),
    "one of us likes horror and the other westerns": ("one of you", ("Horror",), ("Western",)),
    "a western for my dad and a documentary for me": ("your dad", ("Western",), ("Documentary",)),
}


@pytest.mark.parametrize("message", TWO)
def test_two_tastes_are_met_together_or_the_slate_is_split_and_said_for_whom(films: Recommender, message: str) -> None:
    who, theirs, mine = TWO[message]
    conversation = Conversation()
    for later in (message, "from the 90s"):
        answer = films.reply(conversation, later)
        kinds = [set(item.categories) for item in answer.items]
        both = [own for own in kinds if own >= {*theirs, *mine}]
        assert len(answer.items) >= 3 and not answer.unmet
        assert bool(both) == ("both of you" in answer.reply), answer.reply
        if len(both) < len(kinds):
            assert kinds[: len(both)] == both, "what is for both comes first"
            others = kinds[len(both) :]
            assert sum(own >= set(theirs) for own in others) and sum(own >= set(mine) for own in others)
            assert f"for {who}" in answer.reply
    assert films.reply(conversation, "a thriller").items, "another wish ends it"
    assert not films.state(conversation).tastes


@pytest.mark.parametrize(
    "pair", [("Heat", "Casino"), ("Titanic", "Fargo"), ("Alien", "Grease"), ("Jaws", "Memento"), ("Gandhi", "Clue")]
)
def test_a_pick_of_two_comes_with_its_reason(films: Recommender, pair: tuple[str, str]) -> None:
    for liked in ("", "Pulp Fiction"):
        conversation = Conversation()
        if liked:
            films.reply(conversation, f"I loved {liked}")
        reply = films.reply(conversation, f"{pair[0]} or {pair[1]}?").reply
        picked = re.search(r"I would pick “([^”]*)” over “([^”]*)”(.*)", reply)
        if picked is None:
            assert "come out even" in reply, reply
            continue
        numbers = re.search(r"([\d.,]+) against ([\d.,]+)", picked[3])
        assert numbers is not None or f"“{liked}”" in picked[3], reply
        assert numbers is None or float(numbers[1].replace(",", "")) > float(numbers[2].rstrip(".").replace(",", ""))


def test_what_is_known_not_to_be_unwanted_comes_first(films: Recommender) -> None:
    answer = films.reply(Conversation(), "films from before 1940 that are not in English")
    known = ["language" in item.attributes for item in answer.items]
    assert known == sorted(known, reverse=True) and any(known)
    assert all("English" not in item.attributes.get("language", ()) for item in answer.items)
    assert all(known) or "do not know the language" in answer.reply


def test_lengths_that_may_be_another_versions_are_said_to_be_about_so(films: Recommender) -> None:
    conversation = Conversation()
    assert "about 178 minutes" in films.reply(conversation, "how long is Pulp Fiction?").reply
    items = films.reply(conversation, "a comedy of at most 95 minutes").items
    assert all(int(str(item.attributes["minutes"])) <= 95 for item in items)
    assert all(re.search(r"about \d+ minutes", item.reason, re.I) for item in items)
