"""Title cues: the words around a title that tell that it is one."""

from __future__ import annotations

import re

from agent.domains.domain import ANY_NOUN
from agent.text import word_set

SMALL = word_set(
    """
    the a an and or of in on to for from with at by as is it its but not no de la le les el il du des der di
    da
    """
)
PRONOUNS = word_set(
    """
    i me my you your we us they them he him she her it its this that these those one ones do did does done have has had
    can will would lol ok okay yes no hi hello hey more next other others all some any same so too well now then
    there here
    what who why how when where 1 2 thanks please sure great perfect good nice cool never ever always again always like
    thank bye goodbye im ive oh wow yeah loved liked not but and very really
    """
)
"""Words of which no title is made that is only meant by chance."""
QUOTED = re.compile(
    r'"([^"\n]{1,100})"|(?<!\w)\'([^\'\n]{1,60}(?:\'\w[^\'\n]{0,40})?)\'(?!\w)|'
    r"[“«„]([^”»“\n]{1,100})[”»“]"
)
BEFORE = re.compile(
    r"(?:\b(?:like[ds]?|loved?|loves|loving|enjoy(?:ed|s)?|adored?|hate[ds]?|dislike[ds]?|detest(?:ed)?|loathed?|"
    r"(?:re-?)?watch(?:ed|ing)?|saw|see|seen|finished|prefer(?:red)?|called|titled|named|remember|recommend(?:ed)?|"
    r"unlike|rate|rated|gave|give|including|such as|as in|and not|but not|similar to|fans? of|tired of|thought|"
    r"(?:stars?|/ ?5|/ ?10|out of (?:5|five|10|ten)) (?:for|to)|"
    rf"favou?rites?(?: (?:{ANY_NOUN}|ones?))?(?: of all time)?(?: (?:is|are|was|were))?|"
    r"(?:vein|style|spirit|lines|vibe|mood|tone|reminiscent|version|original|director|author|writer|makers?|"
    r"creators?) of|"
    r"the original|"
    rf"(?:{ANY_NOUN}) like|"
    rf"the (?:{ANY_NOUN})|care for|stand|bored by|sequel to|disappointed by|about the (?:{ANY_NOUN})|[1-5] (?:for|to)|"
    rf"(?:like|love|loved|hated|enjoyed|watched) (?:both|also|mostly|only))|\b(?:{ANY_NOUN}|"
    r"favou?rites?|liked?|seen|watched)\s*:)"
    r"\s*[\"'“‘(*_]*(?P<article>(?:the |an? )?)$"
)
WATCHED = re.compile(
    r"\b(?:love[ds]?|loved|loving|enjoy(?:ed|s)?|adored?|hate[ds]?|disliked?|detest(?:ed)?|"
    r"(?:re-?)?watch(?:ed|ing)?|saw|see|"
    r"seen|finished|prefer(?:red)?|called|titled|named|recommend(?:ed)?|check(?:ed)? out|heard of|similar to|fans? of|"
    rf"sequel to|(?:{ANY_NOUN}|something|anything|stuff|ones?|things?|titles?) like|"
    r"such as|played|read)"
    rf"(?: (?:both|also|mostly|only|all|even))?\s*[\"'“‘(*_]*(?:(?:the|an?|original|first|new|old|{ANY_NOUN}) )*$"
)
"""Before what somebody watched, read or liked: stronger than :data:`BEFORE`."""
ASKED = re.compile(
    r"(?:^|[.?!,;] |\b(?:and|so|but|ok|well) )(?:who (?:directed|wrote|made|[\w' ]{2,30} in)|"
    r"what(?:'s| is| was)(?: the (?:plot|story|cast|length|ending) of)?|when (?:was|is|did)|how (?:long|old|good|scary|"
    r"violent|sad|funny|popular) (?:is|was)|where can i (?:watch|find|see|get)|is|was|does|did|tell me (?:more )?about|"
    r"describe|(?:have you|do you) (?:got|have|know)|what happens in|what about)[\s\"'“‘]+(?:the |an? )?$"
)
"""Before what a question is about."""
COUNTED = re.compile(r"\b(?:from|to|of|than|top|for|in|at|after|before|under|over|until|by|number) $")
NO_CUE = re.compile(
    r"(?:would|'d|feels?|looks?|sounds?|seems?|felt|looked|do you|don't|wanna|want to)\s+(?:like|"
    r"see|love)\s*$"
)
END = re.compile(
    r"[\s\"'”’*_]*(?:$|[.,;:!?)/\n]|-\s|\((?:18|19|20)\d\d|"
    r"(?:but|was|were|because|so much|too much|a lot|very much|yesterday|last|again|twice|when|though|although|"
    r"tonight|recently|already|please|instead|too$|is (?:my|great|so|too|good|the best|one of)|"
    r"and (?:i|it|the|hated|loved|liked|also|want|something|anything|need|then|now)\b|or something|"
    r"i\b|it\b|thanks?\b|have\b|which\b|yeah\b|too\b|with\b|on\b|"
    r"\d(?:\.\d)? ?/|\d stars?|\d out of)(?!\w))"
)
JUDGED = re.compile(
    r"[\s\"'”’]*(?:was|were|is (?:an? )?(?:awesome|amazing|fantastic|good|funny|hilarious|excellent|"
    r"wonderful|favou?rite|classic|masterpiece)|sucked|sucks|rocks|rocked|bored|blew|put me|left me|"
    r"made me|is (?:my|"
    r"so|too|great|good|awful|"
    r"boring|one of|the best|"
    r"brilliant|amazing|overrated|terrible|an? (?:great|good|masterpiece|classic|favou?rite|must)))\b"
    r"|\s*[:=-]?\s*\d(?:\.\d)?\s*(?:/|stars?\b|out of)"
)
STYLE = re.compile(r"[\s\"'”’]*-?\s?(?:like|style|esque|type|ish|vibes?)\b")
YEAR = re.compile(r"\s*[(\[]?(?:18|19|20)\d\d\b")
YEAR_BEFORE = re.compile(rf"\b(?:18|19|20)\d\d(?:'s)? (?:(?:{ANY_NOUN}) )?(?:the |an? )?$")
ERA = re.compile(
    rf"\s*,? (?:the )?(?:(?:one|version|{ANY_NOUN}) )?(?:from|of) (?:the )?(?:early |mid |late |"
    r"mid-)?(?:'?\d0s|(?:18|19|20)\d\d|\w+ies\b)"
)
PLACE = re.compile(
    r"\b(?:in|on|at|from|by|with|for|to|starring|featuring|director|my|until|near|around|"
    r"every)\s+(?:\w+ (?:or|and) )?$"
)
LIST = re.compile(
    r"\s*[\"'”’]?\s*(?:\((?:18|19|20)\d\d\))?\s*(?:,|\bvs\b\.?|\bversus\b|;|/|&|\band\b|\bor\b|\bnor\b|\n)+\s*(?:and |"
    r"or |also )?[\"'“‘]?\s*$"
)
ALL = re.compile(r"[\s,;/&.!?\n\"'“”-]*(?:(?:and|or|the|please|maybe)\b[\s,;/&.!?\n]*)*$")
