"""Charts for meetings and print: outcomes by class and unit, deadlines, milestones, missing facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

from landremed.errors import OutputError, Where
from landremed.io.gpkg import check_target
from landremed.report.fonts import choose_font, font_files
from landremed.report.formats import plain_text, share_text
from landremed.report.labels import value_label
from landremed.report.palette import CLASS_COLORS, OUTCOME_FILLS
from landremed.report.rates import Rate, read_rates
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.target import write_whole
from landremed.report.terminal import display_width
from landremed.report.words import Words
from landremed.types import M2_PER_MU, Outcome

__all__ = ["write_charts"]

_WIDE_IN: Final = 10.0
_PIXELS_PER_INCH: Final = 160
_MOST_ROWS: Final = 16
_LONGEST_LABEL: Final = 32  # columns
_FORMATS: Final = ("png", "svg")
_INK, _SOFT, _DARK, _LIGHT = "#17212b", "#5b6773", "#1d5c83", "#b8cbd8"


def write_charts(
    result: Path | str,
    folder: Path | str,
    *,
    language: str | None = None,
    fonts: Sequence[Path] = (),
    ledger: Path | None = None,
    as_of: date | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write every chart as PNG and SVG.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    folder : path
        Folder for the files, made when it is not there.
    language : {"zh", "en"}, optional
        Language of the texts; that of the result by default.
    fonts : sequence of path
        Fonts to use before those of the system.
    ledger : path, optional
        Ledger; with it also the rates reached against the milestones.
    as_of : date, optional
        Day the rates are taken on; that of the result by default.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    InputError, OutputError
        The result cannot be read, matplotlib or a Chinese font is missing, or a file exists.
    """
    opened = open_result(result)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    style = _style(fonts)
    import matplotlib as mpl

    drawing = _Drawing(opened, Words("charts", language or opened.language), style)
    charts: dict[str, Callable[[], Any]] = {
        "outcomes_by_class": lambda: drawing.outcomes("category", "outcomes_by_class"),
        "outcomes_by_unit": lambda: drawing.outcomes("implementing_unit", "outcomes_by_unit"),
        "deadlines": drawing.deadlines,
        "milestones": drawing.milestones,
        "waiting": drawing.waiting,
    }
    if ledger is not None:
        day = as_of or _day(opened.provenance.get("as_of", "")) or date.max
        rates = read_rates(ledger, day, drawing.words.language)
        for group in rates:
            charts[f"rates_by_{group}"] = partial(drawing.rates, group, rates[group], day)
    names = [f"{name}.{kind}" for name in charts for kind in _FORMATS]
    for name in names:
        check_target(target / name, overwrite=overwrite)
    for name, draw in charts.items():
        with mpl.rc_context(style):  # type: ignore[arg-type]
            figure = draw()
            for kind in _FORMATS:
                _save(figure, target / f"{name}.{kind}", kind, overwrite=overwrite)
    return names


def _style(fonts: Sequence[Path]) -> dict[str, Any]:
    """Return matplotlib's settings: a Chinese font, and text that is never read as markup."""
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise OutputError("report_no_matplotlib", Where()) from error
    own = []
    for file in font_files(fonts):
        font_manager.fontManager.addfont(str(file))
        own.append(font_manager.FontProperties(fname=str(file)).get_name())
    there = sorted({entry.name for entry in font_manager.fontManager.ttflist})
    try:
        family = choose_font(there, own)
    except OutputError:
        family = choose_font(_system_families(font_manager), own)
    return {
        "font.sans-serif": [family],
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.unicode_minus": False,
        "text.parse_math": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "landremed",
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }


def _system_families(font_manager: Any) -> list[str]:
    """Look for fonts again: the list matplotlib keeps may be older than the fonts."""
    for file in font_manager.findSystemFonts():
        try:
            font_manager.fontManager.addfont(file)
        except (OSError, RuntimeError, ValueError):
            continue
    return sorted({entry.name for entry in font_manager.fontManager.ttflist})


