"""Pictures on cards: only with a key, fetched by the server alone, kept on disk, and absent without a trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import load_dataset
from agent.recommender import Recommender
from tests.loopback import loopback
from ui.chat.images import ORIGIN_VARIABLE, ImageStore, filled, image_path

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64


class Site:
    """Stands for TMDB and its store of pictures: knows some ids, counts what it is asked, can be slow or broken."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: list[str] = []
        self.posters: dict[str, str | None] = {}
        self.content: bytes = JPEG
        self.status = 200
        self.after = 0.0

    def answer(self, address: str) -> tuple[int, bytes]:
        time.sleep(self.after)
        parts = urlsplit(address)
        self.asked.append(parts.path)
        if parts.path.startswith("/t/p/"):
            return self.status, self.content
        self.keys += parse_qs(parts.query).get("api_key", [])
        number = parts.path.rsplit("/", 1)[-1]
        if self.status != 200 or number not in self.posters:
            return (self.status if self.status != 200 else 404), b"{}"
        return 200, json.dumps({"id": number, "poster_path": self.posters[number]}).encode()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    own = Site()

    with loopback(lambda request: own.answer(request.path)) as origin:
        monkeypatch.setenv(ORIGIN_VARIABLE, origin)
        monkeypatch.setenv("TMDB_API_KEY", "0123abc")
        yield own


@pytest.fixture(scope="module")
def films() -> Catalogue:
    return Catalogue(load_dataset("films"))


@pytest.fixture
def item(films: Catalogue, site: Site) -> str:
    found = films.items[0]
    site.posters[str(films.identifiers["tmdb_id"][found.index])] = "/abc.jpg"
    return found.item_id


def _store(films: Catalogue, folder: Path) -> ImageStore:
    return ImageStore(cast(Recommender, SimpleNamespace(catalogue=films)), folder)


def _client(store: ImageStore) -> TestClient:
    return TestClient(Starlette(routes=[store.route()]))


def test_a_picture_is_fetched_once_and_kept_also_for_the_next_process(
    films: Catalogue, site: Site, item: str, tmp_path: Path
) -> None:
    path = image_path(item, films)
    assert path is not None and "://" not in path
    for _ in range(2):
        response = _client(_store(films, tmp_path)).get(f"/{path}")
        assert response.status_code == 200 and response.content == JPEG
        assert response.headers["content-type"] == "image/jpeg"
    assert len(site.asked) == 2 and site.keys == ["0123abc"]


def test_a_card_names_the_item_and_loads_nothing_external(films: Catalogue, site: Site, item: str) -> None:
    from agent.dialogue.state import DialogueState
    from agent.records.answer import Recommendation
    from ui.chat.cards import card_html, slate_html

    shown = Recommendation(item, films.items[0].title, None, (), 0.5, 1.0, "because")
    html = card_html(1, shown, DialogueState(), films)
    assert f'alt="{films.items[0].name}"' in html and f'src="{image_path(item, films)}"' in html
    assert "TMDB" in slate_html([shown], DialogueState(), films, True).rsplit("</article>", 1)[1]


def test_without_a_key_nothing_is_shown_or_asked(
    films: Catalogue, site: Site, item: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image_path(item, films)
    monkeypatch.delenv("TMDB_API_KEY")
    assert image_path(item, films) is None
    assert _client(_store(films, tmp_path)).get(f"/{path}").status_code == 404
    assert not site.asked


def test_what_the_site_lacks_is_asked_once(films: Catalogue, site: Site, item: str, tmp_path: Path) -> None:
    store, other = _store(films, tmp_path), films.items[1].item_id
    site.posters[str(films.identifiers["tmdb_id"][0])] = None
    for name in (item, other, item, other):
        assert _client(store).get(f"/{image_path(name, films)}").status_code == 404
    assert len(site.asked) == 2


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"<html>", b"", JPEG + b"x" * 3_000_000])
def test_only_pictures_are_passed_on(films: Catalogue, site: Site, item: str, tmp_path: Path, content: bytes) -> None:
    site.content = content
    assert _client(_store(films, tmp_path)).get(f"/{image_path(item, films)}").status_code == 404


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_site_in_trouble_is_left_alone_and_nothing_is_kept(
    films: Catalogue, site: Site, item: str, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    site.status = status
    store = _store(films, tmp_path)
    assert _client(store).get(f"/{image_path(item, films)}").status_code == 404
    site.status = 200
    assert _client(store).get(f"/{image_path(item, films)}").status_code == 404
    assert len(site.asked) == 1 and "0123abc" not in caplog.text
    assert _client(_store(films, tmp_path)).get(f"/{image_path(item, films)}").status_code == 200


def test_a_site_that_is_away_or_slow_costs_a_picture_and_no_more(
    films: Catalogue, site: Site, item: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.chat.images.SECONDS", 0.3)
    site.after = 1.5
    started = time.monotonic()
    assert _client(_store(films, tmp_path)).get(f"/{image_path(item, films)}").status_code == 404
    monkeypatch.setenv(ORIGIN_VARIABLE, "http://127.0.0.1:9")
    assert _client(_store(films, tmp_path)).get(f"/{image_path(item, films)}").status_code == 404
    assert time.monotonic() - started < 1.4


def test_many_askers_of_one_picture_make_one_request(films: Catalogue, site: Site, item: str, tmp_path: Path) -> None:
    async def ask() -> list[bytes | None]:
        store = _store(films, tmp_path)
        return await asyncio.gather(*(store.picture(item) for _ in range(8)))

    assert asyncio.run(ask()) == [JPEG] * 8 and len(site.asked) == 2


@pytest.mark.parametrize("name", ["no-such-item", "../../etc/passwd", "%2e%2e%2f"])
def test_items_that_are_none_have_no_picture(films: Catalogue, site: Site, tmp_path: Path, name: str) -> None:
    assert _client(_store(films, tmp_path)).get(f"/item-images/{name}").status_code == 404
    assert not site.asked


def test_an_address_may_come_from_any_column(films: Catalogue) -> None:
    year = films.items[0].attributes["year"]
    assert filled("https://x.example/{year}.png", 0, films) == f"https://x.example/{year}.png"
    assert filled("{image_url}", 0, films) is None
