"""Requirements: what a protocol needs of a data set, checked before anything is fitted."""

from __future__ import annotations

from agent.data.dataset import Dataset
from eval.ranking.run import RankingError


def require_times(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set whose interactions have no order in time.

    Raises:
        RankingError: the times are missing, or all the same within every user.
    """
    times = dataset.ratings["timestamp"]
    if times.isna().any() or not (times.groupby(dataset.ratings["user"]).nunique() > 1).any():
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: its ratings have no times, so nobody knows which came "
            "last. Import a file with timestamps."
        )


def require_stars(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set without ratings in stars.

    Raises:
        RankingError: ratings are missing, or all the same.
    """
    stars = dataset.ratings["rating"]
    if stars.isna().any() or stars.nunique() < 2:
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: it has no ratings in stars, so nobody knows what was "
            "liked. Use leave-one-out, which asks for what came next."
        )


def require_genres(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set without genres.

    Raises:
        RankingError: no item has a genre.
    """
    if not dataset.items["genre"].map(len).any():
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: its items have no genres that a request could ask for. "
            "Use leave-one-out or rated-slate."
        )
