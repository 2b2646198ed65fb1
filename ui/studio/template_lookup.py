"""Template lookup: what a person names on the command line, found among files and saved versions."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import prompts
from prompts import IsolatedTemplate, PromptError, Template

if TYPE_CHECKING:
    from agent.store.template_serving import ServedTemplates


@contextmanager
def served_templates(pack: str = prompts.DEFAULT_PACK) -> Iterator[ServedTemplates]:
    """The saved versions of a pack and what serves; makes the database where there is none."""
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from agent.store.template_serving import ServedTemplates
    from agent.store.template_versions import TemplateStore

    if pack not in prompts.packs():
        raise PromptError(f"unknown pack {pack!r}: use one of {', '.join(prompts.packs())}")
    with FeedbackLog(store_place()) as log:
        yield ServedTemplates(TemplateStore(log, pack))


def _begun() -> bool:
    """Whether there is a database already that may hold saved versions."""
    from agent.store.database import store_place

    place = store_place()
    return not isinstance(place, Path) or place.exists()


class SavedTemplates:
    """The saved versions behind :func:`prompts.load`; the database is opened when a version is asked for."""

    def find(self, name: str, version: int, pack: str) -> Template | None:
        """The version of that name, or None where there is none."""
        if not _begun() or pack not in prompts.packs():
            return None
        with served_templates(pack) as served:
            return served.store.find(name, version, pack)


def find_template(which: str, pack: str = prompts.DEFAULT_PACK) -> Template:
    """A template by what it goes by: ``my/state.j2``, ``state``, ``state@3`` or ``state@active``.

    A bare name is the product's own file. Files that do not come with the product, and saved versions that people
    wrote, are rendered in the isolated process.

    Raises:
        PromptError, TemplateError: there is none, or it is wrong.
    """
    if which.endswith(".j2"):
        path = Path(which)
        template = prompts.read(path)
        return template if path.resolve().is_relative_to(prompts.FOLDER) else IsolatedTemplate.of(template)
    name, _, wanted = which.partition("@")
    known = name in prompts.names(pack) if pack in prompts.packs() else True
    if not _begun() or (known and not wanted):
        return prompts.load(name if wanted == "active" else which, pack=pack)
    with served_templates(pack) as served:
        if not served.store.versions(name):
            return prompts.load(which, pack=pack)  # which says what there is
        return served.find(which).template


def person() -> str:
    """The author of an edit made from a terminal, unless another is named: the system's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
