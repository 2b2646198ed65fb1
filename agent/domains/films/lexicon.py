"""Lexicon: the words of wishes. Genres that a catalogue can decide, moods that it cannot, and small words between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from agent.text import word_set

# Genre -> what people call it, as regular expressions over folded text. A hyphen or a space in a phrase stands for
# either, or for nothing. Only clear words: "gangsters" or "space" are left to the language model.
GENRES: dict[str, tuple[str, ...]] = {
    "Action": ("action(?: ?packed)?", "action(?: |-)?(?:flick|film|movie)s?", "actioners?", "shoot ?em ?ups?"),
    "Adventure": ("adventures?", "swashbucklers?", "swashbuckling"),
    "Animation": ("animations?", "animated", "cartoons?", "anime"),
    "Children": (
        r"children(?:'?s)?(?= (?:film|movie|story|stories|stuff|show|book|animation|cartoon)|"
        r"[ ,.;!?]*$|,|\.| please)",
        r"(?:for|with) (?:the |my |our |your |some |small |little |young |two |three )*(?:kids?|"
        r"kiddos?|children|toddlers?|family)"
        r"|(?:for|with) the (?:whole|entire) family",
        r"kids?'? ?(?:film|movie|flick|stuff|show|cartoon|animation)s?|kids'|kids?(?: |-)?friendly|"
        r"child(?:ren)?(?: |-)?friendly",
        r"family(?: |-)(?:friendly|film|movie|flick|fun|night|viewing|comed(?:y|ies)|adventures?|animations?)s?",
        r"for (?:a|my|our) (?:\w+ )?\d{1,2}(?: |-)years?(?: |-)olds?",
    ),
    "Comedy": (
        "comed(?:y|ies|ic)",
        "funny|funnier|funniest|hilarious|humou?rous",
        "make(?:s)? (?:me|us) (?:laugh|giggle)(?: out loud)?|(?:good|big) laughs?|a laugh|laugh out loud|have a laugh",
        "spoofs?|sitcoms?|slapstick|farces?",
    ),
    "Crime": ("crime", "crimes (?:film|movie)s?", "crime capers?"),
    "Documentary": ("documentar(?:y|ies)", "docs?", "docus?", "docu ?mentar(?:y|ies)"),
    "Drama": ("dramas?", "melodramas?"),
    "Fantasy": ("fantas(?:y|ies)",),
    "Film-Noir": ("film(?: |-)?noirs?", "films noirs?", "noirs?", "neo(?: |-)?noirs?"),
    "Horror": (
        "horrors?",
        "scary|scarier|scariest|frightening|terrifying",
        "slashers?",
        "scares? me|(?:good|jump) ?scares?|scary stuff",
    ),
    "Musical": ("musicals?",),
    "Mystery": (
        "myster(?:y|ies)",
        "whodunn?its?",
        "who ?dunn? ?its?",
        "detectives?(?: (?:stor(?:y|ies)|film|movie)s?)?",
    ),
    "Romance": ("romances?", "romantic", "love stor(?:y|ies)"),
    "Sci-Fi": ("sci(?: |-)?fi", "science(?: |-)fiction", "scifi", "sf(?= |$|[.,])"),
    "Thriller": ("thrillers?",),
    "War": (
        "war(?: |-)?(?:film|movie|drama|stor(?:y|ie)|epic|comed(?:y|ie)|flick|stuff|picture)?s?(?= |$|[.,;!?])",
        "about (?:the |a )?(?:war|wars)",
    ),
    "Western": ("westerns?", "spaghetti westerns?"),
}

# One word that asks for several genres at once.
COMPOUNDS: dict[str, tuple[str, ...]] = {
    r"rom(?: |-)?coms?": ("Comedy", "Romance"),
    r"romantic(?: |-)comed(?:y|ies)": ("Comedy", "Romance"),
    r"dramed(?:y|ies)": ("Comedy", "Drama"),
    r"tragi(?: |-)?comed(?:y|ies)": ("Comedy", "Drama"),
}

# Other names that data sets give a genre: folded, without signs.
SAME_GENRE = {
    "childrens": "Children",
    "kids": "Children",
    "family": "Children",
    "sciencefiction": "Sci-Fi",
    "noir": "Film-Noir",
    "documentaries": "Documentary",
    "animated": "Animation",
    "musicals": "Musical",
}

MOODS: frozenset[str] = word_set(
    """
    tense suspenseful gripping thrilling exciting intense nail-biting edge-of-your-seat fast-paced slow-burning
    slow-burn slow slow-paced atmospheric moody dark darker gritty bleak grim brutal violent bloody gory
    disturbing creepy spooky eerie unsettling haunting twisted weird weirder strange bizarre surreal trippy
    mind-bending mind-blowing clever smart smarter intelligent witty thoughtful thought-provoking philosophical
    deep cerebral complex feel-good feelgood uplifting heartwarming heart-warming wholesome cosy cozy comforting
    cheerful happy happier sweet charming cute light lighter light-hearted lighthearted easy silly goofy cheesy
    campy quirky offbeat original unusual sad sadder tearjerker tear-jerker heartbreaking moving touching
    emotional melancholic nostalgic inspiring inspirational sexy steamy erotic stylish beautiful gorgeous epic
    cult underrated obscure popular famous mainstream indie independent arthouse low-budget psychological
    political satirical historical period supernatural subtitled family-oriented relaxing magical dreamy
    dreamlike raunchy sarcastic cynical serious realistic modern artsy edgy cool wild crazy mature
    """
)
"""Wishes about mood and manner, in one word: what the catalogue's data cannot decide."""

