"""Keeping: what a chat tells of a person's taste, taken over into the profile that outlives it, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import plain_number
from agent.dialogue.state import Judgement
from agent.records.acts import Later
from agent.records.conversation import Conversation, Pressed, Said
from agent.store.profiles import Profile
from ui.chat.cards import links_html, name_of
from ui.chat.panel import button

Judgements = Mapping[int, Judgement]

GROUPS = {"liked": "You like", "disliked": "You don't like", "rated": "You rated", "seen": "You have {done}"}


def learned(profile: Profile, before: Judgements, after: Judgements, catalogue: Catalogue) -> Profile:
    """The profile with what changed between two states of a chat."""
    changed = [item for item in {**before, **after} if before.get(item) != after.get(item)]
    presses = [press for item in changed if item in after for press in _presses(item, after[item], catalogue)]
    return profile.with_taste((catalogue[item].item_id for item in changed), presses)


def _presses(item: int, own: Judgement, catalogue: Catalogue) -> Iterator[Pressed]:
    item_id = catalogue[item].item_id
    if own.rating is not None:
        yield Pressed(item_id, "rated", own.rating)
        return
    if own.opinion in ("liked", "disliked"):
        yield Pressed(item_id, own.opinion)
    if own.seen:
        yield Pressed(item_id, "seen")


def put_aside(profile: Profile, conversation: Conversation) -> Profile:
    """The profile with the list for later as the latest message wants it."""
    said = next((own for own in reversed(conversation.events) if isinstance(own, Said)), None)
    for act in said.acts if said is not None else ():
        if said is not None and isinstance(act, Later) and act.kind != "show":
            for item in act.items:
                profile = profile.with_saved(said.ids[item], act.kind == "add")
    return profile


def profile_html(profile: Profile, catalogue: Catalogue) -> str:
    """All that is kept, each with a button that forgets it."""
    sections = []
    for kind, head in GROUPS.items():
        chips = []
        for own in profile.taste:
            if own.kind == kind:
                grade = f" · {plain_number(own.value)} of 5" if own.value is not None else ""
                name = name_of(own.item_id, catalogue)
                chips.append(button("forget", own.item_id, f"{name}{grade}", f"No longer keep {name}"))
        if chips:
            text = escape(head.format(done=catalogue.domain.verbs.done))
            sections.append(f"<h3>{text}</h3><div class='chips'>{''.join(chips)}</div>")
    if not sections:
        text = "Nothing is kept yet." if profile.keeps else "Nothing is kept: each chat begins without the others."
        return f'<p class="quiet">{text}</p>'
    return f'<section class="beliefs" aria-label="What is kept across chats">{"".join(sections)}</section>'


def saved_html(profile: Profile, catalogue: Catalogue) -> str:
    """The list of items for later, the latest first."""
    later = catalogue.domain.later
    if not profile.saved:
        one = catalogue.domain.nouns.any
        return f'<p class="quiet">Empty. The button “{escape(later.capitalize())}” of {escape(one)} puts it here.</p>'
    rows = []
    for item_id in reversed(profile.saved):
        name = name_of(item_id, catalogue)
        links = links_html(item_id, catalogue)
        rows.append(
            f'<li><span class="row">{escape(name)}{f" <small>{links}</small>" if links else ""}</span>'
            f"{button('unsave', item_id, '×', f'Remove from {later}: {name}', 'remove')}</li>"
        )
    return f'<ul class="chats" aria-label="{escape(later.capitalize())}">{"".join(rows)}</ul>'


def profile_json(profile: Profile, catalogue: Catalogue) -> dict[str, Any]:
    """The profile as a file of the person's own: with names beside the ids."""

    def named(item_id: str) -> dict[str, Any]:
        return {"item_id": item_id, "name": name_of(item_id, catalogue)}

    taste = [
        {**named(own.item_id), "kind": own.kind, **({} if own.value is None else {"rating": own.value})}
        for own in profile.taste
    ]
    return {"catalogue": catalogue.name, "taste": taste, "saved": [named(own) for own in profile.saved]}
