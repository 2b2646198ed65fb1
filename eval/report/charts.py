"""Charts: Vega-Lite plots of figures with intervals, that read on light and dark and without colours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair
import altair as alt

from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from agent.monitor.counts import wilson
from eval.metrics import Interval

Spec = dict[str, Any]

KINDS: Mapping[str, tuple[str, str, str]] = {
    "ours": ("ours", "#1f8a6d", "circle"),
    "library": ("library", "#c2691f", "square"),
    "baseline": ("baseline", "#7d8799", "diamond"),
    "bound": ("bound", "#8a63d2", "triangle-up"),
}
"""What rows are: the name in the legend, a colour that reads on both grounds, and a shape that reads without it."""

VERDICTS: Mapping[str, tuple[str, str, str]] = {
    "ok": ("ok", "#1f8a6d", "circle"),
    "failed": ("failed", "#c2562f", "cross"),
}
"""The same for checks."""

SERIES = ("#1f8a6d", "#c2691f", "#4a7fd0", "#8a63d2", "#7d8799", "#b8892b")
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
ROW = 24
"""Height of a row of a dot plot in pixels."""


def style() -> Spec:
    """The look of all charts, as a Vega-Lite config. As SVG, text and lines take the colour of the text around them."""
    look: Spec = json.loads((Path(__file__).parent / "style.json").read_text(encoding="utf-8"))
    return look


def dots(
    rows: Sequence[tuple[str, str, Mapping[str, Interval | None]]],
    axis: str,
    zero: bool = False,
    names: Mapping[str, str] | None = None,
    kinds: Mapping[str, tuple[str, str, str]] = KINDS,
) -> Spec:
    """One dot with its interval a row; of several metrics one is picked from a list, the first to begin with.

    ``rows``: (name, kind, figures by metric); ``zero``: draws a line at 0, for differences; ``names``: the metrics that
    are shown, with their names for people (None: all, as they are); ``kinds``: what rows are, see :data:`KINDS`.
    """
    metrics = names or {metric: metric for _, _, figures in rows for metric in figures}
    points = [
        {"row": name, "kind": kinds[kind][0], "metric": metrics[metric], **_ends(value)}
        for name, kind, figures in rows
        for metric, value in figures.items()
        if metric in metrics and value is not None
    ]
    looks = [own for name, own in kinds.items() if any(kind == name for _, kind, _ in rows)]
    domain, colours, shapes = ([own[k] for own in looks] for k in range(3))
    chosen = alt.param(
        name="metric",
        value=next(iter(metrics.values()), ""),
        bind=alt.binding_select(options=list(metrics.values()), name="Metric ") if len(metrics) > 1 else alt.Undefined,
    )
    order = list(dict.fromkeys(name for name, _, _ in rows))
    legend = alt.Legend(orient="top", title=None) if len(looks) > 1 else None
    base = inline(points).encode(
        y=alt.Y("row:N", sort=order, title=None, axis=alt.Axis(grid=True, domain=False, ticks=False)),
        color=alt.Color("kind:N", scale=alt.Scale(domain=domain, range=colours), legend=legend),
        tooltip=[
            alt.Tooltip("row:N", title="row"),
            alt.Tooltip("metric:N"),
            *_tooltips(),
        ],
    )
    scale = alt.Scale(zero=False, nice=True)
    layers: list[Any] = [
        base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("mean:Q", title=axis, scale=scale),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend),
        ),
    ]
    if zero:
        line = inline([{"at": 0}]).mark_rule(strokeDash=[4, 3])
        layers.insert(0, line.encode(x=alt.X("at:Q", title=axis)))
    chart = alt.layer(*layers).add_params(chosen).transform_filter("!datum.metric || datum.metric == metric")
    titled = chart.properties(width="container", height=max(3, len(order)) * ROW)
    if len(metrics) > 1:
        titled = titled.properties(title=alt.TitleParams(text=alt.ExprRef(expr="metric")))
    return spec(titled)


def lines(
    points: Sequence[Mapping[str, Any]],
    x: alt.X,
    y: str,
    series: Sequence[str] = (),
    band: bool = False,
    height: int = 240,
    marks: Sequence[Any] = (),
    y_scale: alt.Scale | None = None,
    about: str | None = None,
) -> Spec:
    """Lines with points and 95 % intervals; a click on the legend leaves one line in full colour.

    ``points``: objects with the field of ``x``, ``mean``, ``low``, ``high`` and, with ``series``, ``series``;
    ``series``: the lines' names in their order; without any there is one line; ``y_scale``: of the values (None:
    without 0 where it is far); ``about``: the field with what is read out for a point, which may then be clicked.
    """
    chart = inline([dict(point) for point in points])
    picked = alt.selection_point(fields=["series"], bind="legend") if len(series) > 1 else None
    extra: dict[str, Any] = {}
    if series:
        domain = list(series)
        legend = (
            alt.Legend(orient="bottom", title=None, columns=2, labelLimit=160, symbolOpacity=1)
            if len(series) > 1
            else None
        )
        extra["color"] = alt.Color("series:N", scale=alt.Scale(domain=domain, range=list(SERIES)), legend=legend)
    if picked is not None:
        extra["opacity"] = alt.condition(picked, alt.value(1), alt.value(0.15))
    scale = y_scale or alt.Scale(zero=False)
    own: dict[str, Any] = {} if series else {"color": SERIES[0]}
    name = [alt.Tooltip("series:N", title="line")] if series else []
    at: Any = x.to_dict()
    tips = [*name, alt.Tooltip(at["field"], type=at["type"], title=at["title"]), *_tooltips()]
    value = alt.Y("mean:Q", title=y, scale=scale)
    spread = alt.Y("low:Q", title=y, scale=scale)
    faint = {"opacity": alt.condition(picked, alt.value(0.18), alt.value(0.03)) if picked else alt.value(0.18)}
    layers: list[Any] = [
        *marks,
        chart.mark_area(**own).encode(x=x, y=spread, y2="high:Q", **{**extra, **faint})
        if band
        else chart.mark_rule(strokeWidth=1.4, **own).encode(x=x, y=spread, y2="high:Q", **extra),
        chart.mark_line(strokeWidth=1.8, **own).encode(x=x, y=value, **extra),
    ]
    shaped = dict(extra)
    if series:
        shapes = alt.Scale(domain=list(series), range=list(SHAPES))
        shaped["shape"] = alt.Shape("series:N", scale=shapes, legend=extra["color"]["legend"])
    # Of a long course the line is what is read; its points are there to be asked for their values.
    size = 46 if about or len(points) <= 40 * max(1, len(series)) else 14
    if about is not None:
        shaped["description"] = alt.Description(f"{about}:N")
    solid: dict[str, Any] = {} if picked is not None else {"opacity": 1}
    layers.append(chart.mark_point(filled=True, size=size, **own, **solid).encode(x=x, y=value, tooltip=tips, **shaped))
    whole = alt.layer(*layers).properties(width="container", height=height)
    return spec(whole if picked is None else whole.add_params(picked))


def rule(x: float | None = None, y: float | None = None) -> Any:
    """A dashed line across the plot, for what is compared with."""
    base = inline([{"at": x if y is None else y}]).mark_rule(strokeDash=[4, 3])
    return base.encode(x="at:Q") if y is None else base.encode(y="at:Q")


def diagonal() -> Any:
    """The line on which what is predicted is what happens."""
    base = inline([{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    return base.mark_line(strokeDash=[4, 3], color="#7d8799", strokeWidth=1.2).encode(x="x:Q", y="y:Q")


def share(hits: int, n: int) -> Interval:
    """A share of ``n`` independent cases with Wilson's 95 % interval (1927)."""
    return Interval(*wilson(hits, n))


