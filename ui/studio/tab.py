"""Studio: the tab where prompt authors edit, try, test, activate and roll back templates."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from html import escape
from typing import Any

import gradio as gr

from agent.data.dataset import load_dataset
from agent.recommender import Recommender
from agent.store.template_serving import OFFLINE_ROLES, ServedTemplates
from agent.store.template_versions import SavedVersion, TemplateTest
from eval.live.experiments import report, running
from eval.policy.template_trial import trial
from prompts import PromptError, Template
from ui.chat.page import Updates
from ui.studio import html
from ui.studio.access import Access, refusal, told
from ui.studio.page import SERVING, StudioPage, file_text
from ui.studio.preview import Preview, Previewer, checked, example_preview, samples

UNSAVED = "unsaved"
"""The version picker's value for text that is not saved yet."""
PROGRESS = gr.Progress()
"""As a default value it tells Gradio to hand each call a bar of its own."""


class CancelledError(Exception):
    """The author wants no more of it."""


class StudioTab:
    """The prompts tab inside the current Blocks, connected; holds no person's state.

    ``authors``: see :class:`ui.studio.access.Access`.
    """

    def __init__(
        self,
        recommender: Recommender,
        served: ServedTemplates,
        store: gr.BrowserState,
        authors: Collection[str] | None = None,
    ) -> None:
        self.recommender = recommender
        self.served = served
        self.templates = served.store
        self.access = Access(authors)
        self.samples = samples(recommender)
        self.previewer = Previewer(recommender)
        self._cancelled: set[str] = set()
        self.page = StudioPage(list(self.samples), accounts=authors is not None)
        self._connect(store)

    def _connect(self, store: gr.BrowserState) -> None:
        page = self.page
        quick: dict[str, Any] = {
            "concurrency_limit": 8, "concurrency_id": "studio", "show_progress": "hidden", "api_visibility": "private",
        }  # fmt: skip
        editing = quick | {"outputs": page.editing}
        page.name.input(self.on_name, [page.name, store], **editing)
        page.version.input(self.on_version, [page.name, page.version, store], **editing)
        page.discard.click(self.on_discard, [page.name, store], **editing)
        page.save.click(
            self.on_save, [page.name, page.version, page.code, page.author, page.note, store],
            **quick | {"outputs": [*page.editing, page.note]},
        )  # fmt: skip
        page.code.input(
            self.on_typing, [page.name, page.version, page.code, store],
            **quick | {"outputs": [page.version], "trigger_mode": "always_last"},
        )  # fmt: skip
        seen = [page.name, page.code, page.sample, page.wish, page.against]
        # One forward pass at a time: a person who types faster sees the result for the latest text.
        live = quick | {"outputs": page.preview, "trigger_mode": "always_last", "concurrency_id": "studio-preview"}
        page.code.change(self.on_change, seen, **live)
        page.wish.change(self.on_change, seen, **live)
        page.against.input(self.on_change, seen, **live)
        page.sample.input(self.on_sample, [page.sample], **quick | {"outputs": [page.wish]})
        serving = quick | {"outputs": [page.version, page.serving]}
        chosen = [page.name, page.version, page.code, page.author, page.note]
        for event in (
            page.activate.click(self.on_activate, chosen, **serving),
            page.share.click(self.on_share, [*chosen, page.weight], **serving),
            page.roll_back.click(self.on_roll_back, [page.name, page.version, page.author, page.note], **serving),
        ):
            event.success(self.on_change, seen, **live | {"trigger_mode": "multiple"})
        page.show_report.click(self.on_report, [page.name], **quick | {"outputs": [page.report]})
        buttons = quick | {"outputs": [page.test, page.cancel]}
        page.test.click(lambda: self._buttons(True), None, **buttons)
        tested = page.test.click(
            self.on_test, [page.name, page.version, page.code, page.author, page.users, page.against, store],
            [page.result, page.earlier],
            concurrency_limit=1, concurrency_id="studio-test", show_progress="full", api_visibility="private",
        )  # fmt: skip
        tested.then(lambda: self._buttons(False), None, **buttons)
        page.run_cases.click(
            self.on_cases, [page.name, page.version, page.code, page.author, store],
            **quick | {"outputs": [page.cases, page.earlier]},
        )  # fmt: skip
        page.cancel.click(self.on_cancel, [store], **quick)

    def open_with(self, tab: gr.Tab, store: gr.BrowserState) -> None:
        """Show the editor's content when its tab is opened, and not before: most visitors only chat."""
        tab.select(
            self.on_open, [self.page.name, self.page.version, self.page.sample, self.page.wish, store],
            [*self.page.editing, self.page.wish],
            concurrency_limit=8, concurrency_id="studio", show_progress="hidden", api_visibility="private",
        )  # fmt: skip

    def on_visit(self, request: gr.Request) -> Any:
        """Only authors see the tab."""
        return gr.update(visible=self.access.allowed(request))

    # What is in the editor

    def on_open(
        self, name: str, version: str | None, sample: str, wish: str, stored: Any, request: gr.Request
    ) -> Updates:
        """The tab was opened: show the template where this person left it."""
        if version:  # not for the first time
            return {**self.on_version(name, version, stored, request), self.page.wish: wish}
        return {**self.on_name(name, stored, request), self.page.wish: self.samples[sample].wish}

    def on_name(self, name: str, stored: Any, request: gr.Request) -> Updates:
        """A template was picked: its unsaved text, if there is some, else the version that serves."""
        owner = self.access.owner(request, stored)
        unsaved = self.templates.unsaved(owner, name)
        if unsaved is not None:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(unsaved.updated))
            shown = self._editing(name, UNSAVED, owner, f"These edits of {when} are not saved yet.")
        else:
            shown = self._editing(name, self._own(name).reference, owner)
        return {**shown, self.page.against: gr.update(choices=self._comparable(name), value="")}

    def on_version(self, name: str, version: str, stored: Any, request: gr.Request) -> Updates:
        """A version was picked."""
        return self._editing(name, version, self.access.owner(request, stored))

    def on_typing(self, name: str, version: str, code: str, stored: Any, request: gr.Request) -> Any:
        """Somebody types: the text is kept, so that a closed page or a restart loses nothing."""
        owner = self.access.owner(request, stored)
        base = self._base(name, version, owner)
        if base is not None and file_text(base.source) == file_text(code):
            return gr.skip()
        self.templates.keep_unsaved(owner, name, code or "", None if base is None else base.version)
        return gr.skip() if version == UNSAVED else self._picker(name, UNSAVED, owner)

    def on_discard(self, name: str, stored: Any, request: gr.Request) -> Updates:
        """Unsaved edits are thrown away."""
        owner = self.access.owner(request, stored)
        base = self._base(name, UNSAVED, owner) or self._own(name)
        self.templates.drop_unsaved(owner, name)
        return self._editing(name, base.reference, owner, "The edits are gone.")

    def on_save(
        self, name: str, version: str, code: str, author: str, note: str, stored: Any, request: gr.Request
    ) -> Updates:
        """The text becomes a version."""
        owner = self.access.owner(request, stored)
        base = self._base(name, version, owner)
        with told():
            draft = checked(file_text(code))
            parent = base.version if base is not None and base.name == draft.name else None  # None: a new name
            saved = self.templates.save(draft.source, self.access.author(request, author), note, parent)
        self.templates.drop_unsaved(owner, name)
        notice = f"{saved.version.reference} is saved as a draft."
        if draft.unused:
            notice += f" It never uses {', '.join(draft.unused)}: write {{{{ {draft.unused[0]} }}}} where it belongs."
        for other in saved.siblings:
            notice += f" {other.author} made {other.reference} from the same version: both are kept, compare them."
        updates = self._editing(saved.version.name, saved.version.reference, owner, notice)
        return {**updates, self.page.note: ""}

    def _editing(self, name: str, version: str, owner: str, notice: str = "") -> Updates:
        unsaved = self.templates.unsaved(owner, name) if version == UNSAVED else None
        with told():
            base = None if unsaved is not None else self.templates.get(version)
        names = list(dict.fromkeys(v.name for v in self.templates.versions()))
        names.sort(key=lambda own: (own != "state", own))
        role = self._current(name).role
        return {
            self.page.name: gr.update(choices=names, value=name),
            self.page.version: self._picker(name, version, owner),
            self.page.against: gr.update(choices=self._comparable(name)),
            self.page.notice: f'<p class="notice" role="status">{escape(notice)}</p>' if notice else "",
            self.page.code: unsaved.source if unsaved is not None else base.source if base is not None else "",
            self.page.viewer: gr.update(visible=role == "state" or (role == "reward" and self.previewer.judges)),
            self.page.measure: gr.update(visible=role == "state"),
            self.page.earlier: self._tests(name),
            self.page.experiment: gr.update(visible=role not in OFFLINE_ROLES),
            self.page.report: "",
            self.page.serving: self._serving(role),
        }

    def _comparable(self, name: str) -> list[tuple[str, str]]:
        return [SERVING, *html.version_labels(self.templates.versions(name), self.served.statuses())]

    def _against(self, name: str, reference: str | None) -> SavedVersion:
        """The version that the editor's text is compared with: the one that was picked, else the one that serves."""
        return self.templates.get(reference) if reference else self._current(name)

    def _picker(self, name: str, version: str, owner: str) -> Any:
        choices = html.version_labels(self.templates.versions(name), self.served.statuses())
        if self.templates.unsaved(owner, name) is not None:
            choices.insert(0, ("Unsaved edits", UNSAVED))
        return gr.update(choices=choices, value=version)

    def _base(self, name: str, version: str, owner: str) -> SavedVersion | None:
        """The saved version that the editor's text started from."""
        if version != UNSAVED:
            return self.templates.get(version)
        unsaved = self.templates.unsaved(owner, name)
        return None if unsaved is None or unsaved.parent is None else self.templates.get(f"{name}@{unsaved.parent}")

    def _own(self, name: str) -> SavedVersion:
        """The version that serves where it is one of this template's, else its newest."""
        current = self._current(name)
        return current if current.name == name else self.templates.get(name)

    def _current(self, name: str) -> SavedVersion:
        """The version of the template's role that serves, the larger one in an experiment."""
        return self.served.find(f"{name}@active")

    # What it does

    def on_sample(self, sample: str) -> str:
        """Another viewer: their own wish comes with them."""
        return self.samples[sample].wish

    def on_change(
        self, name: str, code: str, sample: str, wish: str, against: str | None, request: gr.Request
    ) -> Iterator[Updates]:
        """The text, the viewer or what it is compared with has changed: check it, then show what it does."""
        self.access.check(request)
        page, code = self.page, file_text(code)
        with told():
            active = self._against(name, against)
        updates: Updates = {page.diff: html.diff_html(file_text(active.source), code, active.reference)}
        try:
            draft = checked(code)
        except PromptError as error:
            yield {**updates, page.problem: html.problem_html(error, code), page.gone: html.STALE}
            return
        yield {**updates, page.problem: html.problem_html(None, code)}
        try:
            old = self._preview(active.template, sample, wish)
            new = old if code == file_text(active.source) else self._preview(draft, sample, wish, old)
        except PromptError as error:
            yield {page.problem: html.problem_html(error, code), page.gone: html.STALE}
            return
        if self._against(name, against).reference != active.reference:  # another version took over meanwhile
            yield from self.on_change(name, code, sample, wish, against, request)
            return
        title = active.reference if against else f"Serving: {active.reference}"
        yield {
            page.mine: html.preview_html(new, old, "In the editor"),
            page.theirs: html.preview_html(old, None, title),
            page.gone: html.gone_html(new, old, same_text=code != file_text(active.source) and new.text == old.text),
        }

    def _preview(self, template: Any, sample: str, wish: str, known: Preview | None = None) -> Preview:
        role = template.header.role
        if role == "state":
            return self.previewer.state_preview(template, self.samples[sample], wish, known)
        if role == "reward" and self.previewer.judges:
            return self.previewer.reward_preview(template, self.samples[sample], wish, known)
        return example_preview(template)

    def on_test(
        self,
        name: str,
        version: str,
        code: str,
        author: str,
        users: float,
        against: str | None,
        stored: Any,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Updates:
        """The offline trial of the editor's text against what it is compared with."""
        owner = self.access.owner(request, stored)
        self._cancelled.discard(owner)

        def step(what: str, done: int, of: int) -> None:
            if owner in self._cancelled:
                raise CancelledError
            progress((done, of), desc=what.capitalize())

        with told():
            draft, active = checked(file_text(code)), self._against(name, against)
            if all(self.previewer.alike(draft, active.template, own) for own in self.samples.values()):
                return {self.page.result: html.nothing_to_test(active.reference)}
            dataset = load_dataset(self.recommender.catalogue.name)
            try:
                (found,) = trial(dataset, self.recommender.policy, [draft], active.template, int(users), step)
            except CancelledError:
                return {self.page.result: '<p class="quiet" role="status">Cancelled.</p>'}
        differences = {
            row.metric: [row.candidate.mean, row.against.mean, *asdict(row.difference).values()] for row in found.rows
        }
        figures = {"users": found.users, "metrics": differences}
        earlier = self._kept(
            name, version, draft, owner, self.access.author(request, author), figures, active.reference
        )
        return {self.page.result: html.trial_html(found, "In the editor", active.reference), self.page.earlier: earlier}

    def on_cases(self, name: str, version: str, code: str, author: str, stored: Any, request: gr.Request) -> Updates:
        """The examples of the editor's text that say which picks they expect."""
        owner = self.access.owner(request, stored)
        with told():
            draft = checked(file_text(code))
            cases = self.previewer.cases(draft)
        figures = {"failed": [own.name for own in cases if own.missing], "of": len(cases)}
        earlier = self._kept(name, version, draft, owner, self.access.author(request, author), figures)
        return {self.page.cases: html.cases_html(cases), self.page.earlier: earlier}

    def _kept(
        self,
        name: str,
        version: str,
        draft: Template,
        owner: str,
        author: str,
        figures: dict[str, Any],
        against: str = "",
    ) -> str:
        """Keep what a test came to; all tests of the template, to be shown."""
        base = self._base(name, version, owner)
        started = "" if base is None else base.reference
        kind = "users" if against else "cases"
        self.templates.keep_test(name, TemplateTest(kind, started, draft.hash, against, author, time.time(), figures))
        return self._tests(name)

    def _tests(self, name: str) -> str:
        saved = {version.hash: version.reference for version in self.templates.versions(name)}
        return html.tests_html(self.templates.tests(name), saved)

    def on_cancel(self, stored: Any, request: gr.Request) -> None:
        """The trial of this author ends at its next step."""
        self._cancelled.add(self.access.owner(request, stored))

    def _buttons(self, testing: bool) -> Updates:
        return {self.page.test: gr.update(visible=not testing), self.page.cancel: gr.update(visible=testing)}

    # What serves

    def _saved(self, version: str, code: str) -> SavedVersion:
        if version == UNSAVED or file_text(self.templates.get(version).source) != file_text(code):
            raise refusal("Save the edits first: only a saved version can serve.")
        return self.templates.get(version)

    def on_activate(self, name: str, version: str, code: str, author: str, note: str, request: gr.Request) -> Updates:
        """The version in the editor serves from now on."""
        with told():
            chosen = self._saved(version, code)
            self.served.activate(chosen.reference, self.access.author(request, author), note)
        return self._after(chosen)

    def on_share(
        self, name: str, version: str, code: str, author: str, note: str, weight: float, request: gr.Request
    ) -> Updates:
        """The version in the editor shares the conversations with the one that serves."""
        with told():
            chosen = self._saved(version, code)
            by = self.access.author(request, author)
            self.served.experiment(self._current(name).reference, chosen.reference, weight / 100, by, note)
        return self._after(chosen)

    def on_roll_back(self, name: str, version: str, author: str, note: str, request: gr.Request) -> Updates:
        """What served before serves again."""
        with told():
            role = self._current(name).role
            self.served.roll_back(role, self.access.author(request, author), note)
        if version == UNSAVED:
            return {self.page.serving: self._serving(role)}
        return self._after(self.templates.get(version))

    def on_report(self, name: str, request: gr.Request) -> str:
        """What people did while an experiment runs with each of its versions; else with all that ever served."""
        self.access.check(request)
        with told():
            role = self._current(name).role
            since, hashes = running(self.served, role)
            found = report(self.templates.log, since, hashes, self.served, role)
        return html.report_html(found, since, self.served.current(role))

    def _after(self, shown: SavedVersion) -> Updates:
        labels = html.version_labels(self.templates.versions(shown.name), self.served.statuses())
        picker = gr.update(choices=labels, value=shown.reference)
        return {self.page.version: picker, self.page.serving: self._serving(shown.role)}

    def _serving(self, role: str) -> str:
        return html.serving_html(self.served.current(role), self.served.active(role), self.served.history(role))
