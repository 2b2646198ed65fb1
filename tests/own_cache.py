"""A cache of one's own for what a test imports and fits; the models are those of the user's cache."""

from __future__ import annotations

from pathlib import Path

from agent.data.assets import base_model_path, cache_dir, fetch


def own_cache(folder: Path) -> Path:
    """Make ``folder`` a cache that shares nothing with the user's but the fetched models and what is known of them."""
    fetch(progress=False)
    base_model_path(progress=False)
    folder.mkdir(parents=True)
    for shared in ("assets", "models", "digests.json"):
        if (cache_dir() / shared).exists():
            (folder / shared).symlink_to(cache_dir() / shared)
    return folder
