"""Items that change while the service runs: found by their words, hidden, expired and deleted without training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.service.client import ServiceError
from agent.service.live_index import LiveIndex
from agent.store.database import audit_log
from agent.store.live_items import LiveItemStore
from tests.service_app import Running, serving

if TYPE_CHECKING:
    from agent.recommender import Recommender

BEES = {"genre": ["Comedy", "Mystery"], "year": 1997}


@pytest.fixture
def running(recommender: Recommender, tmp_path: Path) -> Iterator[Running]:
    with serving(recommender, tmp_path) as own:
        yield own


def ids(running: Running, wish: str, k: int = 5) -> list[str]:
    return [item.item_id for item in running.concierge.recommend(wish=wish, k=k).items]


def test_a_new_item_is_in_the_next_answer_to_its_words(running: Running) -> None:
    concierge = running.concierge
    assert "bees" not in ids(running, "a mystery about beekeepers")
    made = concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    assert not made.trained and made.attributes["genre"] == ["Comedy", "Mystery"]
    answer = concierge.recommend(wish="a mystery about beekeepers", k=5)
    assert len(answer.items) == 5 and answer.items[-1].item_id == "bees" and not answer.items[-1].trained
    assert answer.items[-1].reason
    impression = running.log.impression(answer.impression_id or "")
    assert impression is not None and len(impression.slate) == 4  # the log holds what the policy chose
    assert "bees" in [item.item_id for item in concierge.search("beekeeper honey").items]
    talk = concierge.converse("a mystery about beekeepers", k=5)
    assert "bees" in [item.item_id for item in talk.items]
    assert "bees" not in ids(running, "a western")


def test_a_new_item_must_meet_the_conditions(running: Running) -> None:
    running.concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    conditions = [{"facet": "year", "op": "at_most", "value": 1980}]
    answer = running.concierge.recommend(wish="beekeepers", conditions=conditions)
    assert "bees" not in [item.item_id for item in answer.items]


def test_feedback_on_a_new_item_is_kept(running: Running) -> None:
    running.concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    running.concierge.feedback("bees", "liked", person="ann")
    assert [own.item_id for own in running.log.outcomes()] == ["bees"]
    assert running.concierge.similar("bees", k=3)
    assert "new" in running.concierge.explain("bees").explanation


def test_a_hidden_item_is_gone_and_comes_back(running: Running) -> None:
    concierge = running.concierge
    shown = ids(running, "a comedy")
    concierge.hide_item(shown[0])
    assert shown[0] not in ids(running, "a comedy")
    assert concierge.item(shown[0]).status == "hidden"
    assert "hidden" in concierge.why_not(shown[0]).explanation
    concierge.show_item(shown[0])
    assert shown[0] in ids(running, "a comedy")


def test_an_item_expires(running: Running) -> None:
    concierge = running.concierge
    shown = ids(running, "a comedy")[0]
    assert concierge.expire_item(shown, time.time() - 1).status == "expired"
    assert shown not in ids(running, "a comedy")
    assert concierge.expire_item(shown, time.time() + 900).status == "shown"


def test_a_deleted_item_is_gone_until_it_is_sent_again(running: Running) -> None:
    concierge = running.concierge
    concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    concierge.delete_item("bees")
    with pytest.raises(ServiceError) as caught:
        concierge.item("bees")
    assert caught.value.status == 410
    assert not concierge.search("beekeeper").items
    assert b"Honey" not in running.log.path.read_bytes()
    concierge.put_item("bees", "The Beekeeper", BEES)
    assert concierge.item("bees").title == "The Beekeeper"


def test_new_attributes_of_a_trained_item_count_at_once(running: Running, recommender: Recommender) -> None:
    concierge = running.concierge
    before = concierge.item("183")
    index = recommender.catalogue.index("183")
    held = recommender.catalogue[index]
    try:
        changed = concierge.put_item("183", "Alien", {"genre": ["Western"], "year": 1979})
        assert changed.trained and changed.raters == before.raters
        asked = concierge.recommend(conditions=[{"facet": "genre", "value": "Western"}], k=50, record=False)
        assert "183" in [item.item_id for item in asked.items]
    finally:
        recommender.catalogue.amend({index: (held.title, held.attributes)})
    assert concierge.search("alien").items[0].item_id == "183"


def test_another_replica_learns_of_a_change(running: Running, recommender: Recommender) -> None:
    other = LiveIndex(recommender.catalogue, LiveItemStore(running.log.engine))
    running.concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    end = time.monotonic() + 5
    while time.monotonic() < end and not other.new_items("beekeeper honey", 1):
        time.sleep(0.1)
    assert [item.item_id for item in other.new_items("beekeeper honey", 1)] == ["bees"]


def test_pages_follow_one_another(running: Running) -> None:
    concierge = running.concierge
    first = concierge.search("love", limit=3)
    second = concierge.search("love", limit=3, cursor=first.next)
    assert first.total == second.total > 3
    assert not {item.item_id for item in first.items} & {item.item_id for item in second.items}
    assert len(concierge.search(limit=50).items) == 50


def test_changes_are_in_the_audit_log(running: Running) -> None:
    running.concierge.put_item("bees", "The Beekeeper's Honey", BEES)
    running.concierge.delete_item("bees")
    assert [own["action"] for own in audit_log(running.log.engine)] == ["delete item", "put item"]