def _save(figure: Any, path: Path, kind: str, *, overwrite: bool) -> None:
    metadata = {"Date": None} if kind == "svg" else {"Software": None}

    def write(beside: Path) -> None:
        figure.savefig(beside, format=kind, dpi=_PIXELS_PER_INCH, metadata=metadata, facecolor="white")

    write_whole(path, write, overwrite=overwrite)


class _Drawing:
    """Draws the charts of one result."""

    def __init__(self, result: ResultFile, words: Words, style: dict[str, Any]) -> None:
        self.result, self.words, self.style = result, words, style
        self.rows = result.decisions.to_pylist()

    def figure(self, name: str, rows: float, day: str = "") -> tuple[Any, Any]:
        """Return a figure with its title, as high as its rows need."""
        from matplotlib.figure import Figure

        high = 2.0 + 0.42 * max(rows, 4)
        figure = Figure(figsize=(_WIDE_IN, high))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.25, right=0.97, top=1 - 0.95 / high, bottom=1.0 / high)
        secrecy = plain_text(self.result.provenance.get("secrecy"))
        day = day or self.result.provenance.get("as_of", "")
        sub = self.words("sub", project=plain_text(self.result.title), day=day)
        figure.text(0.03, 1 - 0.36 / high, self.words(name), fontsize=15, fontweight="bold", **self._plain())
        figure.text(0.03, 1 - 0.64 / high, sub, fontsize=9, color=_SOFT, **self._plain())
        figure.text(0.97, 1 - 0.36 / high, secrecy, fontsize=9, color="#b3261e", ha="right", **self._plain())
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color("#b9c3cb")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e6eaed", linewidth=0.8)
        axes.set_axisbelow(True)
        return figure, axes

    def _plain(self) -> dict[str, Any]:
        return {"parse_math": False, "family": self.style["font.sans-serif"]}

    def _ticks(self, axes: Any, labels: Sequence[str]) -> None:
        axes.set_yticks(range(len(labels)))
        axes.set_yticklabels([_cut(label) for label in labels], **self._plain())
        axes.set_ylim(len(labels) - 0.4, -0.6)
        for label in axes.get_xticklabels():
            label.set_family(self.style["font.sans-serif"])

    def _legend(self, figure: Any, axes: Any, columns: int) -> None:
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(
                handles,
                labels,
                loc="lower left",
                bbox_to_anchor=(0.02, 0.0),
                ncols=columns,
                frameon=False,
                prop={"family": self.style["font.sans-serif"], "size": 9.5},
                handlelength=1.2,
                handleheight=1.0,
            )

    def outcomes(self, column: str, name: str) -> Any:
        """Draw bars of outcomes by class or unit."""
        counts: dict[str, Counter[str]] = {}
        areas: dict[str, float] = {}
        for row in self.rows:
            group = str(row[column] or "")
            counts.setdefault(group, Counter())[row["outcome"]] += 1
            areas[group] = areas.get(group, 0.0) + (row["area_m2"] or 0.0)
        ranked = sorted(counts, key=lambda g: (not g, -counts[g].total(), g))[:_MOST_ROWS]
        figure, axes = self.figure(name, len(ranked))
        left = [0] * len(ranked)
        for outcome in Outcome:
            fill = OUTCOME_FILLS[outcome]
            sizes = [counts[group][outcome] for group in ranked]
            if not any(sizes):
                continue
            label = value_label("outcome", outcome, self.words.language)
            bars = axes.barh(
                range(len(ranked)),
                sizes,
                left=left,
                height=0.62,
                color=fill.color,
                edgecolor=fill.outline,
                linewidth=0.7,
                linestyle="--" if fill.line == "dash" else "-",
                label=label,
            )
            self._numbers(axes, bars, sizes, dark=outcome in (Outcome.RETAIN, Outcome.DEMOLISH_RESTORE))
            left = [a + b for a, b in zip(left, sizes, strict=True)]
        most = max(left, default=1) or 1
        for place, group in enumerate(ranked):
            mu = areas[group] / M2_PER_MU
            text = self.words("n_and_mu", n=f"{counts[group].total():,}", mu=f"{mu:,.0f}")
            axes.text(left[place] + most * 0.01, place, text, va="center", fontsize=9, **self._plain())
        axes.set_xlim(0, most * 1.22)
        axes.set_xlabel(self.words("parcels"), **self._plain())
        self._ticks(axes, [self._group(column, group) for group in ranked])
        self._legend(figure, axes, 5)
        return figure

    def _numbers(self, axes: Any, bars: Any, sizes: Sequence[int], *, dark: bool) -> None:
        """Write a number into every piece that has room for it."""
        most = max(sum(1 for _ in self.rows), 1)
        for bar, size in zip(bars, sizes, strict=True):
            if size / most > 0.012:
                x, y = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
                color = "#ffffff" if dark else _INK
                axes.text(
                    x, y, f"{size:,}", ha="center", va="center", fontsize=8.5, color=color, **self._plain()
                )

    def _group(self, column: str, group: str) -> str:
        if column != "category":
            return plain_text(group) or self.words("no_unit")
        book = self.result.book
        if not group:
            return self.words("no_class")
        return book.value_label("category", group, self.words.language) if book else group

    def rates(self, group: str, rates: Sequence[Rate], day: date) -> Any:
        """Draw what is done against what must be done by the milestone."""
        shown = rates[: _MOST_ROWS * 2]
        figure, axes = self.figure(f"rates_by_{group}", len(shown), day=str(day))
        for place, rate in enumerate(shown):
            met = rate.reached >= rate.target or not rate.due
            axes.barh(place, 1, height=0.52, color="#eceff1")
            color = OUTCOME_FILLS[Outcome.RETAIN if met else Outcome.DEMOLISH_RESTORE].color
            axes.barh(
                place, rate.reached, height=0.52, color=color, hatch="" if met else "//", edgecolor="white"
            )
            axes.plot(
                [rate.target] * 2,
                [place - 0.38, place + 0.38],
                color=_INK if rate.due else "#a9b3bb",
                linewidth=2.4,
            )
            when = "" if rate.on is None else f"　{rate.on}"
            text = f"{share_text(rate.reached)} / {share_text(rate.target)}{when}"
            axes.text(1.02, place, text, va="center", fontsize=9, **self._plain())
        axes.set_xlim(0, 1.42)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_xticklabels(["0%", "25%", "50%", "75%", "100%"], **self._plain())
        axes.set_xlabel(self.words("rates_axis"), **self._plain())
        names = [plain_text(rate.name) or self.words("no_unit") for rate in shown]
        self._ticks(
            axes, [self.words("schedule_n", name=n, n=r.total) for n, r in zip(names, shown, strict=True)]
        )
        return figure

    def deadlines(self) -> Any:
        """Draw how many parcels fall due on each date, by class."""
        due: dict[date, Counter[str]] = {}
        late: Counter[date] = Counter()
        for row in self.rows:
            if row["due_on"] is not None:
                due.setdefault(row["due_on"], Counter())[str(row["category"] or "")] += 1
                late[row["due_on"]] += row.get("overdue") or 0
        days = sorted(due)[: _MOST_ROWS * 2]
        figure, axes = self.figure("deadlines", len(days))
        classes = list(self.result.book.categories) if self.result.book else []
        left = [0] * len(days)
        for place, category in enumerate([*classes, ""]):
            sizes = [due[day][category] for day in days]
            if any(sizes):
                color = CLASS_COLORS[place] if place < len(CLASS_COLORS) else "#d9d9d9"
                axes.barh(
                    range(len(days)),
                    sizes,
                    left=left,
                    height=0.6,
                    color=color,
                    label=self._group("category", category),
                )
                left = [a + b for a, b in zip(left, sizes, strict=True)]
        most = max(left, default=1) or 1
        as_of = _day(self.result.provenance.get("as_of", ""))
        for place, day in enumerate(days):
            text = f"{left[place]:,}"
            if late[day]:
                text += "　" + self.words("overdue_n", n=f"{late[day]:,}")
            axes.text(left[place] + most * 0.01, place, text, va="center", fontsize=9, **self._plain())
        if as_of is not None:
            after = sum(day < as_of for day in days) - 0.5
            axes.axhline(after, color="#b3261e", linewidth=1.2, linestyle="--")
            text = f"{self.words('as_of_line')} {as_of}"
            axes.text(
                most * 1.2, after, text, color="#b3261e", ha="right", va="bottom", fontsize=9, **self._plain()
            )
        axes.set_xlim(0, most * 1.2)
        axes.set_xlabel(self.words("parcels"), **self._plain())
        self._ticks(axes, [str(day) for day in days])
        self._legend(figure, axes, 4)
        return figure

    def milestones(self) -> Any:
        """Draw for every schedule which share is due when."""
        book = self.result.book
        counted: Counter[str] = Counter()
        for row in self.rows:
            counted.update(name for name in (row["schedule"] or "").split(",") if name)
        names = [name for name in (book.schedules if book else {}) if counted[name]]
        main = {name: book.schedules[name].main_series for name in names} if book else {}
        shown = [name for name in names if main[name] is not None]
        figure, axes = self.figure("milestones", len(shown) * 1.15)
        as_of = _day(self.result.provenance.get("as_of", ""))
        for place, name in enumerate(shown):
            series = main[name]
            if series is None:
                continue
            days = [step.on for step in series.milestones]
            axes.plot(days, [place] * len(days), color=_LIGHT, linewidth=5, solid_capstyle="round", zorder=2)
            for step in series.milestones:
                late = as_of is not None and step.on < as_of
                axes.scatter(
                    [step.on], [place], s=70, color=_DARK if late else "#ffffff", edgecolor=_DARK, zorder=3
                )
                text = share_text(step.share)
                axes.text(
                    step.on, place - 0.22, text, ha="center", va="bottom", fontsize=8.5, **self._plain()
                )
        if as_of is not None:
            axes.axvline(as_of, color="#b3261e", linewidth=1.2, linestyle="--")
            text = f"{self.words('as_of_line')} {as_of}"
            axes.text(
                as_of, -0.95, text, color="#b3261e", ha="center", va="bottom", fontsize=9, **self._plain()
            )
        labels = [
            self.words("schedule_n", name=book.schedules[name].label.of(self.words.language), n=counted[name])
            for name in shown
            if book
        ]
        self._ticks(axes, labels)
        axes.set_ylim(len(shown) - 0.4, -1.0)
        return figure

    def waiting(self) -> Any:
        """Draw which facts open parcels wait for, alone or among others."""
        asked: Counter[str] = Counter()
        alone: Counter[str] = Counter()
        for row in self.rows:
            facts = [name for name in (row["missing_facts"] or "").split(",") if name]
            asked.update(facts)
            if len(facts) == 1:
                alone.update(facts)
        ranked = sorted(asked, key=lambda fact: (-asked[fact], -alone[fact], fact))[:_MOST_ROWS]
        figure, axes = self.figure("waiting", len(ranked))
        first = [alone[fact] for fact in ranked]
        rest = [asked[fact] - alone[fact] for fact in ranked]
        places = range(len(ranked))
        axes.barh(places, first, height=0.6, color=_DARK, label=self.words("alone"))
        axes.barh(places, rest, left=first, height=0.6, color=_LIGHT, label=self.words("asked"))
        most = max((asked[fact] for fact in ranked), default=1)
        for place, fact in enumerate(ranked):
            axes.text(
                asked[fact] + most * 0.01, place, f"{asked[fact]:,}", va="center", fontsize=9, **self._plain()
            )
        axes.set_xlim(0, most * 1.1)
        axes.set_xlabel(self.words("parcels"), **self._plain())
        book, language = self.result.book, self.words.language
        labels = [book.fact_label(f, language) if book and f in book.vocabulary else f for f in ranked]
        self._ticks(axes, labels)
        self._legend(figure, axes, 2)
        return figure


def _cut(label: str) -> str:
    """Return a label that fits beside the bars; Chinese characters are two columns wide."""
    if display_width(label) <= _LONGEST_LABEL:
        return label
    while display_width(label) > _LONGEST_LABEL - 1:
        label = label[:-1]
    return label + "…"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
