"""Reference cues: the expressions that stand for films on the table."""

from __future__ import annotations

import re

from agent.domains.films.lexicon import GENRE_WORDS, any_of
from agent.text import word_set

ORDINALS = {
    **dict.fromkeys(("first", "1st", "top"), 0),
    **dict.fromkeys(("second", "2nd"), 1),
    **dict.fromkeys(("third", "3rd", "3th"), 2),
    **dict.fromkeys(("fourth", "4th", "forth"), 3),
    **dict.fromkeys(("fifth", "5th"), 4),
    **dict.fromkeys(("sixth", "6th"), 5),
    **dict.fromkeys(("last", "final", "bottom"), -1),
    **dict.fromkeys(("second to last", "second last", "penultimate", "next to last", "last but one"), -2),
}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "couple": 2, "couple of": 2}
_ORDINAL = rf"(?:{any_of(ORDINALS)})"
_NOUN = r"(?:ones?|films?|movies?|recommendations?|suggestions?|picks?|titles?|options?|choices?|results?)"
_CLOSE = (
    r"(?=\s*(?:$|[.,;:!?)]|(?:and|or|but|is|was|looks?|sounds?|seems?|please|instead|again|already|too|vs|versus|"
    r"with|than|because|about|for|has|have|\d)\b))"
)
_LEAD = r"(?:(?:the|your|that|this|ur)\s+)"
ORDERED = re.compile(
    rf"(?<![\w'])(?:{_LEAD}(?P<a>{_ORDINAL})(?:\s+{_NOUN}\b(?! (?:from|in) the\b)|{_CLOSE})|"
    rf"(?P<b>{_ORDINAL})\s+(?:one|pick|suggestion|recommendation|option|choice)\b|"
    rf"(?:(?:numbers?|no\.?|nr\.?|option|film|movie|pick|choice)\s?#?|#)(?P<n>[1-9]|one|two|three|four|five)(?![\w.])"
    rf"(?!\s?(?:stars?|out of|/|%|hours?|minutes?|years?)))"
)
# "the second and the third", "1 and 3": what follows an ordinal in a list is one as well.
ALSO = re.compile(
    rf"\s*(?:,|/|&|\bor\b|\band\b|\bvs\.?|\bversus\b|\bwith\b|\bto\b|\bthan\b)+\s*(?:and\s+)?(?:the\s+|number\s+|#\s?)?"
    rf"(?:(?P<a>{_ORDINAL})(?![\w'])|(?P<n>[1-9])(?![\w.]))(?:\s+{_NOUN}\b)?(?!\s?(?:stars?|out of|/))"
)
BARE = re.compile(
    r"(?<![\w'])(?P<verb>seen|watched|saw|liked?|loved?|hated?|not|about|compare|why|between|no to|except|skip|prefer|"
    r"than|dislike|take|pick|choose)\s+(?:numbers?\s+)?(?P<n>[1-9])(?=\s*(?:,|&|and|or|vs|$|[.!?]|is\b|was\b|better\b))"
    r"(?!\s*[.,]\d)"
)
SEVERAL = re.compile(
    r"(?<![\w'])(?:the\s+|your\s+|those\s+|these\s+)?(?P<side>first|last|top|other|final)\s+"
    rf"(?P<n>[2-9]|two|three|four|five|couple(?: of)?)(?:\s+{_NOUN})?(?![\w'])"
    r"(?! (?:years?|decades?|days|weeks|months))"
)
ALL = re.compile(
    r"(?<![\w'])(?:(?:all|any|both|either|neither|each|every one|some|most)(?: of)? (?:the )?"
    r"(?:these|those|them|(?:above|ones?|films?|movies?)(?: (?:above|here|there|you (?:listed|showed|suggested|named)"
    r"(?: me)?))?)|"
    r"(?:these|those)(?: (?:all|two|three|four|five|films?|movies?|ones|suggestions|recommendations|picks|both))*|"
    r"them(?: (?:all|both))?|(?:your|the) (?:suggestions|recommendations|picks)|"
    r"both(?= ?(?:$|[.,!?]|already|were|are|and)))(?![\w'])"
)
REST = re.compile(
    rf"(?<![\w'])(?:the (?:rest|others?(?! (?:one|film|movie)\b)|other ones)|all (?:the )?others?){_CLOSE}"
)
IT = re.compile(
    r"(?<![\w'])(?:(?:that|this) (?:one|film|movie|flick|title|suggestion|recommendation)|it|that|this)(?![\w'])"
)
IT_CUE = re.compile(
    r"(?:\b(?:seen|watched|saw|see|watch|liked?|loved?|hated?|enjoyed|about|is|was|does|did|of|to|not|like|than|why|"
    r"recommend|suggest(?:ed)?|recommended|finish|finished|rate|give|gave|for|in|on|know|adored|disliked?|skip|take|"
    r"though|think of|into|stars?|and|but|picked?|choose|prefer)|^)\s*$"
)
IT_AFTER = re.compile(r"\s*(?:one\b|film\b|movie\b|was\b|is\b|looks\b|sounds\b|again\b|already\b|[.,!?]|$|instead\b)")
OTHER = re.compile(r"(?<![\w'])(?:the )?other (?:one|film|movie|version|guy)(?![\w'])|(?<![\w'])the other(?=\W*$)")
YEAR_ONE = re.compile(
    r"(?<![\w'])(?:the|that|your)\s+(?:film\s+|movie\s+|one\s+)?(?:from\s+)?'?(?P<year>(?:18|19|20)\d\d|\d\d(?!\d|s))"
    r"(?:\s+(?:one|film|movie|version|release|original|remake))?(?![\w'])"
)
ERA_ONE = re.compile(
    r"(?<![\w'])(?:the|that)\s+(?:one|film|movie)?\s*(?:from |of |in )?(?:the )?'?(?P<decade>(?:19|20)?\d0)'?s"
    r"(?:\s+(?:one|film|movie|version))?(?![\w'])"
)
AGE_ONE = re.compile(
    r"(?<![\w'])(?:the|that)\s+(?P<age>original|remake|old(?:er|est)?|first|new(?:er|est)?|recent|latest)"
    r"(?:\s+(?:one|film|movie|version))?(?![\w'])"
)
NAMED_ONE = re.compile(
    r"(?<![\w'])(?:the|that|your)\s+(?P<name>[^\W\d_][\w'&-]*(?:\s[^\W\d_][\w'&-]*){0,2}?)\s+"
    r"(?:one|film|movie|flick|thing|pick|suggestion|recommendation)(?![\w'])"
)
GENRE_ONE = re.compile(
    rf"(?<!drop )(?<!lose )(?<!forget )(?<!without )(?<!skip )(?<![\w'])(?:the|that)\s+(?P<genre>{any_of(GENRE_WORDS)})"
    r"(?:\s+(?:one|film|movie|flick))?(?![\w'-])"
)
CORRECTION = re.compile(
    r"^\W*(?:(?:no|nope|nah|sorry|oops|wait|actually|ah|oh|hm+|um+|erm|hey)\b[\s,.!-]*)*(?:i (?:actually |really )?"
    r"(?:meant|mean)\b|i was (?:talking|thinking) (?:about|of)|not that one\b|wrong (?:one|film|movie)|"
    r"not the (?:\w+ )?(?:one|version|film|movie)\b.{0,24}\b(?:the|but)\b|the other one\b|"
    r"that'?s (?:not the one|the wrong)|you'?ve got the wrong|not the (?:remake|original|sequel)\b|i meant\b)|"
    r"\b(?:i meant|i mean) (?:the|that)\b"
)
"""A message that mends what an earlier one named: "no, I meant the 1974 one"."""


NO_NAME = word_set(
    """
    the a an that this other same whole right wrong good best better bad worst next new old first last only one very
    most more less kind sort type of in funny serious main big small long short real perfect great
    """
)
TITLE_CUE = re.compile(
    r"\b(?:seen|watched|saw|liked|loved|hated|enjoyed|about|like|not|is|why|with|than|compare|and|or|but|to) $"
)
"""Before an everyday word that is also the title of a film on the table."""
GIVING = re.compile(r"\b(?:g[ai]ve|rated?|score)\b.*\bstars?\b|\bstars?\b.*\b(?:for|to)\b")
"""A message that gives stars: a number behind "the first" is no count of films."""
ASKING = re.compile(
    r"\W*(?:(?:and|so|but|ok|well|hm+)\W+)?(?:is|was|does|did|has|would|will|can|should|how (?:long|scary|"
    r"old|good|violent|sad|funny|popular) is|what is|what's|who(?: is|'s)? in|when was) $"
)
"""Before "it" in a question about a film."""
