"""Tongues: which language a message is in, and the words of wishes in a few languages besides English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from agent.text import flat, word_set

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

_GLOSSES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "de": (
        (r"komodien?", "comedy"),
        (r"(?:lustig|witzig)(?:e[sn]?|er)?", "funny"),
        (r"krimis?", "crime"),
        (r"liebes(?:film|geschichte|komodie)e?n?|romantische[sn]?", "romantic"),
        (r"zeichentrick\w*|animations\w*", "animated"),
        (r"horrorfilme?n?|gruselfilme?n?", "horror"),
        (r"actionfilme?n?", "action"),
        (r"kriegsfilme?n?", "war movie"),
        (r"dramen", "dramas"),
        (r"dokumentar(?:film)?e?n?|dokus?", "documentary"),
        (r"kinderfilme?n?", "kids movie"),
        (r"(?:etwas|was) (?:so )?(?:wie|ahnlich(?:es)? wie)|(?:ahnlich|so) wie|wie", "something like"),
        (r"kein(?:e[nrms]?)?|nicht|bitte kein\w*", "no"),
        (r"ohne", "without"),
        (r"(?:neuer|aktueller)(?:e[nrs]?)?(?: als)?", "newer than"),
        (r"(?:alter|altere[nrs]?)(?: als)?", "older than"),
        (r"aus den (\d0)e?rn?(?: jahren)?", r"from the \1s"),
        (r"(?:aus den |aus den )?(\d0)er(?: jahre\w*)?", r"\1s"),
        (r"vor (\d{4})", r"before \1"),
        (r"nach (\d{4})", r"after \1"),
        (r"ich (?:mag|liebe)|ich mochte", "i love"),
        (r"ich hasse", "i hate"),
        (r"geliebt|gefallen|super|toll", "loved it"),
        (r"(?:schon )?gesehen", "seen it"),
        (r"empfiehl\w*|empfehl\w*|suche|mochte|schlag", "recommend"),
        (r"und", "and"),
        (r"oder", "or"),
        (r"aber", "but"),
        (r"danke(?: schon)?", "thanks"),
        (r"bitte", "please"),
        (r"hallo|guten (?:tag|abend|morgen)", "hello"),
    ),
    "fr": (
        (r"comedies?", "comedy"),
        (r"drole|marrant", "funny"),
        (r"romantiques?|d'amour", "romantic"),
        (r"(?:dessins? anime|film d'animation|animation)s?", "animated"),
        (r"(?:film )?d'horreur|horreur|qui fait peur", "horror"),
        (r"(?:film )?d'action", "action"),
        (r"policiers?|polars?", "crime"),
        (r"(?:film )?de guerre", "war movie"),
        (r"drames?", "drama"),
        (r"documentaires?", "documentary"),
        (r"science[ -]fiction", "science fiction"),
        (r"pour (?:les )?enfants|en famille", "for kids"),
        (r"quelque chose comme|comme|dans le (?:genre|style) de|semblable a", "something like"),
        (r"pas (?:de |d')?|aucun(?:e)?|plus de", "no "),
        (r"sans", "without"),
        (r"plus recents?(?: que)?", "newer than"),
        (r"plus anciens?(?: que)?|plus vieux(?: que)?", "older than"),
        (r"(?:des )?annees (\d0)", r"from the \1s"),
        (r"avant (\d{4})", r"before \1"),
        (r"apres (\d{4})", r"after \1"),
        (r"j'ai (?:adore|aime|beaucoup aime)|j'(?:adore|aime)", "i loved"),
        (r"j'ai deteste|je deteste", "i hated"),
        (r"j'ai (?:deja )?vu", "i have seen"),
        (r"(?:je )?(?:cherche|voudrais|veux|recommand\w+|conseill\w+)|j'aimerais", "recommend"),
        (r"et", "and"),
        (r"ou", "or"),
        (r"mais", "but"),
        (r"merci(?: beaucoup)?", "thanks"),
        (r"bonjour|bonsoir|salut", "hello"),
    ),
    "es": (
        (r"comedias?", "comedy"),
        (r"(?:graciosa|divertida|graciosas|divertidas|divertido)", "funny"),
        (r"romantic[ao]s?|de amor", "romantic"),
        (r"animad[ao]s?|de animacion|dibujos animados", "animated"),
        (r"(?:de )?terror|(?:de )?miedo", "horror"),
        (r"(?:de )?accion", "action"),
        (r"(?:de )?crimen|policiac[ao]s?", "crime"),
        (r"(?:de )?guerra", "war movie"),
        (r"dramas?", "drama"),
        (r"documentales?|documental", "documentary"),
        (r"ciencia ficcion", "science fiction"),
        (r"para ninos|infantil(?:es)?|en familia", "for kids"),
        (r"(?:algo )?(?:como|parecid[ao] a|similar a|al estilo de)", "something like"),
        (r"no quiero|nada de|que no sea|no", "no"),
        (r"sin", "without"),
        (r"mas (?:reciente|nuev[ao])s?(?: que)?", "newer than"),
        (r"mas (?:antigu|viej)[ao]s?(?: que)?", "older than"),
        (r"de los(?: anos)? (\d0)|(?:los )?anos (\d0)", r"from the \1\2s"),
        (r"antes de (\d{4})", r"before \1"),
        (r"despues de (\d{4})", r"after \1"),
        (r"me (?:encanto|encantan|encanta|gusto(?: mucho)?|gusta|gustan)", "i loved"),
        (r"odi[oe]", "i hated"),
        (r"(?:ya )?(?:he visto|vi)", "i have seen"),
        (r"recomienda(?:me)?|quiero|busco|quisiera", "recommend"),
        (r"y", "and"),
        (r"o", "or"),
        (r"pero", "but"),
        (r"gracias", "thanks"),
        (r"hola|buenos dias|buenas(?: tardes| noches)?", "hello"),
    ),
    "it": (
        (r"commedi[ae]", "comedy"),
        (r"divertent[ei]", "funny"),
        (r"romantic[aoi]|d'amore", "romantic"),
        (r"animat[aoi]|d'animazione|cartoni", "animated"),
        (r"(?:d')?orrore|di paura", "horror"),
        (r"d'azione|azione", "action"),
        (r"poliziesc[oai]|gialli?o?", "crime"),
        (r"di guerra", "war movie"),
        (r"drammi|dramma|drammatic[oai]", "drama"),
        (r"documentari?o?", "documentary"),
        (r"fantascienza", "science fiction"),
        (r"per bambini", "for kids"),
        (r"(?:qualcosa )?(?:come|simile a|tipo)", "something like"),
        (r"non voglio|niente|non|nessun[oa]?", "no"),
        (r"senza", "without"),
        (r"piu recent[ei](?: di)?|piu nuov[oai](?: di)?", "newer than"),
        (r"piu vecchi[oai]?(?: di)?", "older than"),
        (r"(?:degli )?anni '?(\d0)", r"from the \1s"),
        (r"mi e piaciut[oa](?: molto)?|mi piace|adoro|amo", "i loved"),
        (r"odio|ho odiato", "i hated"),
        (r"ho (?:gia )?visto", "i have seen"),
        (r"consiglia(?:mi)?|vorrei|voglio|cerco", "recommend"),
        (r"ed?", "and"),
        (r"oppure", "or"),
        (r"ma", "but"),
        (r"grazie(?: mille)?", "thanks"),
        (r"ciao|buongiorno|buonasera", "hello"),
    ),
    "pt": (
        (r"comedias?", "comedy"),
        (r"engracad[ao]s?", "funny"),
        (r"romantic[ao]s?|romances?", "romantic"),
        (r"animac(?:ao|oes)|desenhos?", "animated"),
        (r"(?:de )?terror", "horror"),
        (r"(?:de )?acao", "action"),
        (r"(?:de )?guerra", "war movie"),
        (r"documentarios?", "documentary"),
        (r"ficcao cientifica", "science fiction"),
        (r"(?:algo )?(?:como|parecido com)", "something like"),
        (r"nao quero|nada de|nao", "no"),
        (r"sem", "without"),
        (r"dos anos (\d0)|anos (\d0)", r"from the \1\2s"),
        (r"(?:eu )?(?:gostei(?: muito)? de|adorei|adoro|gosto de)", "i loved"),
        (r"odeio|odiei", "i hated"),
        (r"ja vi", "i have seen"),
        (r"recomend\w+|quero|procuro", "recommend"),
        (r"ou", "or"),
        (r"mas", "but"),
        (r"obrigad[oa]", "thanks"),
        (r"ola|bom dia|boa noite", "hello"),
    ),
    "nl": (
        (r"komedies?", "comedy"),
        (r"grappig[e]?", "funny"),
        (r"romantische?", "romantic"),
        (r"tekenfilms?", "animated"),
        (r"griezelfilms?|horrorfilms?", "horror"),
        (r"actiefilms?", "action"),
        (r"misdaad(?:film)?s?", "crime"),
        (r"oorlogsfilms?", "war movie"),
        (r"documentaires?", "documentary"),
        (r"(?:iets )?(?:zoals|als)", "something like"),
        (r"geen|niet", "no"),
        (r"zonder", "without"),
        (r"(?:uit )?de jaren (?:'|)(\d0)|jaren (\d0)", r"from the \1\2s"),
        (r"ik (?:hou van|vond)", "i loved"),
        (r"ik haat(?:te)?", "i hated"),
        (r"gezien", "seen it"),
        (r"zoek|wil graag|wil", "recommend"),
        (r"en", "and"),
        (r"of", "or"),
        (r"maar", "but"),
        (r"bedankt|dank je(?: wel)?", "thanks"),
    ),
}  # fmt: skip


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
    counts = {code: sum(word in own for word in found) for code, own in _FUNCTION_WORDS.items() if code != "en"}
    # The order of the table breaks ties: the more widely spoken language first.
    best = max(counts, key=lambda code: counts[code])
    english = sum(word in _FUNCTION_WORDS["en"] and word not in _FUNCTION_WORDS[best] for word in found)
    needed = 1 if len(found) <= 3 and english == 0 else 2
    return best if counts[best] >= needed and counts[best] > english else "en"


def _mostly(text: str) -> bool:
    """Whether most letters are of no Latin alphabet."""
    letters = [c for c in text if c.isalpha()]
    return 2 * sum(ord(c) > 0x24F for c in letters) >= len(letters)


@cache
def _expressions(code: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(rf"(?<![\w'])(?:{pattern})(?![\w])"), english) for pattern, english in _GLOSSES.get(code, ())
    )


def gloss(text: str, code: str) -> str:
    """``text`` with those words of wishes that are known in the language ``code`` replaced by English ones."""
    if code not in _GLOSSES:
        return text
    text = flat(text)
    for pattern, english in _expressions(code):
        text = pattern.sub(english, text)
    return text
