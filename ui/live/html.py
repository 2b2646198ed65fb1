"""Live HTML: the figures of the feedback log as cards and as a table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape

from agent.records.conversation import Conversation
from eval.live.figures import METRICS, Figures, LiveMetrics, Session
from eval.live.policies import PolicyResults, in_words
from eval.metrics import Interval
from ui.chat.panel import button
from ui.chat.transcript import message_html

LISTED = 100
"""At most so many conversations are listed at once."""
NOBODY = "Nothing was shown yet: as soon as somebody chats, the figures stand here."
NOT_LATELY = "Nothing was shown in that time: choose a longer one."


def summary_html(found: LiveMetrics, limited: bool) -> str:
    """One card a figure, over all of the time; ``limited``: older conversations are left out."""
    total = found.total
    if total is None:
        return f'<p class="live-empty" role="status">{NOT_LATELY if limited else NOBODY}</p>'
    cards = []
    for name, about in METRICS.items():
        value = total.metrics[name]
        cards.append(
            f"<li><h2>{_name(name)}</h2><p><b>{_mean(name, value)}</b> {_ends(name, value)}</p><p>{about}</p></li>"
        )
    counts = (
        f"{_count(total.conversations, 'conversation')}, {_count(total.slates, 'slate')}, "
        f"{_count(total.items, 'item')} shown, {_count(total.reactions, 'reaction')}. In brackets 95 % intervals, by "
        "drawing whole conversations."
    )
    all_of_them = button("period", "all", "Show the conversations", "Show the conversations behind these figures")
    return f'<ul class="live-cards">{"".join(cards)}</ul><p class="quiet">{counts} {all_of_them}</p>'


def policies_html(found: PolicyResults) -> str:
    """Two versions of the policy side by side, and what follows."""
    rows = "".join(f"<li>{escape(line)}</li>" for line in in_words(found))
    title = "Two versions of the policy share the people"
    return f'<section aria-label="Experiment"><h3>{title}</h3><ul>{rows}</ul></section>'


def sessions_html(found: Sequence[Session], titles: Mapping[str, str]) -> str:
    """The conversations behind a figure; those without a title were deleted since."""
    rows = []
    for own in found[:LISTED]:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(own.start))
        title = titles.get(own.conversation)
        name = "deleted by its owner" if title is None else title
        opener = (
            escape(name) if title is None else button("show", own.conversation, name, f"Show the chat: {name}", "row")
        )
        numbers = (own.slates, own.items, own.clicks, own.reactions)
        cells = "".join(f"<td>{number:,}</td>" for number in numbers)
        rows.append(f"<tr><th scope=row>{opener}</th><td>{when}</td>{cells}</tr>")
    heads = ("Conversation", "First slate (UTC)", "Slates", "Items", "Clicks", "Reactions")
    head = "".join(f"<th scope=col>{own}</th>" for own in heads)
    more = f", the latest {LISTED} listed" if len(found) > LISTED else ""
    return (
        f'<h3>{_count(len(found), "conversation")}{more}</h3><div class="figures"><table aria-label="Conversations">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def conversation_html(conversation: Conversation) -> str:
    """A transcript to read: messages, and the names of the items that were shown."""
    rows = []
    for message in conversation.messages:
        rows.append(message_html(message.role, message.content))
        if message.answer is not None and message.answer.items:
            names = "".join(f"<li>{escape(item.name)}</li>" for item in message.answer.items)
            rows.append(f"<ol>{names}</ol>")
    return f'<h3>{escape(conversation.title)}</h3><div class="thread">{"".join(rows)}</div>'


def table_html(found: LiveMetrics) -> str:
    """The same by period."""
    if found.total is None:
        return ""
    head = "".join(f"<th scope=col>{_name(name)}</th>" for name in METRICS)
    rows = "".join(_row(own, found.by) for own in reversed(found.periods))
    about = f"By {found.by} (UTC), the latest first. A conversation counts whole in the {found.by} of its first slate."
    columns = f"<th scope=col>{found.by.capitalize()}</th><th scope=col>Chats</th>{head}"
    return (
        f'<p class="quiet">{about}</p><div class="figures"><table aria-label="By {found.by}">'
        f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(own: Figures, by: str) -> str:
    start = own.start[:16].replace("T", " ") if by == "hour" else own.start[:10]
    start = button("period", own.start, start, f"Show the conversations of {start}", "row")
    cells = "".join(
        f"<td>{_mean(name, own.metrics[name])}<small>{_ends(name, own.metrics[name])}</small></td>" for name in METRICS
    )
    return f"<tr><th scope=row>{start}</th><td>{own.conversations:,}</td>{cells}</tr>"


def _name(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(name: str, value: float) -> str:
    return f"{value:.1f}" if name.startswith("session") else f"{value:.0%}"


def _mean(name: str, value: Interval | None) -> str:
    return "–" if value is None else _shown(name, value.mean)


def _ends(name: str, value: Interval | None) -> str:
    return "" if value is None else f"[{_shown(name, value.low)}, {_shown(name, value.high)}]"
