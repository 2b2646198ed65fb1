"""Cues: the expressions that tell what a message does, over text in which words for items are marked."""

from __future__ import annotations

import re

from agent.domains.domain import ANY_LABEL


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{'|'.join(patterns)})(?![\w])")


FORGET = _any(
    r"restart|start (?:over|from scratch|again|afresh|anew|fresh|from the (?:beginning|top))|reset",
    r"begin again|from scratch",
    r"(?:clear|delete|wipe) (?:everything|all|it all)|clean slate",
    r"forget (?:everything|all (?:of )?(?:that|this)|what i (?:told you)|it all|all (?:that )?i(?:'ve)? (?:said|"
    r"told you))",
)
RESET = _any(FORGET.pattern, r"new search|something completely different")
UNDO = _any(
    r"undo(?: (?:that|this|it|the last \w+|my last \w+|please))*",
    r"go back(?: (?:one|a)(?: step)?| to (?:the )?(?:previous|last|earlier|what)\b.*)?|take (?:that|it|"
    r"the last \w+) back|"
    r"take back (?:that|what|the last)|step back|one step back",
    r"(?:forget|ignore|scratch|disregard|cancel|strike|delete|revert|remove) (?:that|this|it|my last(?: \w+)?|"
    r"what i (?:just )?(?:said|wrote|asked)|the last (?:thing|bit|message|one|part|request)(?: i (?:said|"
    r"wrote))?|that last "
    r"\w+)(?! (?:a|an|the|make|give|show))",
    r"back to (?:the )?(?:previous|last|earlier) (?:list|results?|ones?|suggestions?|ƒ+s?|set)|revert|"
    r"never ?mind(?: (?:that|it))?|i (?:didn't|did not) mean (?:that|to (?:say|send|write) that)",
)
THANKS = _any(
    r"thanks?(?: you)?|thx|ty|cheers|much appreciated|bye|goodbye|good night|see you|cya|ta|ciao|farewell|take care"
)
GREETING = re.compile(r"^\W*(?:hi+|hello+|hey+|hiya|howdy|yo|greetings|good (?:morning|evening|afternoon|day)|sup)\b")
POLITE = re.compile(
    r"\b(?:hi+|hello+|hey+|hiya|howdy|yo|greetings|good|morning|evening|afternoon|day|there|again|"
    r"thanks?|you|thx|ty|cheers|so|very|much|a|lot|"
    r"bye|goodbye|night|see|great|perfect|awesome|nice|cool|lovely|ok|okay|that's|thats|that|is|"
    r"was|all|for|now|your|the|help|appreciated|ta|cya|farewell|take|care|one|i'll|will|watch|go|with|sounds|looks|"
    r"how|are|doing|concierge|wonderful|brilliant|excellent|really|helpful|it|this|these|those|bot|everyone|mate|"
    r"it's|yes|very|later|tips?|recommendations?|suggestions?|job|done|sup|enjoy|fantastic|got|picked?|ya|tomorrow)\b|¤"
)
ASK = _any(
    r"recommend(?:ations?|ed)?|suggest(?:ions?)?|want|need|looking for|look for|find|show|give (?:me|us)",
    r"something|anything|what (?:should|can|could|to|else|would|shall)",
    r"any (?:good (?:ƒ+s?|ones?)|ideas)|watch (?:tonight|next|now|today)|in the mood",
    r"feel like|fancy|please|would like|i'd like|mood for|prefer|got any|any more|some more",
    r"do you have|have you got|surprise me|pick|choose|more(?! than)|another|others?|else|similar|next|ideas?",
    r"let's (?:try|see|watch|do)|looking to watch|hit me|keep (?:going|them coming)|ƒ+ (?:night|time)|"
    r"what's good|up for|(?:most|other) people (?:like|love|enjoy|buy|use|watch|read)|what(?:'s| is) (?:popular|"
    r"trending)",
)
ACCEPT = _any(
    r"(?:i|we)(?:'?ll| will|'d| would)? (?:take|watch|go (?:with|for)|pick|try)(?! (?:a|an|some|something|any|"
    r"to)\b)|let'?s (?:watch|go (?:with|for)|take)|¤+ it is|going with|"
    r"sold|deal|"
    r"sounds? (?:good|great|perfect)|looks? (?:good|great|perfect)|that'?s the one|¤+ then",
)
ABUSE = _any(
    r"(?:you|this|it|that|u)(?:'re| are|'s| is)? (?:\w+ ){0,3}?(?:suck(?:s|ed)?|stupid|useless|dumb|idiot|"
    "rubbish|garbage|trash|crap|shit|"
    r"terrible|awful|worst|moron|annoying|pathetic|hopeless|a joke|broken|not (?:very )?(?:smart|helpful|clever|"
    "good|listening))",
    r"(?:your|ur|these|the) (?:recommendations?|suggestions?|picks?|taste|advice|answers?) (?:are|is|r)? ?(?:\w+ "
    r"){0,2}?"
    r"(?:suck|stupid|useless|dumb|rubbish|garbage|trash|crap|shit|terrible|awful|the worst|a joke|bad)|"
    r"(?:you(?:'re| are)|this is|that'?s) (?:of )?(?:no (?:help|use)|unhelpful|not helping)|i hate (?:everything|"
    r"all of this)|kill yourself|go to hell|drop dead|i'?ll sue|fuck (?:you|off|this)|"
    r"f\*+k|wtf|shut up|piss off|screw you|"
    r"(?:you|u) (?:don'?t|do not|never) (?:listen|"
    "understand|get it|get me)|"
    r"i (?:hate|can'?t stand) (?:you|this (?:bot|app|thing|chat))|waste of time|what (?:a|the) (?:hell|heck|joke)",
)
PROFILE = _any(
    r"what (?:kinda|kind of|sort of|type of) (?:\w+ )?do you (?:reckon|think|guess|know)(?: that)? i",
    r"what do you (?:think|know|believe|reckon|guess|suppose)(?: that)? (?:i (?:like|love|enjoy|hate|dislike|"
    r"prefer|am|'m)|"
    r"about (?:me|my)|of (?:me|my taste)|my)",
    r"(?:what(?:'s| is)|describe|summari[sz]e|show(?: me)?|tell me(?: about)?|guess|define|sum up|explain)(?: me)? "
    r"my (?:ƒ+ )?(?:tastes?|profile|preferences|likes|history)",
    r"what (?:kind|sort|type)s? of (?:ƒ+s?|stuff|things) do i (?:like|love|enjoy|watch|prefer)",
    r"what (?:have you|did you|you'?ve|you|do you) (?:learn(?:ed|t)?|figured out|got|know|underst(?:an|oo)d|noted?|"
    r"remember(?:ed)?|gather(?:ed)?|believed?|assumed?) (?:so far )?(?:about|on|of) me|what do i (?:like|hate)|"
    r"do i (?:really )?(?:like|love|hate|dislike)|what (?:am i|are we) (?:looking for|after)|"
    r"what (?:did i ask|have i asked)(?: you)?(?: for)?|"
    r"what (?:did i|have i|i) (?:tell|told|say|said|mention(?:ed)?)(?: to)?(?: you)?(?: that)?(?: (?:i|about) \w+)?",
    r"how well do you know me|do you know (?:what i like|my taste)|what have i (?:told you|liked|said|rated|"
    r"watched|seen)|"
    r"who do you think i am|which (?:ƒ+s?|ones?) (?:have i|did i) (?:like|liked|rated?|seen|hated?)",
)
COMPARE = _any(
    r"compare|comparison|differences?|differ|versus|vs\.?|compared (?:to|with)|better(?! known| rated)|"
    r"which (?:one|of|ƒ+)",
    r"or",
)
WHICH = _any(
    r"which (?:one |ƒ+ )?(?:of|is|are|was|should|would|has|do|did|from|among|out of)|"
    r"what(?:'s|s| is) the (?:best|better|\w+est)",
    r"which one|what's the difference|compare|how do (?:they|¤+) (?:compare|differ)",
)
WHY_NOT = _any(
    r"why (?:not|no|(?:didn'?t|don'?t|haven'?t|wouldn'?t|won'?t|did|do|have|would) (?:you|u)|(?:isn'?t|wasn'?t|"
    r"aren'?t|is|was)"
    r"(?= (?:¤|it|that|there)))",
    r"how come (?:you (?:never|didn'?t|don'?t|haven'?t)|not|no|there(?:'s| is) no|¤+ (?:is|was)(?:n'?t| not))",
    r"what(?:'s| is) wrong with|what about ¤+ (?:though|then)\?* why",
)
NEGATION = re.compile(r"\b(?:not|no|n'?t|never)\b|n'?t\b|wrong with|missing|left out|leave out|absent")
WHY = _any(
    r"why|how come|what makes? you (?:think|suggest|recommend|pick|choose|say)|what made you (?:\w+)",
    r"explain (?:your|the|that|this|why|¤)|(?:the |any |your )?reasons? (?:for|behind|why)|on what basis|based on what",
    r"because of what|how did you (?:come up with|choose|pick|get|arrive)|justify|where (?:does|did) (?:that|"
    r"this|¤+) come from",
)
REJECT = _any(
    r"(?:not|nope|no),? (?:to )?(?:these|those|this|that|any of (?:these|those|them)|it|them|¤+)",
    r"none of (?:these|those|them|that|¤+)|¤* ?none (?:appeal|work|sound|look|interest)\w*",
    r"(?:don'?t|do not|didn'?t|doesn'?t|can'?t) (?:really |much )?(?:like|want|fancy|care for|feel like|feel|"
    r"dig|go for|"
    r"need) (?:to see |to watch |watching )?(?:any of )?(?:these|those|them|this|that|¤+|it)",
    r"not (?:interested|feeling (?:it|these|any|this|those)|(?:really )?what i(?:'m| am| was)? \w+|convinced|"
    r"for me|my (?:thing|"
    r"cup of tea|taste|type)|keen|quite|impressed|it)",
    r"(?:nothing|none)(?: (?:there|here))? (?:for me|appeals?|i like|i want|good|grabs me|of interest)|"
    r"(?:these|those|they|all|¤+)(?:'re| are| look| sound)?(?: all)? (?:bad|terrible|awful|boring|rubbish|"
    r"not (?:good|great|for me|"
    r"it|right)|no good|wrong|crap|meh)|(?:these|those|they|all|¤+)(?: all| really| just)? (?:suck|stink)",
    r"(?:boring|bad|terrible|awful|rubbish|crap|meh|no|nope)\W+(?:all of (?:them|these|those|it)|the lot|every one|¤+)|"
    r"try again|bad (?:suggestions?|recommendations?|picks?|list)|(?:skip|pass|hard pass|next)(?: on)? (?:these|"
    r"those|them|¤+|all)",
    r"(?:i(?:'ll)? |hard )?pass|get rid of ¤+|take ¤+ (?:off|out)|remove ¤+|lose ¤+|drop ¤+",
)
BARE_NO = re.compile(
    r"[^\w¤]*(?:(?:no|nope|nah|no thanks?|no thank you|no way|not really|meh|pass|next|skip|hm+|"
    r"not these)\b[^\w¤]*){1,4}"
)
ABOUT = _any(
    r"tell me (?:\w+ )?(?:\w+ )?(?:about|of)|more (?:about|on|info|details|information)|info|details|plot|"
    r"synopsis|trailer|"
    rf"summary|story|cast|director|length|runtime|rating of|(?:{ANY_LABEL}) of|spoilers?",
    r"what(?:'s|s| is| was| are|'re)|who(?:'s| is| was| directed| made| stars?| plays?| starred| wrote)|"
    r"when (?:was|did|is)|"
    r"where (?:was|can|is)|how (?:long|old|good|scary|violent|popular|is|was|are|about|many|bad|funny|does|sad)",
    r"is|was|are|were|does|do|did|has|have you|should (?:i|we)|would (?:i|we|it|my)|can (?:i|my|we)|could|"
    r"will (?:i|my|we)",
    r"any good|worth|know (?:about|of|anything about)|heard of|describe|what about|in ¤+|suitable|appropriate|"
    r"opinion|thoughts? on",
)
CHAT = _any(
    r"how (?:are|r) (?:you|u|things)|how'?s (?:it going|life|your day|things)|what'?s up|wassup|how do you do|"
    r"how have you been",
    r"who (?:are|made|built|created|trained|programmed) you|what are you(?! (?:\w+ing|suggest))|are you (?:an?|"
    r"human|real|there|"
    r"sure|alive|chat ?gpt|smart|ok|stupid|listening|serious|kidding|able)|what can you do|what do you do|"
    r"what else can you do|can you help|how do (?:you|this|i) (?:work|use)|how does this work|help(?: me)?(?=\W*$)",
    r"tell me (?:a joke|something funny about you|about yourself|a story)|make me laugh$|lol|haha+|lmao|rofl|:\)|hehe",
    r"you(?:'re| are) (?:so |very |really |a |an |pretty |quite )*(?:funny|smart|great|stupid|useless|cute|"
    r"clever|good|amazing|"
    r"nice|awesome|dumb|bot|robot|machine|genius|star|legend|the best|welcome|wrong|right)|i (?:love|like|"
    r"hate) you|nice to meet",
    r"(?:what'?s|what is) your (?:name|favou?rite\b.*|age|job)|your name|my name is|i'?m (?:bored|lonely|"
    r"so bored|back|new here|"
    r"just (?:chatting|looking|browsing|kidding))|just (?:chatting|looking|browsing|kidding|saying hi)",
    r"do you (?:like|love|watch|enjoy|have feelings|sleep|dream|have a)|have you (?:ever )?(?:seen|"
    r"watched) (?:a |any )?"
    r"ƒ+s?|wow|interesting|really|ok(?:ay)?|cool|nice|i see|hm+|good (?:bot|job)|well done|"
    r"fair enough|got it|"
    r"sounds good|makes sense|oh|sure|yes|yeah|yep|alright|right|great|perfect|awesome",
)
SUM = re.compile(r"\b\d+\s*[+*x×/÷-]\s*\d+\s*(?:=|\?|$)")
MORE = re.compile(
    r"[^\w]*(?:(?:ok|okay|well|so|and|hm+|great|thanks|cool|please|yes|yeah)\b[\s,.!]*)*(?:(?:can you "
    r"|could you )?(?:show|give|find|suggest|recommend|got|have|do you have|are there|let me see|"
    r"let's see|i want|i'd like|i need|what about|how about)(?: you)?(?: got)?(?: me| us)?(?: to "
    r"see)? )?"
    r"(?:(?:any|some|a few|a couple|the|me|two|three|five|\d)\s+)*(?P<word>more|another(?: one)?|"
    r"others?|else|anything else|something else|what else.*|what(?:'s| is) left|which others?.*|different ones?|"
    r"something different|(?:other|different) (?:ƒ+s?|ones?|suggestions|recommendations|options)|"
    r"keep (?:going|them coming)|"
    r"(?:re)?shuffle(?: (?:them|it|please))?|next(?: one| ones| page| please)?|more (?:of (?:them|these|those|the "
    r"same)|ƒ+s?|suggestions|recommendations|like (?:this|these|that|those)|ideas|options|please)|go "
    r"on|continue|again)"
    r"(?: (?:please|pls|ideas?|suggestions?|recommendations?|options|then|have you got|do you have|"
    r"you have|you got|ƒ+s?|ones?|that you have|for me|like (?:that|this|these|those)|can you "
    r"(?:suggest|recommend|think of)|you can (?:suggest|recommend|think of)))*[\W]*"
)
ALSO_MORE = re.compile(
    r"\b(?:what|anything|something|any) (?:else|other)s?\b|\b(?:show|give) me (?:some )?(?:more|"
    r"others|another)\b|\bany (?:more|others?|other (?:ƒ+s?|ones?|suggestions?|recommendations?))\b|"
    r"\bmore suggestions\b|\bwhat next\b|\bsomething new\b|\bother (?:suggestions|recommendations|"
    r"ones|options|ideas)\b"
)
NEXT = re.compile(r"next|shuffle|different|else|others?$")
