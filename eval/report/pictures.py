"""Pictures: the charts without a browser, and the JavaScript that makes them move in one. From the extra ``report``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import altair

from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from eval.report.charts import style
from eval.report.reading import ReportError

WIDTH = {False: 660, True: 310}
"""Width of a picture in pixels, of a whole one and of one of several beside each other."""

VEGA_LITE = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def require() -> None:
    """Check that the extra is installed.

    Raises:
        ReportError: it is not; the message says how to install it.
    """
    if importlib.util.find_spec("vl_convert") is None:
        raise ReportError("the report draws its plots with the extra report: pip install -e .[report]")


def svg(chart: Mapping[str, Any], small: bool = False) -> str:
    """A chart as SVG on a light ground."""
    import vl_convert

    sized = {**chart, "width": WIDTH[small]}
    return str(vl_convert.vegalite_to_svg(sized, vl_version=VEGA_LITE, config=style()))


def javascript() -> str:
    """Vega, Vega-Lite and vega-embed (BSD-3-Clause) in one script, kept in the user's cache when it was made once."""
    path = cache_dir() / "report" / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)).replace(
        "</script", "<\\/script"
    )
    write_whole(path, script)
    return script
