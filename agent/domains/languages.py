"""Tongues: which language a message is in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.text import common_words, flat, word_set

# Words that are frequent in one language and hardly ever English: short messages are told apart by these far more
# surely than by letter statistics.
_FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    "en": word_set(
        """
        the a an of to for with like something anything i i'm i've you it is are was and or but not no from in on what
        that this want would please movie movies films any good my me show give some more less than about seen loved
        can do have hi hello thanks one ones these those
        """
    ),
    "de": word_set(
        """
        ich und oder aber nicht kein keine keinen ein eine einen der das den dem mit ohne wie etwas ist sind mir mich
        bitte danke filme aus von fur zu auch was gibt hast du gerne mochte suche uber heute abend lustig lustigen
        lustiges lustige guten gute gut schon gesehen empfehlen empfiehl sehr hallo guck gucken zum zur hab habe
        """
    ),
    "fr": word_set(
        """
        je tu un une des le les et ou mais pas avec sans comme quelque chose est suis moi mon ma mes s'il vous plait
        bonjour bonsoir merci pour du de films plus que quel quelle qu'est-ce j'ai j'aime j'aimerais cherche veux
        voudrais aime adore vu dans annees drole bon bonne ce soir sur salut recommande recommandez
        """
    ),
    "es": word_set(
        """
        yo tu un una unos unas el los las y pero con sin como algo es por para que quiero gracias hola pelicula
        peliculas mas del de la me gusta gusto encanta encanto gustan busco favor una recomienda recomiendame anos
        buena bueno ver he visto alguna algun sobre esta noche puedes muy
        """
    ),
    "it": word_set(
        """
        io un uno una il lo gli e ma con senza come qualcosa che per di della del voglio vorrei grazie ciao anni
        mi piace piaciuto consiglia consigliami cerco bello bella buon da vedere visto stasera sono piu
        commedia divertente non
        """
    ),
    "pt": word_set(
        """
        eu um uma uns umas o os as e mas com sem como algo que por para quero obrigado obrigada ola filme filmes mais
        do da de gosto gostei adoro procuro favor recomenda recomende bom boa ver visto voce nao anos sobre hoje
        """
    ),
    "nl": word_set(
        """
        ik een het de en maar niet geen met zonder zoals iets van voor bedankt hallo graag zoek wil uit jaren leuke
        goede ook mij wat vind heb gezien dat kun kan je over spannende grappige
        """
    ),
    "sv": word_set("jag en ett och inte med utan som nagot till tack hej film filmer fran vill ha kan du rolig bra"),
    "da": word_set("jeg en et og ikke med uden som noget til tak hej film fra vil gerne kan du sjov god har"),
    "pl": word_set("ja i nie z bez jak cos dla dziekuje prosze film filmy chce jest sie lubie podobnego polec na do"),
    "tr": word_set("ben bir ve ama degil ile gibi film istiyorum bana icin tesekkurler lutfen oner misin guzel var"),
    "fi": word_set("mina ja ei kuin jotain elokuva elokuvia haluan kiitos hei hyva suosittele on"),
    "cs": word_set("ja a ne s bez jako neco film filmy chci dekuji prosim je nebo ale doporuc dobry"),
    "ro": word_set("eu un o si nu cu fara ca ceva film filme vreau multumesc va rog este sau dar"),
    "id": word_set("saya dan tidak dengan tanpa seperti sesuatu film mau terima kasih tolong yang atau tapi bagus"),
}
_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("uk", re.compile(r"[іїєґ]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def language(text: str) -> str:
    """The language of ``text`` as ISO 639-1, told by its script or by its function words; "en" where nothing tells.

    A language other than English must have more of its function words in the message than English has, and two of them
    unless the message is of at most three words.
    """
    folded = flat(text)
    letters = [c for c in text if c.isalpha()]
    for code, script in _SCRIPTS:
        own = len(script.findall(text.casefold()))
        if own and (2 * own >= len(letters) or (code in ("ja", "uk") and not text.isascii() and _mostly(text))):
            return code
    found = [match.group() for match in _WORD.finditer(folded)][:60]
    if not found:
        return "en"
    # What is an everyday English word as well ("die", "was", "on") tells nothing.
    telling = [word for word in found if len(word) > 1 and word not in common_words()]
    counts = {code: sum(word in own for word in telling) for code, own in _FUNCTION_WORDS.items() if code != "en"}
    # The order of the table breaks ties: the more widely spoken language first.
    best = max(counts, key=lambda code: counts[code])
    english = sum(word in _FUNCTION_WORDS["en"] and word not in _FUNCTION_WORDS[best] for word in found)
    needed = 1 if len(found) <= 3 and not _FUNCTION_WORDS["en"] & set(found) else 2
    return best if counts[best] >= needed and counts[best] > english else "en"


def _mostly(text: str) -> bool:
    """Whether most letters are of no Latin alphabet."""
    letters = [c for c in text if c.isalpha()]
    return 2 * sum(ord(c) > 0x24F for c in letters) >= len(letters)