MOOD_PHRASES = (
    r"slow burn(?:ers?|ing)?",
    r"feel good",
    r"mind (?:bending|blowing)",
    r"thought provoking",
    r"edge of (?:my|your|the) seat",
    r"nail biting",
    r"fast paced",
    r"light ?hearted",
    r"heart ?(?:warming|breaking)",
    r"tear ?jerkers?",
    r"happy endings?",
    r"sad endings?",
    r"twists?(?: endings?)?",
    r"plot twists?",
    r"jump scares?",
    r"(?:based on|inspired by) (?:a |an )?(?:true stor(?:y|ies)|real events?|(?:a )?books?|(?:a )?novels?|comics?)",
    r"true stor(?:y|ies)",
    r"strong female leads?",
    r"black and white",
    r"oscar(?:s| winners?| winning| nominated)?",
    r"award winn(?:ing|ers?)",
    r"low budget",
)

PLACES: frozenset[str] = word_set(
    """
    french italian german spanish japanese korean chinese indian russian british english american swedish danish
    norwegian polish czech mexican brazilian iranian turkish irish scottish australian canadian european asian
    african scandinavian nordic hungarian greek dutch belgian hindi mandarin cantonese arabic bollywood foreign
    foreign-language
    """
)
"""Languages and countries: unknown to the data."""

FILM_NOUNS = (
    r"(?:films?|movies?|flicks?|pictures?|ones?|stuff|titles?|shows?|releases?|things?|cinema|"
    r"books?|albums?|songs?|games?)"
)

GENRE_WORDS: frozenset[str] = word_set(
    """
    action adventure adventures animation animated cartoon cartoons children kids kid family comedy comedies
    comedic funny funnier hilarious crime documentary documentaries doc docs drama dramas fantasy noir noirs
    horror horrors scary musical musicals mystery mysteries detective detectives romance romances romantic scifi
    sci fi science fiction thriller thrillers war western westerns romcom romcoms
    """
)
"""Single words that name a genre: never mended into a title, never a title just because "I like" stands before."""


def squeeze(text: str) -> str:
    """``text`` in lower case, letters and digits only."""
    return re.sub(r"[\W_]+", "", text.casefold())


@lru_cache(maxsize=8)
def genre_patterns(names: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], tuple[str, ...], bool], ...]:
    """The expressions that find genres in folded text.

    Args:
        names: the genres that the catalogue has.

    Returns:
        (expression, genres that it asks for, whether the catalogue has all of them), compounds first. Genres that the
        catalogue calls otherwise are translated; its own genres that are not in this lexicon go by their names.
    """
    own: dict[str, str] = {}
    for name in names:
        own.setdefault(squeeze(SAME_GENRE.get(squeeze(name), name)), name)
    found: list[tuple[re.Pattern[str], tuple[str, ...], bool]] = []
    for expression, wanted in COMPOUNDS.items():
        have = [own.get(squeeze(genre)) for genre in wanted]
        found.append((_whole(expression), tuple(h or w for h, w in zip(have, wanted, strict=True)), all(have)))
    for genre, expressions in GENRES.items():
        mine = own.pop(squeeze(genre), None)
        found += [(_whole(expression), (mine or genre,), mine is not None) for expression in expressions]
    for name in own.values():
        if len(squeeze(name)) >= 3:
            word = r"(?: |-)?".join(re.escape(part) for part in re.findall(r"\w+", name.casefold()))
            found.append((_whole(word + "s?"), (name,), True))
    return tuple(found)


def any_of(words: Iterable[str]) -> str:
    """An expression that matches one of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _whole(expression: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{expression})(?![\w])")
