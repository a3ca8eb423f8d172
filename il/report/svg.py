"""Charts as inline SVG: text, paths and classes; colours come from the page's style sheet."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from il.report.figures import Chart, Dots, Level, Line

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 440.0, 56.0, 40.0, 12.0, 44.0
HEIGHT = 300.0
ROW = 24.0
"""Height of one row of dots."""
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 1 2 1 2", "1 4", "14 3 4 3", "4 4", "10 2 2 2 2 2", "6 6", "3 1")
_MARKERS = (
    "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0Z",  # disc
    "M-3.2,-3.2H3.2V3.2H-3.2Z",  # square
    "M0,-4.2L4,3H-4Z",  # triangle
    "M0,-4.6L4,0L0,4.6L-4,0Z",  # diamond
    "M0,4.2L4,-3H-4Z",  # triangle upside down
    "M-1.3,-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4V-1.3H-1.3Z",  # plus
)
MARKER_SPACING = 46.0


class _Frame:
    """Maps data to the drawing area."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], height: float):
        self.x, self.y, self.height = x, y, height

    def px(self, x: ArrayLike) -> np.ndarray:
        return LEFT + (np.asarray(x) - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def py(self, y: ArrayLike) -> np.ndarray:
        return (
            self.height - BOTTOM - (np.asarray(y) - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - TOP - BOTTOM)
        )


def draw(chart: Chart) -> str:
    """Return a chart as an ``<svg>`` element."""
    return _rows(chart) if chart.dots else _curves(chart)


def swatch(style: int) -> str:
    """Return the sample of a line for a legend."""
    line = f'<path class="line s{style}" d="M1,7H37"{_dash(style)}/>'
    return f'<svg class="swatch" viewBox="0 0 38 14" aria-hidden="true">{line}{_marker(19, 7, style)}</svg>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers between two limits."""
    raw = (high - low) / max(count, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999) * power
    first = np.ceil(low / step - 1e-9)
    return [float(step * k) for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """Write a number for an axis: 1500 becomes 1.5k."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def y_range(chart: Chart) -> tuple[float, float]:
    """Return limits that show every mean, run and level, and of the intervals at most a third more."""
    firm = [line.y for line in chart.lines] + [line.points[1] for line in chart.lines if line.points]
    firm.append(np.array([level.y for level in chart.levels]))
    low, high = _limits(firm)
    room = (high - low) / 3
    loose = [v for line in chart.lines for v in (line.low, line.high)]
    loose += [np.array([level.low, level.high]) for level in chart.levels]
    wide = _limits([*firm, *loose])
    return _padded(max(wide[0], low - room), min(wide[1], high + room))


def _limits(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([np.ravel(a) for a in arrays] or [np.empty(0)])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _curves(chart: Chart) -> str:
    every_x = [line.x for line in chart.lines] or [np.array([0.0, 1.0])]
    low, high = _limits(every_x)
    frame = _Frame(_padded(low, high) if high > low else (low - 0.5, high + 0.5), y_range(chart), HEIGHT)
    whole = chart.x_label == "round"
    parts = [_axes(frame, chart, integers=whole)]
    parts += [_level(frame, level) for level in chart.levels]
    parts += [_band(frame, line) for line in chart.lines]
    parts += [_line(frame, line, k) for k, line in enumerate(chart.lines)]
    ends = [
        (line.letter, line.style, *_end(frame, line))
        for line in chart.lines
        if line.letter and np.isfinite(line.y).any()
    ]
    right = WIDTH - RIGHT
    ends += [(v.letter, v.style, right, float(frame.py(v.y))) for v in chart.levels if v.letter]
    parts.append(_on_the_way(frame, chart.lines) if chart.falling else _letters(ends, frame))
    return _svg(chart, HEIGHT, "".join(parts))


def _end(frame: _Frame, line: Line) -> tuple[float, float]:
    good = np.flatnonzero(np.isfinite(line.y))
    return float(frame.px(line.x[good[-1]])), float(frame.py(line.y[good[-1]]))


def _rows(chart: Chart) -> str:
    height = TOP + BOTTOM + ROW * len(chart.dots)
    values = [d.values for d in chart.dots] + [np.array([level.y for level in chart.levels])]
    low, high = _limits(values)
    limits = np.array([v for d in chart.dots for v in (d.estimate.low, d.estimate.high) if v is not None])
    wide = _limits([*values, limits])
    room = (high - low) / 3
    frame = _Frame(_padded(max(wide[0], low - room), min(wide[1], high + room)), (0, 1), height)
    parts = [_axes(frame, chart, y_axis=False)]
    for level in chart.levels:
        x = float(frame.px(level.y))
        parts.append(f'<path class="level" d="M{x:.1f},{TOP}V{height - BOTTOM:.1f}"/>')
        parts.append(f'<text class="note" x="{x:.1f}" y="{TOP - 3}" text-anchor="middle">{escape(level.label)}</text>')
    parts += [_dots(frame, row, TOP + ROW * (k + 0.5)) for k, row in enumerate(chart.dots)]
    return _svg(chart, height, "".join(parts))


def _dots(frame: _Frame, row: Dots, y: float) -> str:
    parts = [f'<text class="letter s{row.style}" x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{row.letter}</text>']
    parts += [f'<circle class="run s{row.style}" cx="{x:.1f}" cy="{y + 8:.1f}" r="2.6"/>' for x in frame.px(row.values)]
    estimate = row.estimate
    says = f"{estimate.value:.4g}, one run: no interval" if estimate.n == 1 else f"{estimate.value:.4g}"
    if estimate.low is not None and estimate.high is not None:
        edges = np.clip(frame.px([estimate.low, estimate.high]), LEFT, WIDTH - RIGHT)
        parts.append(f'<path class="bar s{row.style}" d="M{edges[0]:.1f},{y:.1f}H{edges[1]:.1f}"/>')
        says += f" [{estimate.low:.4g}, {estimate.high:.4g}]"
    parts.append(_marker(float(frame.px(estimate.value)), y, row.style))
    return f"<g><title>{escape(row.title)}: {says} (n = {estimate.n})</title>{''.join(parts)}</g>"


def _axes(frame: _Frame, chart: Chart, y_axis: bool = True, integers: bool = False) -> str:
    bottom, right = frame.height - BOTTOM, WIDTH - RIGHT
    parts = []
    for x in ticks(*frame.x, count=5):
        if not integers or x == round(x):
            at = float(frame.px(x))
            parts.append(f'<path class="grid" d="M{at:.1f},{TOP}V{bottom:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{at:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{short(x)}</text>'
            )
    for y in ticks(*frame.y, count=5) if y_axis else []:
        at = float(frame.py(y))
        parts.append(f'<path class="grid" d="M{LEFT},{at:.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{short(y)}</text>')
    middle = (LEFT + right) / 2
    place = f'x="{middle}" y="{frame.height - 6:.1f}" text-anchor="middle"'
    label = f'<text class="axis" {place}>{escape(chart.x_label)}</text>'
    if chart.y_label:
        turned = f"translate(13,{(TOP + bottom) / 2:.1f}) rotate(-90)"
        label += f'<text class="axis" transform="{turned}" text-anchor="middle">'
        label += f"{escape(chart.y_label)}</text>"
    return "".join(parts) + f'<path class="frame" d="M{LEFT},{TOP}V{bottom:.1f}H{right}"/>' + label


def _level(frame: _Frame, level: Level) -> str:
    y, right = float(frame.py(level.y)), WIDTH - RIGHT
    if level.letter:
        band = ""
        if np.isfinite(level.low):
            top, bottom = np.clip(frame.py([level.high, level.low]), TOP, frame.height - BOTTOM)
            band = f'<path class="band s{level.style}" d="M{LEFT},{top:.1f}H{right}V{bottom:.1f}H{LEFT}Z"/>'
        line = f'<path class="line s{level.style}" d="M{LEFT},{y:.1f}H{right}"{_dash(level.style)}/>'
        return f"<g><title>{escape(level.letter)}: {escape(level.label)}</title>{band}{line}</g>"
    at, anchor = (LEFT + 4, "start") if level.label == "expert" else (right - 4, "end")
    name = f'<text class="note" x="{at}" y="{y - 4:.1f}" text-anchor="{anchor}">{escape(level.label)}</text>'
    return f'<path class="level" d="M{LEFT},{y:.1f}H{right}"/>{name}'


def _band(frame: _Frame, line: Line) -> str:
    parts = []
    for run in _runs(np.isfinite(line.low) & np.isfinite(line.high)):
        x = frame.px(line.x[run])
        top, bottom = (np.clip(frame.py(v[run]), TOP, frame.height - BOTTOM) for v in (line.high, line.low))
        outline = _points(np.append(x, x[::-1]), np.append(top, bottom[::-1]))
        kind = "band" if len(x) > 1 else "bar"
        parts.append(f'<path class="{kind} s{line.style}" d="M{outline}Z"/>')
    return "".join(parts)


def _line(frame: _Frame, line: Line, position: int) -> str:
    parts = []
    good = np.isfinite(line.y)
    for kind, mask in (("faint", good), ("", good & line.whole)):
        if kind and line.whole[good].all():
            continue
        for run in _runs(mask):
            points = _points(frame.px(line.x[run]), frame.py(line.y[run]))
            parts.append(f'<path class="line {kind} s{line.style}" d="M{points}"{_dash(line.style)}/>')
    if line.points is not None:
        xy = zip(frame.px(line.points[0]), frame.py(line.points[1]), strict=True)
        parts += [f'<circle class="run s{line.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in xy]
    at = np.flatnonzero(good)
    stride = max(1, int(len(at) * MARKER_SPACING / (WIDTH - LEFT - RIGHT) + 0.5)) if len(at) > 12 else 1
    for k in at[position % stride :: stride]:
        x, y = float(frame.px(line.x[k])), float(frame.py(line.y[k]))
        parts.append(_marker(x, y, line.style, f"{short(line.x[k])}: {_says(line, k)}"))
    return f"<g><title>{escape(line.letter)} {escape(line.title)}</title>{''.join(parts)}</g>"


def _says(line: Line, k: int) -> str:
    limits = f" [{line.low[k]:.4g}, {line.high[k]:.4g}]" if np.isfinite(line.low[k]) else ""
    return f"{line.y[k]:.4g}{limits}"


def _letters(ends: Sequence[tuple[str, int, float, float]], frame: _Frame) -> str:
    """Name every line at the right edge, none over another, with a thread to where it ends."""
    ends = sorted(ends, key=lambda end: end[3])
    gap = min(13.0, (frame.height - TOP - BOTTOM + 16) / max(len(ends), 1))
    places: list[float] = []
    for _, _, _, y in ends:
        places.append(max(y, places[-1] + gap) if places else y)
    lowest = frame.height - BOTTOM + 4
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], lowest)
        lowest = places[k] - gap
    at, parts = WIDTH - RIGHT + 14, []
    for (letter, style, x, y), place in zip(ends, places, strict=True):
        parts.append(f'<path class="thread s{style}" d="M{x + 4:.1f},{y:.1f}L{at - 3},{place:.1f}"/>')
        parts.append(f'<text class="letter s{style}" x="{at}" y="{place + 4:.1f}">{escape(letter)}</text>')
    return "".join(parts)


def _on_the_way(frame: _Frame, lines: Sequence[Line]) -> str:
    """Name falling lines beside themselves, each at a height of its own."""
    parts = []
    for k, line in enumerate(lines):
        share = 1 - (k + 0.5) / len(lines)
        x = float(frame.px(line.x[np.argmax(line.y <= share)])) + 6
        y = float(frame.py(share)) + 4
        parts.append(f'<text class="letter halo s{line.style}" x="{x:.1f}" y="{y:.1f}">{escape(line.letter)}</text>')
    return "".join(parts)


def _runs(mask: np.ndarray) -> list[slice]:
    """Return the stretches where a mask holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [slice(a, b) for a, b in edges.reshape(-1, 2)]


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _dash(style: int) -> str:
    return f' stroke-dasharray="{DASHES[style]}"' if DASHES[style] else ""


def _marker(x: float, y: float, style: int, says: str = "") -> str:
    title = f"<title>{escape(says)}</title>" if says else ""
    shape = _MARKERS[style % len(_MARKERS)]
    return f'<path class="mark s{style}" transform="translate({x:.1f},{y:.1f})" d="{shape}">{title}</path>'


def _svg(chart: Chart, height: float, content: str) -> str:
    name = escape(f"{chart.y_label} {chart.title}".strip(), quote=True)
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{name}">{content}</svg>'
