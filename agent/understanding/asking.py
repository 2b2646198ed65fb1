"""Asking: questions about items, about what is shown, about the person and about the agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.domains.domain import ANY_LABEL
from agent.records.acts import Ask
from agent.records.conditions import Conditions
from agent.understanding.cues import CHAT, COMPARE, NEGATION, PROFILE, WHICH, WHY, WHY_NOT
from agent.understanding.vocabulary import NOUN, Vocabulary, facet_labels

MASK = "¤"
"""Stands in a message for each character of a mention, so that names are not read as wishes."""

ASKS = re.compile(
    rf"(?:{MASK}+\s*[-,:–]\s*)?[^\w{MASK}]*(?:(?:and|so|but|ok|okay|well|hm+|ooh|oh|hey|also|then|please|tell me|"
    rf"do you know|"
    r"can you tell me|i wonder|wait)\b[\s,.:]*)*"
    r"(?:is|was|are|were|does|do|did|has|have|had|should|would|can|could|will|who(?:'?s)?|whose|"
    r"what(?:'?s)?|when(?:'?s)?|where(?:'?s)?|"
    r"which|how|why|any good|tell|describe|more (?:about|on|info|details)|compare|explain|isn'?t|aren'?t)\b"
)
_POINTS = re.compile(
    rf"{MASK}|\b(?:it|its|it's|that|this|they|them|these|those|he|she|both|either)\b|\bthe {NOUN}+s?\b|"
    r"\b(?:the )?(?:list|suggestions|recommendations|picks)\b"
)
_WISHING = re.compile(
    r"\b(?:recommend|suggest|show me|give me|find me|looking for|something|anything (?:like|similar|"
    r"with|else|by|from|good|newer|older)|any (?:good(?= \w)|other|more|\w+er)|"
    r"(?:do|have) you (?:have|got|know) (?:any|some|an?\b|of (?:any|some))|got any|have any|what "
    r"(?:should|can|could|else|other|would you)|more like|what about (?:an?|some)\b|how about (?:an?|"
    r"some)\b|another|(?<!do )(?<!did )(?<!help )(?<!of )others|"
    r"are there (?:any|some|other)|is there (?:any|some|an?|other)|can (?:you|i) (?:get|have|find|see))"
)
_LONE = re.compile(
    r"(?:who|how long|when|what year|where|how (?:old|good|scary|popular|well)|what(?:'s| is) (?:the|"
    r"its)|why|any good|plot|cast|director|runtime|in what)\b"
)
_ABOUT = re.compile(
    r"\b(?:tell me (?:\w+ )?(?:\w+ )?(?:about|of)|more (?:about|on|info|details|information)|info|"
    r"details|know (?:about|of|anything about)|heard of|"
    r"describe|what about|how about|opinion|thoughts? on|what(?:'?s| is| are|'re| was)|who(?:'?s| is| "
    r"was)|how|is|was|are|were|does|do|did|has|have (?:you|u)|should (?:i|we)|would (?:i|we|it|my)|"
    r"can (?:i|my|we)|could|will|any good|worth)\b"
)
_SUPERLATIVE = (
    r"newest|oldest|latest|most recent|longest|shortest|cheapest|dearest|most expensive|most popular|best known|"
    r"least known|best rating|highest rating|best ratings|best reviews|best rated|highest rated|best liked"
)
_CATALOGUE = re.compile(
    rf"\b(?:what(?:'?s| is| are| was)|which(?: is| are)?|show me) (?:the |your )?(?P<most>"
    rf"{_SUPERLATIVE})\b|"
    rf"^\W*(?:and |but |what about )?the (?P<the>{_SUPERLATIVE})\b|"
    rf"\bhow many (?:(?!of\b)[\w'’-]+ ){{0,4}}(?:{NOUN}+s?|ones)\b|\bhow (?:big|large|old|new|recent) is (?:your|"
    rf"the) (?:catalogue|catalog|"
    r"collection|database|library|list)|"
    rf"\bwhat (?:kinds?|sorts?|types?|{ANY_LABEL})(?: of {NOUN}+s?)? (?:do you have|have you "
    r"got|are there|can you)|\bhow (?:new|recent|old) (?:are|do) (?:your|the)|"
    rf"\bwhere (?:do|does|did) (?:you|your) (?:get|data|{NOUN}+s?|information)|\bwhat (?:data|"
    rf"{NOUN}+s) do you (?:have|know)"
)
_AGENT = re.compile(
    r"\b(?:who (?:are|made|built|created|trained) you|what are you(?! \w+ing)|are you (?:an?|human|"
    r"real|ai|chat ?gpt)\b|(?:do|can) you (?:speak|understand|read|talk) \w+|what (?:else )?can you do|what do you do|"
    r"how do (?:you|this|i) (?:work|use)|how does this work|^\W*help(?: me)?\W*$|what can i (?:ask|say|do)|what "
    r"do you know\W*$)"
)
_YOURS = re.compile(r"\b(?:what|who|which)\b.*\byour (?:own )?(?:favou?rites?|name|age|job|opinion)\b")
_SENTENCE = re.compile(r"[^.!?;\n]*(?:[.!?;\n]+(?=\s|$)|[!?;\n](?=\S)|\.(?=\S)|$)")
_ASIDE = re.compile(
    r",\s+(?=(?:is|was|are|does|did|who|how|when|can|should)\b)|"
    r"\s+and\s+(?=(?:is|was|are|does|did|who|when|where|what(?:'s| is| year| else| other)|"
    r"how (?:long|old|good|many|much|scary|popular|is))\b)"
)
_THEM = rf"(?: (?:of|from|among) (?:these|those|them|the {NOUN}+s?|{MASK}+))"
_WHICH_OF = re.compile(
    rf"\W*(?:(?:and|so|ok|hm+)\W+)?(?:which(?: ones?| {NOUN}+s?)?{_THEM}? (?:is|are|was|were|do|does|has|have|come|"
    rf"would be)|"
    rf"(?:is|are|was|were) (?:any|one|some)(?: ones?)?{_THEM}|any of (?:these|those|them|{MASK}+)|"
    rf"(?:is|are|was|were) {MASK}+(?= \w))(?!\w)"
)
_OWN = re.compile(r"\b(?:you (?:have|got|know|recommend|suggest)|do you|should i|can i|would you)\b")
_MOST_OF = re.compile(rf"\b(?:the )?(?P<most>{_SUPERLATIVE})\b")
_LONE_MOST = re.compile(
    rf"^\W*(?:(?:and|so|but|ok|what about|what(?:'s| is)|which(?: one)?(?: is)?)\W+)*the (?:(?P<most>{_SUPERLATIVE})|"
    rf"(?P<est>\w+?)i?est|most (?P<much>\w+))(?: (?:one|(?:of |among )?(?:them|these|those|all|{MASK}+)))?\W*$"
)
"""Asks of what is shown for the most of something: "the longest one", "and the scariest of them?"."""
_PICK = re.compile(
    r"^\W*(?:(?:ok|okay|please|just|then|so|can you|could you|you)\W+)*(?:pick|choose|decide)"
    r"(?: (?:just |only )?one| the best)?(?: (?:of|from) (?:them|these|those))?(?: for (?:me|us))?(?: please)?\W*$|"
    r"\bwhich (?:one )?(?:would|do) you (?:pick|choose|recommend|start with)\b"
)
"""Leaves the choice among what is shown to the other side."""
_BEST = re.compile(r"\b(?:the|his|her|their) best(?: one| of (?:them|these|those|the bunch|all))?\W*$")
_MORE_OF_IT = re.compile(r"\btell me (?:a (?:bit|little) )?more\b|\b(?:more|any) (?:about|on) (?:it|that|this)\b")
_HAS = re.compile(r"\W*(?:(?:and|so|but)\W+)?(?:is|are|was|does|do|did|has|have)\b")
_SEVERAL = re.compile(r"\b(?:they|them|these|those|all of|list|slate)\b")
_ASIDE_IT = re.compile(r",\s+(?:is|was|does|did|has) (?:it|he|she|that|this)\b")
_DECLARED = re.compile(r"\b(?:that'?s|is|was|this is) (?:why|how|what|when|where|who)\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """``marked[start:end]`` of the message, and the items that it speaks of, in order.

    ``judged``: it says what the person thinks of one of them; ``like``: it names one as an example; ``unknown``: it
    names what looks like an item and is none here.
    """

    start: int
    end: int
    items: tuple[int, ...]
    judged: bool
    like: bool
    unknown: bool = False


def asked(
    sentence: Sentence,
    marked: str,
    folded: str,
    vocabulary: Vocabulary,
    shown: Sequence[int],
    spoken: Sequence[int],
    wished: bool,
    conditions: Conditions = (),
) -> Ask | None:
    """The question that a sentence asks; None where it asks none.

    ``wished``: whether the sentence names what only a wish names: a value asked for behind "a" or "some".
    """
    text, words = marked[sentence.start : sentence.end], folded[sentence.start : sentence.end]
    if PROFILE.search(text) and not sentence.items:
        return Ask("person")
    if (_AGENT.search(text) or _YOURS.search(text)) and not sentence.items:
        return Ask("agent")
    if sentence.unknown and not sentence.items:
        return None
    table = sentence.items if len(sentence.items) > 1 else tuple(shown)
    if (
        len(table) > 1
        and set(sentence.items) <= set(table)
        and (which := _which(text, words, len(sentence.items), vocabulary)) is not None
        and (which or (conditions and not _OWN.search(text)))
    ):
        return Ask("which", table, which or None, () if which else conditions)
    if len(sentence.items) != 1 and len(shown) > 1 and (most := _lone_most(text, vocabulary)) is not None:
        return Ask("which", tuple(shown), most)
    if not sentence.items and (match := _CATALOGUE.search(text)) is not None and not (shown and _POINTS.search(text)):
        return Ask("catalogue", (), match["most"] or match["the"], conditions)
    if sentence.items and WHY_NOT.search(text) and NEGATION.search(text) and not wished:
        return Ask("why_not", sentence.items)
    questioned = text.rstrip().endswith("?") or ASKS.match(text) is not None
    why = WHY.search(text) is not None and not _DECLARED.search(text) and (questioned or text.startswith("explain"))
    proposal = wished or re.search(r"why not|why don't (?:we|you)", text) is not None
    if why and (sentence.items or shown) and (sentence.items or not proposal):
        return Ask("why", sentence.items)
    if sentence.judged and _MORE_OF_IT.search(text) and not wished:
        return Ask("about", sentence.items[-1:])
    if len(shown) > 1 and not sentence.items and not wished and _PICK.search(text):
        return Ask("compare", tuple(shown))
    asks = _question(words, vocabulary) if text.rstrip().endswith("?") and (shown or spoken) else None
    about = vocabulary.domain.questions.get(asks) if asks is not None else None
    if asks is not None and about is not None and not about.facet and not about.judge and not wished:
        return Ask("facet", sentence.items or _focus(text, spoken), asks)  # "does the dog die?"
    if sentence.judged or _WISHING.search(text):
        return None
    if len(sentence.items) > 1 and not sentence.judged:
        either = re.search(rf"\bor (?:the )?{MASK}+\W*\??", text)
        if WHICH.search(text) or (
            COMPARE.search(text) and (not wished or questioned) and (not sentence.like or text.rstrip().endswith("?"))
        ):
            return Ask("compare", sentence.items, _question(words, vocabulary))
        if either and ("?" in text or questioned) and (not sentence.like or re.match(rf"\W*{MASK}+ or ", text)):
            return Ask("compare", sentence.items)
    among = shown if len(shown) > 1 else spoken
    if len(among) > 1 and WHICH.match(text.strip()) and not sentence.items and not wished:
        return Ask("compare", tuple(among), _question(words, vocabulary))
    if not questioned or not (sentence.items or shown or spoken):
        return None
    if sentence.like and "?" not in text:
        return None
    question = _question(words, vocabulary)
    single = sentence.items or _focus(text, spoken)
    if question is None and len(single) == 1 and conditions and _HAS.match(text):
        return Ask("which", single, None, conditions)  # "does the first one have Sinatra?"
    points = _POINTS.search(text) is not None or (_LONE.search(text) is not None and len(text.split()) <= 6)
    if question is not None and points:
        return Ask("about" if question == "about" else "facet", sentence.items or _focus(text, spoken), question)
    if sentence.items and _ABOUT.search(text) and not wished:
        return Ask("about", sentence.items)
    if points and text.rstrip().endswith("?") and not wished and not CHAT.search(text) and (spoken or shown):
        return Ask("about", sentence.items or _focus(text, spoken))
    if _MORE_OF_IT.search(text) and not wished and (focus := _focus(text, spoken)):
        return Ask("about", focus)
    return None


def _focus(text: str, spoken: Sequence[int]) -> tuple[int, ...]:
    """What "it", or nothing at all, stands for: what was spoken of last."""
    return () if _SEVERAL.search(text) else tuple(spoken[-1:])


def _lone_most(text: str, vocabulary: Vocabulary) -> str | None:
    """The superlative, or the question of the domain, that a fragment asks of what is shown; None where none."""
    match = _LONE_MOST.match(text)
    if match is None:
        return None
    if match["most"]:
        return match["most"]
    base = match["est"] or match["much"]
    asked = {_question(word, vocabulary) for word in (base, f"{base}y", base[:-1])} - {None}
    judged = [
        name
        for name in asked
        if name and vocabulary.domain.questions.get(name) and vocabulary.domain.questions[name].judge
    ]
    return judged[0] if judged else None


def _question(words: str, vocabulary: Vocabulary) -> str | None:
    """The question of the domain that the words ask, else the facet that they name."""
    words = re.sub(rf"{MASK}+", "it", words)
    if (name := vocabulary.asked(words)) is not None:
        return name
    for name, label in facet_labels(vocabulary.domain).items():
        if len(label) > 3 and re.search(rf"\b{re.escape(label)}s?\b", words):
            return name
    return None


def _which(text: str, words: str, several: int, vocabulary: Vocabulary) -> str | None:
    """What is asked of several: a superlative, or a question that values answer; "" where conditions may."""
    match = _WHICH_OF.match(text)
    if match is None:
        return None
    if match.group().rstrip().endswith(MASK) and several < 2:
        return None  # "is it scary?"
    if (most := _MOST_OF.search(text, match.start())) is not None:
        return most["most"]
    if _BEST.search(text):
        return "best rated"
    question = _question(words, vocabulary)
    return question if question is not None and vocabulary.domain.questions[question].judge else ""


def masked_at(text: str, places: Sequence[tuple[int, int]]) -> str:
    """``text`` with the mask of mentions at ``places`` (start, end)."""
    for start, end in places:
        text = text[:start] + MASK * (end - start) + text[end:]
    return text


def sentences_of(marked: str) -> list[tuple[int, int]]:
    """The places of sentences; a question behind a comma is one of its own: "it looks nice, is it any good?"."""
    found = []
    for match in _SENTENCE.finditer(marked):
        start, end = match.span()
        text = marked[start:end]
        asks = text.rstrip().endswith("?") or ASKS.match(text) is not None or _ASIDE_IT.search(text) is not None
        while asks and (asked := _ASIDE.search(marked, start, end)) is not None:
            found.append((start, asked.start()))
            start = asked.end()
        found.append((start, end))
    return found
