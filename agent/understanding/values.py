"""Values: the words of a message that name values of facets, people among them, or moods and subjects."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import chain, pairwise

from agent.text import Word, common_words, word_set, words
from agent.understanding.cues import ASK, CHAT, POLITE
from agent.understanding.scope import OR_LESS, UP_TO, Hit, N
from agent.understanding.unlisted import NO_SUBJECT, qualities
from agent.understanding.vocabulary import ANY_WORK, NOUN, OFTEN, Value, Vocabulary, cue_facet

_BY = re.compile(r"\b(?P<cue>by|of|not|no|like|likes?|loves?|hates?) (?P<name>(?=[^\W\d_]{3,} [^\W\d_]{4,}))")
"""What else may stand before a person's name in lower case."""
_SUBJECT_CUE = re.compile(
    r"\b(?:about|with|set (?:in|on|at|during)|takes? place (?:in|on)|involving|featuring|no|not|nothing "
    r"with|without|like|tagged|of)"
    r"\s+(?:an? |the |some |lots? of |plenty of |more |any |much |too much |good )*$"
)
_PREPOSITION = re.compile(
    r"\b(?:for|on|in|with|without|from|no|not|nothing|any|never|hates?|into)\s+(?:an? |the |my |our |"
    r"any |some |more |good |lots? of |too many )*$"
)
"""What may stand before a word that only counts as a wish where it is asked for: "for my xbox", "in french"."""
_NOUN_AFTER = re.compile(rf"[\s-]+(?:(?!and\b|or\b|but\b)\w+[\s-]+)?(?:{NOUN}+s?|ones?)\b")
_ALONE = re.compile(
    r"(?:[\W_]|\b(?:please|pls|thanks|instead|maybe|then|now|something|anything|preferably|only|just|also|and|but|ok|okay|not|"
    r"no|nothing|without|less|more|it|is|be|should|that|very|really|how|what|about|though|both|together|either)\b)*"
)
_CLAUSE = re.compile(r"[.,;:!?()\n]|\b(?:but|and|or)\b")
_CAPITALS = re.compile(
    r"(?<![\w'’])(?P<name>[A-ZÀ-ÖØ-Þ][\w'’.-]*[\w'’.](?: (?:[A-Z]\.|(?:de|da|van|von|del|la|der)(?!\w)|Le|O'|"
    r"[A-ZÀ-ÖØ-Þ][\w'’-]+)){1,3})"
)
_SUBJECT = re.compile(
    r"\b(?P<cue>starring|featuring|directed by|by director|written by|played by|set in|set on|set at|set during|"
    r"takes? place (?:in|on)|about|involving|with|without|from|by(?= an? \w)|who (?:really )?(?:likes?|loves?|"
    r"enjoys?|is (?:really "
    r")?into))\s+"
    r"(?P<name>(?!(?:my|our|your|me|us|you|it|that|this|the same|him|her|them|friends?|family|something|anything|"
    r"someone|the kids|kids|no|only|not|high|good|great ratings?|at|a rating|rating|ratings|over|"
    r"under|less|\d|\w+ stars?|"
    r"what|how|which|when|all|those|these|and|or|or without)\b)"
    r"(?:(?:an?|the|some|lots? of|plenty of|more|any|much|too much|good|great) ){0,2}[^\W\d_][\w'-]*"
    r"(?: (?!(?:and|or|but|from|please|that|which|for|is|are|was|so|not|kind|sort|type|during|about|no|to|made|set|by|"
    r"before|after|since|too|as well|i|we|he|she|you|they)\b)[^\W\d_][\w'-]*){0,4})"
)
_FUNCTION = re.compile(
    "(?:"
    + "|".join((POLITE.pattern, ASK.pattern, CHAT.pattern))
    + r"|\b(?:i|me|you|we|us|it|up|down|to|for|in|on|at|of|the|a|an|and|or|out|off|old|new|any|some|all|no|not|my|"
    r"same|long|short|big|"
    r"little|much|many|feel|sound|sounds|sounding|best|better|worst|bad|kind|sort|type|day|friend|friends|time|year|years)\b)"
)
_OF = re.compile(
    r" (?P<what>of (?!(?:the|all|any|my|your|these|those|them|it|that|this|a|an|some|course|mine|yours)\b)[^\W\d_]{3,}"
    r"(?: (?!(?:and|or|but|please|from|with|in|by|for|that|which)\b)[^\W\d_]{3,})?)"
)
_PROPOSES = re.compile(r"\b(?:how|what) $")
_NOT_FROM = re.compile(
    r"(?:the )?(?:list|years?|first|second|third|last|past|next|top|bottom|beginning|start|now|here|there|then|before|"
    r"scratch|home|"
    r"work|other|same|previous|early|late|mid|director|author|maker|makers|writer|creators?|people|one)\b|"
    r"(?:what|where|when|far|being)\b"
)
_ABOUT = ("set", "take", "about", "invol")
_OTHER = ("starring", "featuring", "directed", "by", "written", "played", "with", "from", "who")
"""What the cues of subjects begin with: those that a mood may stand inside of, and the others."""
_HEADS = frozenset(["stuff", "one", "ones", "titles", "something", "anything"])
_PARTICLE = re.compile(r"\b(?:de|da|di|del|della|la|le|van|von|der|den|ten|st|saint|mac|mc|el|al|bin) $")
_REFUSED = re.compile(r"\b(?:no|not|without|minus|except|any|more|forget|drop|skip|lose|ditch|enough) $")
"""Before a last name that is wanted or refused: "no nolan", "more scorsese"."""
_DID = re.compile(r"\b(?:did|does|do|has|have|had|is|was) $")
_VERB = re.compile(r" (?:also |really |ever |actually )*(?P<verb>[a-z]{2,})\b")
_BY_OR_FROM = ("by ", "from ")
_FOND = re.compile(
    r"\b(?:love[sd]?|likes?|liked|adore[sd]?|enjoy(?:s|ed)?|fans? of|"
    r"(?:vein|style|spirit|manner|tradition) of|into|obsessed with|mood for|prefer|hate[sd]?|"
    r"dislikes?|can'?t stand|tired of|sick of|old|early|later?|classic|recent|newer|vintage|peak|another|best|or|by|"
    r"from|than|favou?rites?(?: \w+)? (?:is|are)|(?:tell me|know) (?:more )?about|and)(?: the)? $"
)
"""Before a last name that stands for the person's work: "I love Tarantino", "early Hitchcock"."""
WELL_KNOWN = 8
"""A last name is a person's before it is a title, and in lower case, where they have so many items."""
LONG = 4
"""Everyday words that users write into a facet name a kind where they are longer than this."""
_KIN = re.compile(r" (?:brothers|bros\.?|sisters|siblings)(?!\w)", re.IGNORECASE)
"""Behind a last name that several share: "the Coen brothers"."""
_QUANTITY = re.compile(r"^(?:(?:both|either|an?|the|some|lots? of|plenty of|more|any|much|too much|good|great)\b ?)+")
_DISTANT = 40
_NOT_FIRST = word_set(
    """
    the a an i any something hi hello hey i'm im i've ive i'll i'd my thanks thank yes no ok oh what have can do does is
    are it it's that that's show give
    """
)


