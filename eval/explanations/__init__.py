"""Explanations: are they true, do they name what carried the choice, do their promises hold, and do they vary?

For users whose last ratings were held out, a chat is held with the real turn: an open question, a wish, "why?",
"why not?" about a film that they liked later, a comparison, a question about a film and one about their taste.

- **facts**: share of the shown sentences whose every fact is verified by :mod:`eval.explanations.forms`, which shares
  no code with what words and checks them.
- **deletion** (comprehensiveness; DeYoung et al., 2020, ERASER): what the item's log-probability loses when the films
  that its reason cites leave the history, less what it loses when as many other films leave; by user bootstrap.
- **counterfactuals**: share of the changes offered for "why not?" after which the film is in the slate of a real turn.
- **variety**: distinct sentences and n-grams, with titles and numbers taken out.
"""
