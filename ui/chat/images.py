"""Images: pictures of the items on cards, fetched by the server and kept on disk: the page loads nothing external.

A domain says where they come from (``images`` in its file). The browser asks for a picture when its card is in view, so
that no turn waits for one; where there is none, the card is as it is without.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from agent.domains.domain import Images
from agent.recommender import Recommender

PATH = "item-images"

ORIGIN_VARIABLE = "CONCIERGE_IMAGE_ORIGIN"
"""Environment variable with a mirror, as http://localhost:9000, that is asked in the place of all sites."""

SECONDS = 5.0
AT_ONCE = 4
"""So long a picture may take, and so many are fetched at a time."""

PAUSE = 60.0
"""Seconds for which nothing is fetched after a site did not answer."""

KEPT_DAYS, MISSING_DAYS = 170, 7
"""So long a picture is kept, and so long it is believed that there is none."""

LARGEST = 2 * 1024 * 1024

_KINDS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
_DAY = 86_400.0
_LOG = logging.getLogger("concierge.service")
# httpx logs whole addresses, and a key may stand in one.
logging.getLogger("httpx").setLevel(logging.WARNING)


def filled(address: str, index: int, catalogue: Catalogue, more: Mapping[str, str] | None = None) -> str | None:
    """``address`` with an item's identifiers and facets for the names in braces; None where one is not known."""
    found = dict(more or {})
    for name in {own for _, own, _, _ in Formatter().parse(address) if own} - set(found):
        value: Any = catalogue.identifiers[name][index] if name in catalogue.identifiers else None
        value = catalogue[index].attributes.get(name) if value is None else value
        if value is None or isinstance(value, tuple) or str(value) in ("", "nan"):
            return None
        found[name] = str(value)
    return address.format(**found)


def image_path(item_id: str, catalogue: Catalogue) -> str | None:
    """Where the page finds an item's picture, relative to its own address; None where pictures are off or unknown."""
    images = images_of(catalogue)
    if images is None or item_id not in catalogue:
        return None
    known = filled(images.lookup or images.address, catalogue.index(item_id), catalogue)
    return None if known is None else f"{PATH}/{quote(item_id, safe='')}"


def images_of(catalogue: Catalogue) -> Images | None:
    """Where pictures come from; None where the domain names no source, or the operator gave no key for it."""
    images = catalogue.domain.images
    if images is None or (images.key and not os.environ.get(images.key)):
        return None
    return images


class ImageStore:
    """Pictures by item, fetched once and kept in ``folder``."""

    def __init__(self, recommender: Recommender, folder: Path | None = None) -> None:
        self._recommender = recommender
        self._folder = folder or cache_dir() / "images"
        self._running: dict[Path, asyncio.Task[bytes | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._away_until = 0.0

    def route(self) -> Route:
        """The route that serves them."""
        return Route(f"/{PATH}/{{item:path}}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        content = await self.picture(request.path_params["item"])
        kind = None if content is None else kind_of(content)
        if content is None or kind is None:
            return Response(status_code=404, headers={"Cache-Control": "private, max-age=600"})
        return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=604800"})

    async def picture(self, item_id: str) -> bytes | None:
        """An item's picture; None where there is none, or none could be had now."""
        catalogue = self._recommender.catalogue
        images = images_of(catalogue)
        if images is None or item_id not in catalogue:
            return None
        index = catalogue.index(item_id)
        first = filled(images.lookup or images.address, index, catalogue)
        if first is None:
            return None
        path = self._folder / hashlib.sha256(f"{first} {images.address}".encode()).hexdigest()[:32]
        known = _kept(path)
        if known is not None:
            return known or None
        if time.monotonic() < self._away_until:
            return None
        task = self._running.get(path)
        if task is None:
            task = self._running[path] = asyncio.create_task(self._fetched(path, first, images, index, catalogue))
            task.add_done_callback(lambda _: self._running.pop(path, None))
        return await asyncio.shield(task)

    async def _fetched(self, path: Path, first: str, images: Images, index: int, catalogue: Catalogue) -> bytes | None:
        try:
            async with self._slots, asyncio.timeout(SECONDS), httpx.AsyncClient(timeout=SECONDS) as client:
                address: str | None = first
                if images.lookup:
                    data = json.loads(await _get(client, first, images) or b"{}")
                    value = data.get(images.field) if isinstance(data, dict) else None
                    told = {images.field: value} if isinstance(value, str) and value else None
                    address = None if told is None else filled(images.address, index, catalogue, told)
                content = b"" if address is None else await _get(client, address) or b""
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            self._away_until = time.monotonic() + PAUSE
            _LOG.warning("pictures: %s does not answer (%s)", httpx.URL(first).host, type(error).__name__)
            return None
        content = content if kind_of(content) is not None else b""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)  # an empty file says that there is no picture
        return content or None


async def _get(client: httpx.AsyncClient, address: str, images: Images | None = None) -> bytes | None:
    """What an address holds, with the key where the site needs one; None where it holds nothing.

    Raises:
        httpx.HTTPError: the site does not answer, refuses the key, or sends too much.
    """
    url, headers = httpx.URL(address), {}
    if url.scheme not in ("http", "https"):
        return None
    key = os.environ.get(images.key, "") if images is not None and images.key else ""
    if images is not None and key and images.parameter and "." not in key:
        url = url.copy_merge_params({images.parameter: key})
    elif key:
        headers["Authorization"] = f"Bearer {key}"
    mirror = os.environ.get(ORIGIN_VARIABLE)
    if mirror:
        other = httpx.URL(mirror)
        url = url.copy_with(scheme=other.scheme, host=other.host, port=other.port)
    content = b""
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code in (404, 410):
            return None
        response.raise_for_status()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > LARGEST:
                return None
    return content


def kind_of(content: bytes) -> str | None:
    """The media type of a picture by its first bytes; None for anything else (an SVG could hold a script)."""
    return next((kind for start, kind in _KINDS if content.startswith(start)), None)


def _kept(path: Path) -> bytes | None:
    """What is kept in a file, empty for none; None where nothing is, or it is too old."""
    try:
        age, content = time.time() - path.stat().st_mtime, path.read_bytes()
    except OSError:
        return None
    return content if age < _DAY * (KEPT_DAYS if content else MISSING_DAYS) else None
