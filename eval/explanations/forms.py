"""Forms: the product's own sentences as a grammar, each with what judges it.

A sentence that no form reads counts as not verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from eval.explanations import judges
from eval.explanations.judges import COUNTS, Said

_T = r"“(?P<title>[^”]*)”"
_P = r"(?:under 1%|over 99%|\d+%)"


@dataclass(frozen=True)
class Checked:
    """One sentence, the name of its form ("" where none reads it), and whether the data bears it out."""

    text: str
    form: str
    true: bool


Form = tuple[str, str, Callable[[re.Match[str], Said], bool]]


def check(text: str, said: Said) -> list[Checked]:
    """Every sentence of ``text`` with its verdict; what no form reads is cut at the next full stop."""
    found, rest = [], text.strip()
    while rest:
        for name, expression, judge in FORMS:
            match = re.match(rf"{expression}(?: |$)", rest)
            if match:
                found.append(Checked(match.group().strip(), name, bool(judge(match, said))))
                break
        else:
            match = re.match(r".*?(?:[.!?](?: |$)|$)", rest) or re.match(".*", rest)
            assert match is not None
            found.append(Checked(match.group().strip(), "", False))
        rest = rest[max(1, match.end()) :].strip()
    return found


_NUMBER = rf"(?P<count>{'|'.join(COUNTS)}|\d+)"
_LIST = r"(?P<list>“.*?”)"
_KINDS = r"(?P<kinds>(?:an?|the) [^.“]+?)"
_YEAR = r"(?: from (?P<year>\d{4}))?"
_LIKED = r"(?:Picked because you liked|It goes back to your liking|You liked)"
_WATCHED = r"(?:Picked because you watched|It goes back to your watching|You watched)"
_FITS = r"(?:Your words point to it: it is|It fits your words:|Your wish sounds like it:)"
_OPENING = r"(?:Here are|Try these|I picked|Here is|I know only)"
_FOR_WHOM = r"(?: that your words point to| for your taste| that many people like)?"
FORMS: tuple[Form, ...] = (
    ("named", rf"Close to {_LIST}, which you named\.", judges.examples),
    ("liked", rf"{_LIKED} {_LIST}(?:, which speaks? for it)?\.", judges.was_liked),
    ("watched", rf"{_WATCHED} {_LIST}(?:, which speaks? for it)?\.", judges.was_watched),
    ("match", rf"{_FITS} {_KINDS}\.", judges.of_kinds),
    ("asked", r"It is from (?P<year>\d{4}), as you asked\.", judges.as_asked),
    (
        "asked",
        rf"(?:It is|As you asked, it is) {_KINDS}(?: and)?{_YEAR}(?:, as you asked|, which you asked for)?\.",
        judges.as_asked,
    ),
    ("stars", r"(?P<viewers>\d+) viewers? gives? it (?P<stars>[\d.]+) stars(?: on average)?\.", judges.starred),
    ("stars", r"It averages (?P<stars>[\d.]+) stars from (?P<viewers>\d+) viewers\.", judges.starred),
    ("stars", r"(?P<stars>[\d.]+) stars on average, from (?P<viewers>\d+) viewers\.", judges.starred),
    (
        "found",
        rf"{_OPENING} {_NUMBER} (?P<wish>.+?)(?:, close to (?P<like>“.*?”))?{_FOR_WHOM}\.",
        judges.slate_found,
    ),
    (
        "relaxed",
        rf"I know no (?P<wish>.+?) that you have not seen; the closest (?:is|are) {_NUMBER} (?P<closest>.+?)\.",
        judges.slate_relaxed,
    ),
    ("none", r"I know no (?P<wish>.+?) that you have not seen\. Take one of .*? again\.", judges.no_such),
    ("rejected", r"All right, not .*?\.", judges.nothing_to_check),
    ("rejected", r"All right, none of those\.", judges.nothing_to_check),
    ("unchecked", r"My data cannot check .*? only\.", judges.nothing_to_check),
    ("question", r"Would .*? suit you best\?", judges.nothing_to_check),
    ("question", r"From which time: .*?\?", judges.nothing_to_check),
    ("question", r"Rather .*?\?", judges.nothing_to_check),
    ("missing", r"My data does not say .*?\.", judges.nothing_to_check),
    (
        "better",
        rf"For you I would pick {_T}: (?P<share>{_P}) against (?P<rest>{_P}) for “(?P<other>[^”]*)”\.",
        judges.preferred,
    ),
    (
        "even",
        rf"For you {_T} and “(?P<other>[^”]*)” come out even, at (?P<share>{_P}) and (?P<rest>{_P})\.",
        judges.preferred,
    ),
    ("carries", rf"What speaks for “[^”]*”: you liked {_LIST}\.", judges.was_liked),
    ("place", rf"{_T} stands (?P<place>\w+), with (?P<share>{_P}) of the probability\.", judges.placed),
    (
        "factor",
        r"(?:That you (?:liked|watched|named) (?P<list>“.*?”)|Your words) made it (?P<factor>[\d.]+) times "
        r"(?P<way>likelier|less likely)\.",
        judges.weighed,
    ),
    ("excluded", rf"{_T} is (?P<fact>.+?), and you asked for (?P<wish>.+?)\.", judges.was_excluded),
    ("seen", rf"You (?:have seen|said that you (?:do not )?like) {_T}, so I leave it out\.", judges.known),
    ("seen", rf"I showed {_T} a moment ago, so I left it out this time\.", judges.shown_before),
    ("shown", rf"{_T} is among those I show: it stands (?P<place>\w+)\.", judges.placed),
    (
        "rank",
        rf"{_T} is number (?P<rank>\d+) of the (?P<total>[\d,]+) that fit, with (?P<share>{_P}) of the probability\.",
        judges.ranked,
    ),
    ("item", rf"{_T} is {_KINDS}{_YEAR}\.", judges.described),
    ("item", rf"{_T} is (?:from (?P<year>\d{{4}})|in my catalogue)\.", judges.described),
    ("yours", r"You gave it (?P<stars>[\d.]+) stars\.", judges.own_stars),
    ("change", r"Ask for more, and it comes (?P<place>\w+)\.", judges.would_change),
    (
        "change",
        r"(?:Say|Ask for|If you liked) “[^”]*”,(?: and)? it would be (?P<place>\w+)\.",
        judges.would_change,
    ),
    ("no change", r"I found no single change that would bring it up\.", judges.nothing_to_check),
    (
        "taste",
        rf"You (?P<verb>go|care less) for (?P<wish>.+?): (?P<share>{_P}) of what you like, against (?P<rest>{_P}) of "
        r"what everybody likes\.",
        judges.leans,
    ),
    ("films", rf"{_LIST} shows? it best\.", judges.was_liked),
    ("films", rf"I know that you liked {_LIST}\.", judges.was_liked),
    ("times", r"Most of what you like is from (?P<list>[^.]+)\.", judges.of_times),
    ("wish", r"Right now you want (?P<wish>.+?)\.", judges.nothing_to_check),
    ("unknown", r"I know too little of you yet\. .*? idea\.", judges.nothing_to_check),
    ("plain", r"(?P<genres>[A-Z][^.\d]*?)(?:, (?P<year>\d{4}))?\.", judges.plainly),
)
"""The forms of sentences, the more particular first: name, expression, judge."""
