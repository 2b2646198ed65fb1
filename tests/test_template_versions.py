"""Saved versions of templates: kept for good, one active a role, experiments, roll back, files, two authors at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import prompts
from agent.store.feedback import FeedbackLog
from agent.store.template_files import INDEX, export_versions, import_versions
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import PRODUCT, TemplateError, TemplateStore
from prompts import IsolatedTemplate, PromptError


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield log


@pytest.fixture
def store(log: FeedbackLog) -> TemplateStore:
    return TemplateStore(log)


@pytest.fixture
def served(store: TemplateStore) -> ServedTemplates:
    return ServedTemplates(store)


def edit(old: str, new: str, name: str = "state") -> str:
    """The shipped template with one change."""
    source = prompts.load(name).source
    assert old in source
    return source.replace(old, new)


ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
TOKENS = ("history|rated", "history|tokens")


def test_the_products_templates_are_the_first_versions(store: TemplateStore, log: FeedbackLog) -> None:
    shipped = store.get("state@1")
    assert (shipped.author, shipped.parent, shipped.role) == (PRODUCT, None, "state")
    assert shipped.source == prompts.load("state").source
    assert shipped.hash == shipped.origin == prompts.load("state").hash
    assert not isinstance(shipped.template, IsolatedTemplate)
    assert store.versions() == TemplateStore(log).versions(), "opening it again adds nothing"


def test_an_edit_becomes_an_immutable_version(store: TemplateStore, log: FeedbackLog) -> None:
    saved = store.save(edit(*TOKENS), "ann", "no  ratings\n", parent=1)
    assert saved.siblings == ()
    version = saved.version
    assert (version.reference, version.parent, version.author, version.note) == ("state@2", 1, "ann", "no ratings")
    assert version.template.version == 2
    assert version.template.hash == version.hash
    assert isinstance(version.template, IsolatedTemplate), "what a person wrote is rendered in the other process"
    rendered = version.template.render(history=[{"token": "<item_50>", "rating": 5}])
    assert rendered.messages[-1]["content"] == "Watched:<item_50>\nNext:"
    assert (rendered.version, rendered.hash) == (2, version.hash)
    assert store.get("state") == store.get("state@2") == version
    with sqlite3.connect(log.path) as raw:
        for statement in (
            "UPDATE template_version SET source = 'x'",
            "DELETE FROM template_version",
            "REPLACE INTO template_version SELECT * FROM template_version",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (edit("history|rated", "histroy|rated"), PromptError, "'histroy' is not declared under inputs"),
        (edit("role: state", "role: stat"), PromptError, "unknown role 'stat'"),
        (prompts.load("state").source, TemplateError, "nothing has changed since state@1"),
        (edit("Watched:", ENDLESS), PromptError, "takes longer"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved(store: TemplateStore, source: str, error: type[Exception], message: str) -> None:
    before = store.versions()
    with pytest.raises(error, match=message):
        store.save(source, "ann", parent=1)
    assert store.versions() == before


def test_author_parent_and_role_are_checked(store: TemplateStore) -> None:
    with pytest.raises(TemplateError, match="needs an author"):
        store.save(edit(*TOKENS), " ")
    with pytest.raises(TemplateError, match="no version 7 to start from: there is 1"):
        store.save(edit(*TOKENS), "ann", parent=7)
    other = edit("role: state", "role: reply").replace("name: state", "name: other")
    store.save(other, "ann")
    with pytest.raises(TemplateError, match="has the role 'reply'"):
        store.save(edit("name: state", "name: other"), "ann")
    with pytest.raises(TemplateError, match="no template 'stat' in pack 'movies'"):
        store.get("stat@1")
    with pytest.raises(TemplateError, match="'state' has no version '9': there is 1"):
        store.get("state@9")


def test_a_version_is_found_by_the_library(store: TemplateStore) -> None:
    store.save(edit(*TOKENS), "ann", parent=1)
    with pytest.raises(PromptError, match="no version '2'"):
        prompts.load("state@2")
    prompts.attach(store)
    try:
        assert "history|tokens" in prompts.load("state@2").source
        assert prompts.load("state").version == 1, "a bare name is the product's file: training is reproducible"
        with pytest.raises(PromptError, match="no version '3'"):
            prompts.load("state@3")
    finally:
        prompts.attach(None)


def test_two_authors_at_once_lose_nothing(log: FeedbackLog) -> None:
    def work(author: str) -> None:
        own = TemplateStore(FeedbackLog(log.path))
        ready.wait()
        for turn in range(5):
            own.save(edit("Watched:", f"Seen by {author} {turn}:"), author, parent=1)

    ready = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(author,)) for author in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    edits = [version for version in TemplateStore(log).versions("state") if version.origin is None]
    assert [version.version for version in edits] == list(range(2, 12))
    assert {version.parent for version in edits} == {1}
    texts = {f"Seen by {author} {turn}:" for author in ("ann", "bob") for turn in range(5)}
    assert {text for text in texts for version in edits if text in version.source} == texts


def test_a_fork_is_reported(store: TemplateStore) -> None:
    ann = store.save(edit(*TOKENS), "ann", parent=1)
    bob = store.save(edit("Wish:", "Wants:"), "bob", parent=1)
    assert [sibling.reference for sibling in bob.siblings] == [ann.version.reference]
    next_one = store.save(edit("Wish:", "Asks:"), "bob", parent=bob.version.version)
    assert next_one.siblings == ()


def test_activate_retire_and_roll_back(store: TemplateStore, served: ServedTemplates) -> None:
    for text in ("Seen:", "Had:"):
        store.save(edit("Watched:", text), "ann", parent=1)
    assert served.template("state", "c") is None, "the product's own serves"
    assert served.find("state@active").reference == "state@1"
    served.activate("state@2", "ann", "try")
    assert served.template("state", "c") == store.get("state@2").template
    served.activate("state@3", "ann")
    assert {name: served.statuses()[name] for name in ("state@1", "state@2", "state@3")} == {
        "state@1": "retired", "state@2": "retired", "state@3": "active",
    }  # fmt: skip
    with pytest.raises(TemplateError, match="state@3 serves already"):
        served.activate("state@3", "ann")
    assert served.roll_back("state", "bob").shares[0].reference == "state@2"
    assert served.find("state@active").reference == "state@2"
    assert served.roll_back("state", "bob").shares == ()
    assert served.template("state", "c") is None
    with pytest.raises(TemplateError, match="nothing to roll back"):
        served.roll_back("state", "bob")
    assert [step.action for step in served.history("state")] == ["activate", "activate", "roll back", "roll back"]
    assert served.statuses()["state@3"] == "retired"
    served.activate("state@3", "ann")
    assert served.roll_back("state", "ann").shares == ()


def test_an_experiment_splits_the_conversations_and_each_stays(store: TemplateStore, served: ServedTemplates) -> None:
    store.save(edit(*TOKENS), "ann", parent=1)
    serving = served.experiment("state@1", "state@2", 0.25, "ann")
    names = [f"conversation-{n}" for n in range(2000)]
    first = [serving.share_of(name) for name in names]
    assert first == [served.current("state").share_of(name) for name in names]
    got = sum(share is not None and share.version == 2 for share in first) / len(names)
    assert abs(got - 0.25) < 4 * (0.25 * 0.75 / len(names)) ** 0.5
    assert [version.reference for version in served.active("state")] == ["state@1", "state@2"]
    assert served.find("state@active").reference == "state@1"
    served.activate("state@2", "ann")
    assert len(served.roll_back("state", "ann").shares) == 2, "back to the experiment"


@pytest.mark.parametrize(
    ("first", "second", "weight", "message"),
    [
        ("state@1", "state@1", 0.5, "given twice"),
        ("state@1", "state@2", 1.0, "between 0 and 1"),
        ("state@1", "other@1", 0.5, "of role 'reply'"),
        ("reward@1", "reward@2", 0.5, "no chat reads templates of role 'reward'"),
    ],
)
def test_experiments_that_cannot_be(
    store: TemplateStore, served: ServedTemplates, first: str, second: str, weight: float, message: str
) -> None:
    store.save(edit(*TOKENS), "ann", parent=1)
    store.save(edit("Liked:", "Loved:", "reward"), "ann", parent=1)
    store.save(edit("role: state", "role: reply").replace("name: state", "name: other"), "ann")
    with pytest.raises(TemplateError, match=message):
        served.experiment(first, second, weight, "ann")


def test_files_go_round_exactly(store: TemplateStore, tmp_path: Path) -> None:
    source = edit("Wish:", "Wünscht 🎬:") + "\n\n"
    store.save(source, "ann", "a wish", parent=1)
    store.save(edit(*TOKENS), "bob", parent=2)
    chosen = store.versions("state")
    files = export_versions(chosen, tmp_path / "out")
    assert [file.name for file in files] == ["state@1.j2", "state@2.j2", "state@3.j2"]
    assert [prompts.read(file).hash for file in files] == [version.hash for version in chosen]
    with FeedbackLog(tmp_path / "other.db") as log:
        other = TemplateStore(log)
        adopted = import_versions(other, tmp_path / "out", "carl")
        assert [version for _, version in adopted[1:]] == chosen[1:], "author, note, time and parent too"
        assert [version.source for version in other.versions("state")] == [version.source for version in chosen]
        assert import_versions(other, tmp_path / "out", "carl") == adopted, "a second time changes nothing"
        assert len(other.versions("state")) == 3
    again = export_versions(chosen, tmp_path / "out")
    assert again == files
    files[1].write_text("else", encoding="utf-8")
    with pytest.raises(TemplateError, match="holds something else"):
        export_versions(chosen, tmp_path / "out")


def test_a_file_whose_number_is_taken_gets_the_next(store: TemplateStore, tmp_path: Path) -> None:
    store.save(edit(*TOKENS), "ann", parent=1)
    file = tmp_path / "state@2.j2"
    file.write_text(prompts.renumbered(edit("Wish:", "Wants:"), 2), encoding="utf-8")
    (adopted,) = import_versions(store, file, "carl")
    assert (adopted.version.reference, adopted.version.author) == ("state@3", "carl")
    assert "Wants:" in store.get("state@3").source
    assert "history|tokens" in store.get("state@2").source
    (tmp_path / INDEX).write_text("[1]", encoding="utf-8")
    with pytest.raises(TemplateError, match="damaged"):
        import_versions(store, file, "carl")


def test_unsaved_text_is_kept_by_owner_and_survives(store: TemplateStore, log: FeedbackLog) -> None:
    store.keep_unsaved("ann", "state", "half a templ", 1)
    store.keep_unsaved("ann", "state", "half a template {{", 1)
    store.keep_unsaved("bob", "state", "bob's", None)
    log.close()
    with FeedbackLog(log.path) as reopened:
        store = TemplateStore(reopened)
        found = store.unsaved("ann", "state")
        assert found is not None
        assert found[:2] == ("half a template {{", 1)
        store.drop_unsaved("ann", "state")
        assert store.unsaved("ann", "state") is None
        assert store.unsaved("bob", "state") is not None


def test_a_later_release_never_takes_an_authors_number(
    store: TemplateStore, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = store.save(edit(*TOKENS), "ann", parent=1).version
    source = prompts.renumbered(edit("Wish:", "Wants:"), 2)
    new = prompts.parse(source, "state.j2")
    shelf = prompts.shelf
    monkeypatch.setattr(prompts, "shelf", lambda pack: (*shelf(pack), new) if pack == "movies" else shelf(pack))
    upgraded = TemplateStore(log)
    assert upgraded.get("state@2") == edited
    shipped = upgraded.get("state@3")
    assert (shipped.origin, shipped.author) == (new.hash, PRODUCT)
    assert "Wants:" in shipped.source
    assert TemplateStore(log).versions() == upgraded.versions()
    assert [version.reference for version in ServedTemplates(upgraded).active("state")] == ["state@3"]