def inline(values: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of objects that it holds itself."""
    return alt.Chart(alt.Data(values=[dict(value) for value in values]))  # type: ignore[no-untyped-call]


def spec(chart: Any) -> Spec:
    """The chart as plain data, without the address of its schema: nothing in a report points to the network."""
    made: Spec = chart.to_dict()
    made.pop("$schema", None)
    made.pop("config", None)
    return made


def _ends(value: Interval) -> dict[str, float]:
    return {"mean": value.mean, "low": value.low, "high": value.high}


def _tooltips() -> list[Any]:
    return [
        alt.Tooltip("mean:Q", format=".4f", title="value"),
        alt.Tooltip("low:Q", format=".4f", title="95 % from"),
        alt.Tooltip("high:Q", format=".4f", title="to"),
    ]


WIDTH = {False: 660, True: 310}
"""Width of a picture in pixels, of a whole one and of one of several beside each other."""

VEGA_LITE = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def svg(chart: Mapping[str, Any], small: bool = False) -> str:
    """A chart as SVG on a light ground."""
    return drawn({**chart, "width": WIDTH[small]}, "svg").decode()


PICTURES = ("svg", "png", "pdf")
"""Kinds of pictures that a chart can be drawn as."""


def drawn(chart: Mapping[str, Any], kind: str) -> bytes:
    """A chart as a picture of one of :data:`PICTURES`, on a light ground."""
    import vl_convert

    more: dict[str, Any] = {"scale": 2.0} if kind == "png" else {}
    made = getattr(vl_convert, f"vegalite_to_{kind}")(dict(chart), vl_version=VEGA_LITE, config=style(), **more)
    return made if isinstance(made, bytes) else str(made).encode()


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
