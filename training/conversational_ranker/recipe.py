"""Dialogue: the weights of a ranker of conversations, from ratings alone or from dialogues.

From ratings: people with recent likes stand in for people in conversations. One liked item is the wish, up to seven
others were named before; items come up the more often the better known they are, a dialogue stays near one kind of
item, and some people say what the wish is about in the words of those who tagged it (assumptions, not fitted). Whoever
speaks is left out of the ratings that the features are made from. The weights are those of a conditional logit
(McFadden, 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from agent.catalogue.catalogue import Catalogue
from agent.features.conversation_features import FEATURES, READINGS, SIMILARITIES, ConversationFeatures, Dialogue, Rated
from agent.policy.conversational_ranker import LEARNT, POLICY_PARTS, ConversationalRanker, PastDialogues
from agent.policy.item_embeddings import item_keys
from agent.policy.semantic import SemanticSimilarity
from agent.records.state import POSITIVE
from training.progress import Progress

_MORE = frozenset(
    {
        *(f"{similarity}_{reading}" for similarity in SIMILARITIES for reading in READINGS),
        *("count", "recent", "likes", "casual", "mean", "watched_log", "liked_log"),
        *("asked_category", "met", "met_people", "said", "said_last", *LEARNT, *POLICY_PARTS),
    }
)
"""What can only speak for an item. Weights of either sign fit the dialogues no better, and where a state is unlike
those they make an item win for being unlike what was named."""

LIKED = "like_rate"
"""Its weight is 1: an item is worth showing by the chance that it is taken up, which is what the choices teach, times
the chance that it is then liked."""

_NAMED = (0.18, 0.22, 0.2, 0.15, 0.1, 0.06, 0.05, 0.04)
"""Shares of dialogues in which 0, 1, ... 7 items were named before."""

_SECONDS = 365.25 * 86400


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """How weights are fitted.

    ``years``: likes of the last so many years are talked about; ``known`` and ``near``: powers of how well known an
    item is and of the categories that it shares with the wish; ``asks``: share of dialogues that name a category,
    ``slips``: share of those whose category is another one, for people's words are not the catalogue's; ``themes``:
    share of dialogues that name a tag of the wish, where it has one; ``dialogues`` of each person; ``sure`` best-known
    items and ``drawn`` random ones are the candidates of the fit; ``penalty`` of squares. ``policy`` is the weight of
    the policy's own logits, evidence and LM, beside what ratings taught, and ``policy_alone`` the same where no item
    was named: set by hand, for both know the people who are left out here. Nor can ratings teach what it is worth to
    meet the conditions (``met``) or to share people with what was named (``shared_people``).
    """

    years: float = 6.0
    known: float = 0.5
    near: float = 2.0
    asks: float = 0.4
    slips: float = 0.25
    themes: float = 0.4
    dialogues: int = 6
    folds: int = 4
    sure: int = 500
    drawn: int = 1500
    penalty: float = 3e-3
    policy: float = 0.3
    policy_alone: float = 1.0
    met: float = 12.0
    shared_people: float = 8.0
    seed: int = 0


def fit_on_ratings(
    catalogue: Catalogue,
    rated: Rated,
    semantic: SemanticSimilarity,
    settings: DialogueSettings | None = None,
    report: Progress | None = None,
) -> ConversationalRanker:
    """A ranker that has seen no dialogue: its weights foretell one liked item of a person from a few others.

    ``semantic``: has the vectors of the items' texts, and encodes what the people "say": the category, the items and
    the theme that they name.

    Raises:
        ValueError: nobody liked enough items lately.
    """
    settings = settings or DialogueSettings()
    rng = np.random.default_rng(settings.seed)
    fold = rng.integers(0, settings.folds, int(rated.users.max()) + 1)
    recent = rated.times >= rated.times.max() - settings.years * _SECONDS
    themes: dict[int, list[str]] = {}
    for tag, tagged in sorted(catalogue.items_by("tag").items()):
        for item in sorted(tagged):
            themes.setdefault(item, []).append(tag)
    choices: list[Choice] = []
    for number in range(settings.folds):
        evidence = ConversationFeatures(catalogue, rated.only(fold[rated.users] != number), semantic.items)
        sure = np.argsort(-evidence.recent, kind="stable")[: settings.sure]
        dialogues = []
        for user in np.flatnonzero(fold == number):
            liked = rated.items[(rated.users == user) & recent & (rated.stars >= POSITIVE)]
            if len(liked) >= 6:
                known = evidence.recent
                dialogues += [_talk(liked, known, catalogue, themes, settings, rng) for _ in range(settings.dialogues)]
        said = semantic.encode([" ".join(texts) for texts, *_ in dialogues])
        last = semantic.encode([texts[-1] for texts, *_ in dialogues])
        for place, (_, wish, named, categories) in enumerate(dialogues):
            dialogue = Dialogue(named, (1.0,) * len(named), said[place], last[place], categories)
            choices.append(draw(evidence.features(dialogue), wish, named, sure, rng, settings.drawn))
        if report is not None:
            report("making conversations of ratings", number + 1, settings.folds)
    weights = fit_weights(choices, FEATURES, settings.penalty)
    about = f"{len(choices)} conversations made of the ratings of {catalogue.name}; no dialogue was read"
    fitted = dict(zip(FEATURES, weights.tolist(), strict=True))
    alone = settings.policy_alone - settings.policy
    people = dict.fromkeys(("people_sum", "people_max"), settings.shared_people)
    fitted |= {"met": settings.met, "met_people": 0.0, "people_mean": 0.0, "people_last": 0.0, **people}
    parts = dict(zip(POLICY_PARTS, (settings.policy, settings.policy, alone, alone), strict=True))
    return ConversationalRanker(fitted | parts, PastDialogues(), about)


def fit_on_dialogues(
    names: Sequence[str],
    targets: Sequence[Sequence[int | None]],
    named: Sequence[Sequence[int]],
    matrix: Callable[[int], np.ndarray],
    past: PastDialogues,
    sure: np.ndarray,
    settings: DialogueSettings | None = None,
    report: Progress | None = None,
) -> ConversationalRanker:
    """A ranker fitted on the items that recommenders named.

    ``targets``: for each row the items to foretell (None: not in the catalogue); ``matrix``: gives a row's features,
    (F, n_items), without what its own dialogue added to ``past``.

    Raises:
        ValueError: no row has an item of the catalogue to foretell.
    """
    settings = settings or DialogueSettings()
    rng = np.random.default_rng(settings.seed)
    choices = []
    for place, wanted in enumerate(targets):
        known = [item for item in wanted if item is not None]
        if known:
            features = matrix(place)
            choices += [draw(features, item, named[place], sure, rng, settings.drawn) for item in known]
        if report is not None and place % 50 == 49:
            report("learning from the dialogues", place + 1, len(targets))
    weights = fit_weights(choices, names, settings.penalty)
    return ConversationalRanker(
        dict(zip(names, weights.tolist(), strict=True)), past, f"{len(choices)} recommendations"
    )


def past_of(
    dialogues: Sequence[tuple[frozenset[int], frozenset[int]]],
    catalogue: Catalogue,
) -> PastDialogues:
    """What dialogues named and what was recommended in them, as catalogue indices."""
    keys = item_keys(catalogue.items)
    mentioned: dict[str, int] = {}
    recommended: dict[str, int] = {}
    together: dict[str, dict[str, int]] = {}
    for named, chosen in dialogues:
        for item in sorted(named):
            mentioned[keys[item]] = mentioned.get(keys[item], 0) + 1
            own = together.setdefault(keys[item], {})
            for other in sorted(named - {item}):
                own[keys[other]] = own.get(keys[other], 0) + 1
        for item in sorted(chosen):
            recommended[keys[item]] = recommended.get(keys[item], 0) + 1
    return PastDialogues(mentioned, recommended, together)


def _talk(
    liked: np.ndarray,
    known: np.ndarray,
    catalogue: Catalogue,
    themes: Mapping[int, Sequence[str]],
    settings: DialogueSettings,
    rng: np.random.Generator,
) -> tuple[list[str], int, tuple[int, ...], tuple[str, ...]]:
    """A person's messages, the item that they wish for, those that they named, and the category that they asked for."""
    share = (known[liked] + 1.0) ** settings.known
    wish = int(rng.choice(liked, p=share / share.sum()))
    others = liked[liked != wish]
    categories = catalogue.category_matrix
    shared = (categories[others] & categories[wish]).sum(axis=1) / np.sqrt(
        np.maximum(categories[others].sum(axis=1), 1) * max(int(categories[wish].sum()), 1)
    )
    chance = (known[others] + 1.0) ** settings.known * (0.1 + shared) ** settings.near
    number = min(int(rng.choice(len(_NAMED), p=_NAMED)), len(others))
    named = rng.choice(others, size=number, replace=False, p=chance / chance.sum())
    asked: tuple[str, ...] = ()
    if catalogue[wish].categories and rng.random() < settings.asks:
        words = catalogue.category_names if rng.random() < settings.slips else catalogue[wish].categories
        asked = (words[int(rng.integers(len(words)))],)
    noun = catalogue.domain.nouns.casual
    kind = f"{asked[0].lower()} {noun}" if asked else noun
    titles = " and ".join(catalogue[int(item)].name for item in named)
    texts = [f"I am looking for a good {kind}" + (f" like {titles}." if titles else ".")]
    if wish in themes and rng.random() < settings.themes:
        texts.append(f"Something with {themes[wish][int(rng.integers(len(themes[wish])))]}")
    return texts, wish, tuple(int(item) for item in named), asked


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice that was seen: ``features`` (F, candidates), the chosen one's ``place``, and ``offset`` (candidates,).

    The offset is the logarithm of how many items a sampled candidate stands for.
    """

    features: np.ndarray
    place: int
    offset: np.ndarray


def draw(
    features: np.ndarray, target: int, banned: Sequence[int], sure: np.ndarray, rng: np.random.Generator, drawn: int
) -> Choice:
    """A choice over the ``sure`` items and ``drawn`` random ones, without those ``banned`` (the target stays).

    ``features`` is (F, n_items).
    """
    n_items = features.shape[1]
    sampled = rng.choice(n_items, size=min(drawn, n_items), replace=False)
    candidates = np.unique(np.concatenate([[target], sampled, sure]))
    candidates = candidates[~np.isin(candidates, [item for item in banned if item != target])]
    offset = np.where(np.isin(candidates, sure), 0.0, np.log(n_items / len(sampled)))
    place = int(np.flatnonzero(candidates == target)[0])
    return Choice(features[:, candidates].astype(np.float16), place, offset.astype(np.float32))


def fit_weights(choices: Sequence[Choice], names: Sequence[str], penalty: float = 3e-3, steps: int = 150) -> np.ndarray:
    """The weights (F,) float32 of the named features that make the choices most probable, less their squares.

    Features are standardised by their spread among the candidates for the ``penalty`` of squares; the weights are for
    features as given. What can only speak for an item has no weight below 0, what speaks against it none above, and
    :data:`LIKED` its own.

    Raises:
        ValueError: there are no choices.
    """
    if not choices:
        raise ValueError("no choices to fit weights to: give at least one dialogue or user with items to foresee")
    sizes = np.array([choice.features.shape[1] for choice in choices])
    spread = np.mean([choice.features.astype(np.float32).std(axis=1) for choice in choices], axis=0)
    scale = np.where(spread > 1e-4, spread, np.inf).astype(np.float32)
    matrix = np.concatenate([(choice.features.astype(np.float32) / scale[:, None]).T for choice in choices])
    offset = np.concatenate([choice.offset for choice in choices])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chosen = matrix[starts + np.array([choice.place for choice in choices])]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        own = weights.astype(np.float32)
        logits = matrix @ own + offset
        top = np.maximum.reduceat(logits, starts)
        grown = np.exp(logits - np.repeat(top, sizes))
        total = np.add.reduceat(grown, starts)
        value = float((np.log(total) + top).mean() - (chosen @ own).mean()) + penalty * float(weights @ weights)
        # The target's offset is a constant and left out.
        expected = (grown / np.repeat(total, sizes)) @ matrix / len(choices)
        return value, (expected - chosen.mean(axis=0)).astype(np.float64) + 2 * penalty * weights

    bounds = [_bounds(name, float(own)) for name, own in zip(names, scale, strict=True)]
    start = np.array([low if low is not None else 0.0 for low, _ in bounds])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return np.asarray(best.x / scale, dtype=np.float32)


def _bounds(name: str, scale: float) -> tuple[float | None, float | None]:
    """The least and the greatest weight of a feature that was divided by ``scale``."""
    if name == LIKED:
        fixed = scale if np.isfinite(scale) else 0.0
        return fixed, fixed
    return (0.0 if name in _MORE else None), (0.0 if name == "unwanted_category" else None)