class Finder:
    """Finds values in one message.

    ``text`` is the message in plain English, mentions of items masked; ``folded`` its folded form; ``marked`` that with
    the domain's words for items marked. ``covered`` holds 1 for each place that was understood already.
    """

    def __init__(self, text: str, folded: str, marked: str, vocabulary: Vocabulary, covered: bytearray) -> None:
        self.text, self.folded, self.marked = text, folded, marked
        self.vocabulary, self.covered = vocabulary, covered
        self.found: list[Word] = words(text)
        self.hits: list[Hit] = []
        letters = [word for word in self.found if not word.key.isdigit()]
        self.shouting = text.isupper() or (
            len(letters) >= 5 and sum(word.capital for word in letters) >= 0.8 * len(letters)
        )

    def values(self) -> list[Hit]:
        """All hits, in order."""
        self._sensitivities()
        self._expressions()
        self._names()
        self._people()
        self._subjects(_ABOUT)
        self._narrowed()
        self._moods()
        self._qualities()
        self._subjects(_OTHER)
        self.hits.sort(key=lambda hit: hit.start)
        return self.hits

    def _take(self, hit: Hit) -> bool:
        if any(self.covered[hit.start : hit.end]):
            return False
        self.covered[hit.start : hit.end] = b"\x01" * (hit.end - hit.start)
        self.hits.append(hit)
        return True

    def _sensitivities(self) -> None:
        for place, (pattern, _) in enumerate(self.vocabulary.sensitivities):
            for match in pattern.finditer(self.folded):
                if any(self.covered[match.start() : match.end()]):
                    continue
                # Its words may ask for values as well ("for kids"): places are not claimed.
                self.hits.append(Hit("sensitivity", *match.span(), place=place))

    def _expressions(self) -> None:
        """Values by the domain's words, the longest first: "epic fantasy" is more than "fantasy"."""
        matches = [
            (match.span(), expression)
            for expression in self.vocabulary.expressions
            for match in expression.pattern.finditer(self.folded)
        ]
        matches.sort(key=lambda own: (own[0][0] - own[0][1], -len(own[1].values), own[0][0]))
        primary = self.vocabulary.primary
        for (start, end), expression in sorted(matches, key=lambda own: own[1].facet != primary):
            before = self.folded[max(0, start - _DISTANT) : start]
            if before.endswith(("live ", "live-")):
                continue
            if expression.facet != primary and self._named_otherwise(start, end, expression.facet):
                continue
            facet = self.vocabulary.domain.facets.get(expression.facet)
            if expression.facet != primary and not (
                (facet is not None and facet.standalone)
                or self._beside(start, end)
                or _PREPOSITION.search(before)
                or cue_facet(self.vocabulary, before, [expression.facet])
            ):
                continue
            self._take(Hit("value", start, end, expression.facet, expression.values, expression.known))
        for place, level in enumerate(self.vocabulary.levels):
            for match in level.pattern.finditer(self.folded):
                self._take(Hit("level", *match.span(), facet=level.facet, place=place))

    def _named_otherwise(self, start: int, end: int, facet: str) -> bool:
        """Whether words are another facet's value by its name: "not Resident Evil" leaves horror alone."""
        key = tuple(word.key for word in self.found if start <= word.start < end)
        return any(own.facet != facet for own in self.vocabulary.names.get(key, ()))

    def _beside(self, start: int, end: int) -> bool:
        """Whether a word for items or a primary value stands behind, or nothing else is said in the clause."""
        after = self.marked[end:]
        if _NOUN_AFTER.match(after) or NOUN in self.marked[start:end]:
            return True
        if any(
            hit.facet == self.vocabulary.primary
            and hit.kind == "value"
            and (0 <= hit.start - end <= 1 or 0 <= start - hit.end <= 1)
            for hit in self.hits
        ) or self.marked[:start].endswith((f"{NOUN} ", f"{NOUN}s ")):
            return True
        begin = max((match.end() for match in _CLAUSE.finditer(self.marked, 0, start)), default=0)
        stop = _CLAUSE.search(after)
        rest = self.marked[begin:start] + " " + after[: stop.start() if stop else len(after)]
        return _ALONE.fullmatch(rest) is not None

    def _names(self) -> None:
        names, longest = self.vocabulary.names, self.vocabulary.longest
        at = 0
        while at < len(self.found):
            for size in range(min(longest, len(self.found) - at), 0, -1):
                run = self.found[at : at + size]
                entries = names.get(tuple(word.key for word in run))
                if entries and self._adjacent(run) and self._name(run, entries):
                    at += size - 1
                    break
            at += 1

    def _adjacent(self, run: Sequence[Word]) -> bool:
        return all(not re.search(r"[^\s'’.&-]", self.text[left.end : right.start]) for left, right in pairwise(run))

    def _name(self, run: Sequence[Word], entries: Sequence[Value]) -> bool:
        start, end = run[0].start, run[-1].end
        if any(self.covered[start:end]):
            return False
        before = self.marked[max(0, start - _DISTANT) : start]
        facets = {entry.facet for entry in entries}
        cued = cue_facet(self.vocabulary, before, facets) or self._by_what_they_do(end, facets)
        domain, key = self.vocabulary.domain, [word.key for word in run]
        chosen = [entry for entry in entries if entry.facet == cued] or sorted(entries, key=lambda own: -own.count)
        for entry in chosen:
            facet = domain.facets.get(entry.facet)
            kind = facet.kind if facet is not None else "category"
            everyday = all(len(part) <= 2 or part in common_words() for part in key)
            if kind == "person":
                fits = len(key) > 1 or (cued is not None and not everyday and run[0].capital)
            elif entry.facet == self.vocabulary.primary:
                # "Before the war" is no wish for war.
                told = (
                    everyday and len(key) == 1 and before.endswith("the ") and not _NOUN_AFTER.match(self.marked[end:])
                )
                fits = len("".join(key)) > 2 and not told and not (everyday and not self._asked_for(start, end, entry))
                fits = fits and not self._ends_a_name(run)
            elif self._is_open(entry.facet) and NOUN in self.marked[start:end]:
                continue  # a tag that is a word for any item says nothing
            elif self._is_open(entry.facet):
                subject = _SUBJECT_CUE.search(before) is not None
                primary = self.vocabulary.primary
                narrows = any(hit.facet == primary and 0 <= hit.start - end <= 1 for hit in self.hits)
                fits = (subject or narrows or _NOUN_AFTER.match(self.marked[end:]) is not None) and (
                    len(key) > 1
                    or not everyday
                    or subject
                    or narrows
                    or self._often(entry, key, self.marked[start:end])
                )
                fits = fits or (cued == entry.facet and (not everyday or run[0].capital)) or self._ends_a_name(run[1:])
            elif (everyday and len(key) == 1) or len("".join(key)) < 3:
                plain = cued is not None and cued == entry.facet and self._cue_is_plain(entry.facet, before)
                fits = plain or self._bounds(entry.facet, start, end)
            else:
                fits = cued is not None or self._beside(start, end) or self._bounds(entry.facet, start, end)
            if fits:
                return self._take(Hit("value", start, end, entry.facet, (entry.name,)))
        return False

    def _ends_a_name(self, run: Sequence[Word]) -> bool:
        """Whether a primary value is the end of a longer name that people tag: the war of "cold war"."""
        place = self.found.index(run[0]) if run else 0
        if not place or not any(own.facet == self.vocabulary.primary for own in self._entries(run)):
            return False
        longer = [self.found[place - 1], *run]
        return self._adjacent(longer) and any(self._is_open(own.facet) for own in self._entries(longer))

    def _entries(self, run: Sequence[Word]) -> Sequence[Value]:
        return self.vocabulary.names.get(tuple(word.key for word in run), ())

    def _bounds(self, facet: str, start: int, end: int) -> bool:
        """Whether a value of an order stands where all up to it are meant, or behind it "rated": "PG-13 at most"."""
        known = self.vocabulary.domain.facets.get(facet)
        if known is None or not known.order:
            return False
        before, behind = self.marked[:start], self.marked[end:]
        if UP_TO.search(before) or OR_LESS.match(behind) or re.match(r"[ -]rated\b", behind):
            return True
        return self.text[start:end].isupper() and not self.shouting and self._beside(start, end)

    @staticmethod
    def _often(entry: Value, key: Sequence[str], said: str) -> bool:
        """Whether users wrote an everyday word often enough that it names a kind: "superhero stories"."""
        return entry.count >= OFTEN and len(key[0]) > LONG and key[0] not in NO_SUBJECT and NOUN not in said

    def _asked_for(self, start: int, end: int, entry: Value) -> bool:
        """Whether an everyday word is meant as a value: always, unless users fill the facet as they like."""
        if not self.vocabulary.filled:
            return True
        said = self.folded[start:end]
        if entry.count < OFTEN or any(_FUNCTION.fullmatch(word) for word in (said, *said.split())) or NOUN in said:
            return False
        behind = re.match(rf"[\s-]+(?:{NOUN}+s?|ones?)\b", self.marked[end:]) is not None
        return behind or self._beside(start, end)

    def _cue_is_plain(self, facet: str, before: str) -> bool:
        """Whether what stands before is a cue of ``facet`` alone ("rated"), and no preposition that many share."""
        match = self.vocabulary.cues[facet].search(before)
        return match is not None and match.group().strip() not in ("from", "with", "by", "in", "of", "has")

    def _is_open(self, facet: str) -> bool:
        return facet in self.vocabulary.open_facets

    def _people(self) -> None:
        """People by their last name, or with typing errors."""
        for place, word in enumerate(self.found):
            if any(self.covered[word.start : word.end]) or len(word.key) < 4:
                continue
            everyday = word.key in common_words()
            if everyday and not word.capital:
                continue
            before = self.marked[max(0, word.start - _DISTANT) : word.start]
            particle = _PARTICLE.search(before)
            before = before[: particle.start()] if particle is not None else before
            begin = word.start if particle is None else word.start - len(particle.group())
            inner = (
                particle is None
                and bool(place)
                and self.found[place - 1].capital
                and word.start - self.found[place - 1].end == 1
            )
            if inner and place > 1:
                continue  # "Bill Hitchcock" is somebody else
            known = {entry.facet for key in (word.key, word.key.removesuffix("s")) for entry in self._lone(key)}
            cued = cue_facet(self.vocabulary, before, known)
            if cued is None and _DID.search(before):
                cued = self._by_what_they_do(word.end, known)
            kin = _KIN.match(self.text, word.end)
            if everyday and not cued:
                continue
            following = self.found[place + 1] if place + 1 < len(self.found) else None
            if (
                following is not None
                and following.capital
                and following.start - word.end == 1
                and not any(self.covered[following.start : following.end])
                and not self.marked[following.start :].startswith(NOUN)
            ):
                continue  # "James Bond"
            by = cued is not None or before.endswith(_BY_OR_FROM)
            sure = by and word.capital and not self.shouting and not everyday
            mine = self.vocabulary.surnamed(word.key, 1 if sure else OFTEN, cued)
            if kin:
                mine = mine[:1]
            several = tuple(dict.fromkeys(entry.name for entry in mine))
            if not mine or not (cued or kin or (len(several) == 1 and self._person_meant(word, begin, before, mine))):
                continue
            mine = [entry for entry in mine if entry.name == several[0]]
            most = max(entry.count for entry in mine)
            often = [entry for entry in mine if 3 * entry.count >= most]
            order = list(self.vocabulary.domain.facets)
            main = min(often, key=lambda entry: order.index(entry.facet) if entry.facet in order else len(order))
            best = next((e for e in mine if e.facet == cued), main)
            end = kin.end() if kin else word.end
            self._take(Hit("value", begin, end, best.facet, several, either=len(several) > 1))
        if self.shouting:
            return
        for word in self.found:
            start = word.start - len(_BY_OR_FROM[0])
            alone = word.capital and _CAPITALS.match(self.text, word.start) is None
            if alone and word.key not in common_words() and self.folded[: word.start].endswith(_BY_OR_FROM[0]):
                self._take(Hit("subject", start, word.end))  # "by Ozu", of whom nothing is known
        for match in _CAPITALS.finditer(self.text):
            start, end = match.span("name")
            first = match["name"].split()[0].casefold()
            if any(self.covered[start:end]) or first in _NOT_FIRST:
                continue
            near = self.vocabulary.person(self.folded[start:end])
            if near:
                cued = cue_facet(
                    self.vocabulary, self.marked[max(0, start - _DISTANT) : start], {entry.facet for entry in near}
                )
                best = next((e for e in near if e.facet == cued), max(near, key=lambda entry: entry.count))
                self._take(Hit("value", start, end, best.facet, (best.name,)))
            elif not all(word in common_words() for word in self.folded[start:end].split()):
                self._take(Hit("subject", start, end))
        for match in chain(_SUBJECT.finditer(self.marked), _BY.finditer(self.marked)):
            if match["cue"] in ("about", "without") or match["cue"].startswith(("set", "take")):
                continue
            start = match.start("name")
            two = re.match(r"[^\W\d_][\w'-]+ [^\W\d_][\w'-]+(?: [^\W\d_][\w'-]+)?", self.folded[start:])
            if two is None or any(self.covered[start : start + two.end()]):
                continue
            for spelled in (two.group(), " ".join(two.group().split()[:2])):
                if all(word in common_words() for word in spelled.split()):
                    continue
                near = self.vocabulary.person(spelled)
                if near:
                    cued = cue_facet(self.vocabulary, self.marked[:start], {entry.facet for entry in near})
                    best = next((e for e in near if e.facet == cued), max(near, key=lambda entry: entry.count))
                    self._take(Hit("value", start, start + len(spelled), best.facet, (best.name,)))
                    break

    def _by_what_they_do(self, end: int, facets: Collection[str]) -> str | None:
        """The facet that the verb behind a name tells: "did Tarantino write ...?"."""
        verb = _VERB.match(self.folded, end)
        if verb is None:
            return None
        if verb["verb"] in ANY_WORK:
            return next((name for name in self.vocabulary.domain.facets if name in facets), None)
        facet = self.vocabulary.facet_of(verb["verb"])
        return facet if facet in facets else None

    def _lone(self, key: str) -> Sequence[Value]:
        return self.vocabulary.lone.get(key, ())

    def _person_meant(self, word: Word, begin: int, before: str, entries: Sequence[Value]) -> bool:
        """Whether a last name stands where a wish or a taste does: "more scorsese", "I love Tarantino"."""
        if _NOUN_AFTER.match(self.marked[word.end :]) or self._beside(begin, word.end) or _REFUSED.search(before):
            return True
        primary = self.vocabulary.primary
        if any(
            hit.facet == primary
            and 0 <= hit.start - word.end <= 3
            and not re.search(r"[,.;:!?]", self.folded[word.end : hit.start])
            for hit in self.hits
        ):
            return True
        known = sum(entry.count for entry in entries) >= WELL_KNOWN
        said = self.folded[word.start : word.end]
        return (word.capital or known) and (_FOND.search(before) is not None or said.endswith("'s"))

    def _moods(self) -> None:
        for pattern in (self.vocabulary.undecidable, self.vocabulary.moods):
            if pattern is not None:
                for match in pattern.finditer(self.folded):
                    self._take(Hit("mood", *match.span()))

    def _narrowed(self) -> None:
        """What a value is narrowed to in words that nobody listed: "biographies of musicians"."""
        for hit in [own for own in self.hits if own.kind == "value" and own.facet == self.vocabulary.primary]:
            match = _OF.match(self.marked, hit.end)
            if match is not None and NOUN not in match["what"]:
                self._take(Hit("subject", *match.span("what")))

    def _qualities(self) -> None:
        for start, end in qualities(self.marked):
            self._take(Hit("subject", start, end))

    def _subjects(self, cues: tuple[str, ...]) -> None:
        """Subjects that no value decides, behind one of ``cues``: "about space travel", "set on a submarine"."""
        for match in _SUBJECT.finditer(self.marked):
            start, end = match.span("name")
            if match["cue"] == "from" and _NOT_FROM.match(match["name"]):
                continue
            if match["cue"] == "about" and _PROPOSES.search(self.marked[: match.start()]):
                continue
            about = match["cue"].startswith(_ABOUT)
            if not match["cue"].startswith(cues):
                continue
            inside = sorted((hit for hit in self.hits if start <= hit.start < end), key=lambda hit: hit.start)
            if inside:
                behind = max(hit.end for hit in inside)
                rest = re.match(r"\W*(?:of|in|at|on) (?:the )?(?P<rest>\w{3,}(?: \w{3,})?)$", self.marked[behind:end])
                if about and rest is not None:  # "about the history of Rome"
                    self._take(Hit("subject", behind + rest.start("rest"), behind + rest.end("rest")))
                end = inside[0].start
            name = self.marked[start:end].rstrip(" ,'-")
            while (last := name.rsplit(" ", 1))[-1] in _HEADS and len(last) == 2:
                name = last[0]
            if not _QUANTITY.sub("", name.rstrip() + " ").strip() or re.fullmatch(N, name):
                continue
            begin = match.start("cue") if about or match["cue"] == "from" else start
            if any(self.covered[start : start + len(name)]):
                continue
            self._take(Hit("subject", begin, start + len(name)))
