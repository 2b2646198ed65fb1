"""Topics: whether a message opens a new topic or refines the one that stands, and what of it is let go."""

from __future__ import annotations

import re

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.columns import NumberColumn
from agent.domains.domain import ANY_LABEL, RATING
from agent.records.conditions import Conditions
from agent.understanding.reading import Wishes

_ANY = (
    r"(?:any|whatever|whichever|all|every|different|forget(?: about)? the|drop the|ignore the|never ?mind the|"
    r"regardless of (?:the )?|no matter (?:the|what|which)|(?:don'?t|do not) (?:care|mind) (?:about |"
    r"what |which )?(?:the )?)"
)
_FORGET_YEARS = re.compile(
    rf"\b{_ANY} ?(?:release )?(?:years?|decades?|era|eras|time periods?|period|dates?|age)\b"
    r"|\b(?:year|decade|era|age|release date) (?:does not|doesn'?t|is not|isn'?t) (?:matter|important)|"
    r"doesn'?t matter (?:when|how old)|(?:old or new|new or old)\b"
)
_FORGET_PRIMARY = re.compile(
    rf"\b{_ANY} ?(?:kind|type|sort|{ANY_LABEL})\b|\b(?:{ANY_LABEL}) (?:does not|doesn'?t|isn'?t) "
    r"(?:matter|important)|"
    r"\b(?:anything|everything) goes\b|open to (?:anything|any)"
)
_FORGET_RATING = re.compile(rf"\b{_ANY} ?(?:ratings?|stars|grades?|reviews?)\b")
_ANYTHING = re.compile(r"\bok(?:ay)?,? any\b|\bany \w+ (?:then|will do)\b")
REPLACES = re.compile(
    r"\b(?:actually|instead(?! of)|rather(?! than)|on second thoughts?|changed? my mind|make (?:it|that)|scratch that|"
    r"no wait|wait,? no|(?:what|how) about|i meant?(?= (?:an? |the |some )?\w)|instead of that|let'?s (?:do|go "
    r"with|try))\b"
)
ANEW = re.compile(r"\b(?:instead(?! of)|on second thoughts?|changed? my mind|scratch that|forget (?:that|it))\b")
"""Says that what was wished in words before is no longer meant."""
_REFINES = re.compile(
    r"^\W*(?:(?:ok|okay|yes|yeah|well|hm+|um+|great|cool|nice|sure|please|maybe|"
    r"perhaps)\b[\s,.!]*)*(?:and|but|also|plus|only|just|with|without|or|nothing|no|not|"
    r"from|in|by|on|for|under|over|others?|preferably|ideally|make (?:it|them|that)|more|less|newer|older|"
    r"anything but|except|too|some of them|ones|"
    r"the same|same|one (?:with|from|by|that|where)|something (?:newer|older|more|less|\w+er)|"
    r"(?:should|could|can) (?:it|they)|it should|they should|"
    r"a bit|a little|even|still|how about from|actually make|that(?:'s| is|\s?isn'?t)|which|isn'?t|if possible|"
    r"instead)\b"
)
OPENS = re.compile(
    r"\b(?:an?|some|any|two|three|four|five|six|ten|\d+) (?:[\w'’-]+ ){0,4}$|\b(?:give|show|find|"
    r"recommend|suggest|want|need|looking for|"
    r"mood for|feel like|fancy|how about|what about|let'?s (?:do|watch|try)|prefer|love|like|got any|"
    r"have any|into|watch)\b[^.;!?]{0,40}$|^\W*(?:[\w'’-]+ ){0,3}$|[.!;:]\s*(?:[\w'’-]+ ){0,3}$"
)
_OWN_WISH = re.compile(
    r"\W*(?:(?:ok|okay|well|so|hm+|now|then|please|maybe)\b[\s,.!]*)*(?:an?|some|something|anything|any|the|give|show|find|"
    r"recommend|suggest|i|we|do|have|how about|what about|looking|need)\b"
)
_FRAGMENT = 3
"""So many words that nobody listed only refine what was asked for."""
_ONLY = re.compile(r"\b(?:only|as well|too|though|ones)\W*$")
_OF_THEM = re.compile(r"\b(?:of (?:them|these|those|¤+)|from (?:these|those)|among (?:these|those))\b")
_MORE_OF = re.compile(r"\bmore (?:like|of)\b")


def dropped(marked: str, wishes: Wishes, standing: Conditions, catalogue: Catalogue) -> list[str]:
    """The facets whose conditions of before no longer hold: "any year", or a new bound for an old one."""
    year, primary = catalogue.year_facet, catalogue.primary
    found: list[str] = []
    said = {own.facet for own in wishes.conditions}
    if year is not None and _FORGET_YEARS.search(marked):
        found.append(year)
    if primary is not None and _FORGET_PRIMARY.search(marked):
        found.append(primary.facet.name)
    if _FORGET_RATING.search(marked):
        found.append(RATING)
    if year is not None and year not in said and _ANYTHING.search(marked):
        found.append(year)
    for facet in said:
        column = catalogue.column(facet) if facet in catalogue.facets else None
        if isinstance(column, NumberColumn):
            found.append(facet)  # a new bound stands for the old ones
        elif REPLACES.search(marked) and any(own.facet == facet and own.op == "is" for own in wishes.conditions):
            found.append(facet)
    held = {own.facet for own in standing}
    return [facet for facet in dict.fromkeys(found) if facet in held]


def opens_anew(marked: str) -> bool:
    """Whether words that nobody listed are a wish of their own ("a heist with ..."), no fragment ("from Rome")."""
    return _REFINES.match(marked) is None and (_OWN_WISH.match(marked) is not None or len(marked.split()) > _FRAGMENT)


_KEEPS = re.compile(r"\W*(?:(?:ok|okay|and|but|now|please|yes|well) )*(?:keep|still|stay with|same)\b")
"""How a message begins that holds on to what was wished: "keep the crime but in English"."""


def opens_topic(marked: str, wishes: Wishes, named: bool, begun: bool) -> bool:
    """Whether a message is a complete new wish, which replaces the topic's conditions.

    Args:
        marked: the marked message.
        wishes: what it wishes.
        named: whether it names an item as an example of what is wanted.
        begun: whether there was a message before.
    """
    if not begun:
        return True
    if not (wishes.complete or named) or wishes.replaces or (wishes.compares and not named):
        return False
    refines = (
        _REFINES.match(marked)
        or _KEEPS.match(marked)
        or _OF_THEM.search(marked)
        or _MORE_OF.search(marked)
        or _ONLY.search(marked)
    )
    return refines is None
