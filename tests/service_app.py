"""The service over the test suite's recommender, with a store of its own."""

from __future__ import annotations

import copy
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from agent.service.access import Gate
from agent.service.assembly import build_application
from agent.service.catalogue_service import CatalogueService
from agent.service.chat_completions import add_chat_completions
from agent.service.client import Concierge
from agent.service.facade import Facade
from agent.service.http import Service, build_http
from agent.service.workers import Workers
from agent.store.api_keys import KeyStore
from agent.store.feedback import FeedbackLog

if TYPE_CHECKING:
    from agent.recommender import Recommender

LOOPBACK = "http://127.0.0.1"


@dataclass
class Running:
    """The service as a test sees it: over HTTP (``http``), by its client (``concierge``), and its parts."""

    app: FastAPI
    service: Service
    http: TestClient
    log: FeedbackLog
    keys: KeyStore

    @property
    def concierge(self) -> Concierge:
        """A client on this machine without a key."""
        return Concierge(LOOPBACK, client=cast(Any, self.http))

    def remote(self) -> TestClient:
        """Requests from another machine."""
        return TestClient(self.app, base_url="http://recommender.example", client=("203.0.113.9", 5000))


@contextmanager
def serving(recommender: Recommender, folder: Path, waiting: int = 32) -> Iterator[Running]:
    """The service over ``recommender``, with its store in ``folder``."""
    with FeedbackLog(folder / "feedback.db") as log:
        own = copy.copy(recommender)
        own.log = log
        keys = KeyStore(log.engine)
        catalogue = CatalogueService(Facade(own), log)
        service = Service({catalogue.name: catalogue}, Gate(keys), Workers(2, waiting))
        app = build_http(service)
        add_chat_completions(app, service)
        with TestClient(app, base_url=LOOPBACK, client=("127.0.0.1", 5000)) as http:
            yield Running(app, service, http, log, keys)
        recommender.catalogue.withdraw(())


@contextmanager
def listening(running: Running) -> Iterator[str]:
    """The whole application on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        config = uvicorn.Config(build_application(running.service), log_config=None, lifespan="on", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
