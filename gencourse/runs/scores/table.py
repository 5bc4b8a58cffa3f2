"""The page of a suite in Markdown, made from its results and from nothing else."""

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gencourse.runs.report import hardware
from gencourse.runs.scores.suite import Result, Results, Suite, is_current, read_results
from gencourse.runs.scores.trial import BUDGET, Trial


def write_page(suite: Suite, root: Path) -> Path:
    """Write the page of a suite from its results, in one move, and return its file."""
    path = suite.page(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(page(suite, read_results(suite, root)), encoding="utf-8")
    os.replace(unfinished, path)
    return path


def told(trial: Trial, result: Result) -> str:
    """Return a result in one line."""
    digits = trial.yardstick.digits
    name = trial.goal.measure if trial.goal else next(iter(trial.yardstick.units))
    measure = result["measures"][name]
    before, after = _number(measure["before"], digits), _number(measure["after"], digits)
    reached = "reached" if is_reached(trial, result) else "not reached"
    goal = f"the goal {trial.goal} is {reached}" if trial.goal else "it has no goal"
    return (
        f"{trial.name}, seed {result['seed']}: {name} {before} → {after} in "
        f"{result['processor_seconds']:.0f} s of a core; {goal}"
    )


def page(suite: Suite, results: Results) -> str:
    """Return the page: introduction, one row for each trial, and how each was made."""
    command = f"gencourse scores {suite.name}"
    groups: dict[str, list[Trial]] = {}
    for trial in suite.trials:
        key = trial.yardstick.table or next(iter(trial.yardstick.units))
        groups.setdefault(key, []).append(trial)
    notes = [_note(t, results.get(t.name, {})) for t in suite.trials]
    return "\n".join(
        [
            f"# {suite.title}",
            "",
            f"<!-- made by {command} from results/scores/{suite.name}/ -->",
            "",
            suite.introduction.strip(),
            "",
            "```sh",
            f"{command}   # runs what is missing or stale, and goes on after an interrupt",
            "```",
            "",
            "Before training → after, mean ± standard deviation over seeds. A goal is reached by "
            "a seed that passes the number, keeps the stated distance from its untrained self, "
            f"and trains for at most {BUDGET:g} s on one core; seconds are the mean over seeds.",
            "",
            *[line for trials in groups.values() for line in _table(trials, results)],
            *notes,
            "",
        ]
    )


def _table(trials: Sequence[Trial], results: Results) -> list[str]:
    """Return the table of trials that stand together, its heading if it has one, and a gap."""
    units = _shared_units(trials)
    names = [f"{name} [{unit}]" if unit else name for name, unit in units.items()]
    category = ["category"] if len({t.category for t in trials}) > 1 else []
    head = ["trial", *category, *names, "goal", "reached", "seconds of a core"]
    rows = []
    for trial in trials:
        name, *cells = _row(trial, units, results.get(trial.name, {}))
        rows.append([name, *([trial.category] if category else []), *cells])
    for name, *cells in _rows_of_data(trials, list(units), results):
        rows.append([name, *(["—"] if category else []), *cells])
    heading = trials[0].yardstick.table
    lines = [_line(cells) for cells in (head, ["---"] * len(head), *rows)]
    return [*([f"## {heading}", ""] if heading else []), *lines, ""]


def _shared_units(trials: Sequence[Trial]) -> dict[str, str | None]:
    """Return the unit of each measure, None where trials differ and each cell tells its own."""
    units: dict[str, str | None] = {}
    for trial in trials:
        for name, unit in trial.yardstick.units.items():
            units[name] = unit if units.get(name, unit) == unit else None
    return units


def _row(
    trial: Trial, units: Mapping[str, str | None], by_seed: Mapping[int, Result]
) -> list[str]:
    results, stale = _best(trial, by_seed)
    goal = str(trial.goal or "none")
    if not results:
        return [trial.name, *["—"] * len(units), goal, "not run", "—"]
    digits, cells = trial.yardstick.digits, []
    for name, unit in units.items():
        cell = _before_after([r["measures"].get(name) for r in results], digits)
        own = trial.yardstick.units.get(name, "") if unit is None else ""
        cells.append(f"{cell} {own}".rstrip())
    reached = sum(is_reached(trial, r) for r in results)
    seconds = statistics.fmean(r["processor_seconds"] for r in results)
    if trial.goal and (trial.goal.at_most, trial.goal.at_least) != (None, None):
        goal += f", {trial.goal.margin:g} better than untrained"
    return [
        f"{trial.name} (stale)" if stale else trial.name,
        *cells,
        goal,
        f"{reached} of {len(results)}" if trial.goal else "—",
        f"{seconds:.0f}",
    ]


def _rows_of_data(
    trials: Sequence[Trial], measures: Sequence[str], results: Results
) -> Iterator[list[str]]:
    """Yield what fresh data got in place of samples, where a result tells."""
    got: dict[str, dict[str, float]] = {}
    for trial in trials:
        for result in _best(trial, results.get(trial.name, {}))[0]:
            told = {n: m["data"] for n, m in result["measures"].items() if m["data"] is not None}
            got.setdefault(result["settings"]["data"], {}).update(told)
    for data, values in got.items():
        if values:
            digits = trials[0].yardstick.digits
            cells = [_number(values[n], digits) if n in values else "—" for n in measures]
            yield [f"*fresh data: {data}*", *cells, "—", "—", "—"]


def is_reached(trial: Trial, result: Mapping[str, Any]) -> bool:
    """Return whether a result reaches the goal within the time."""
    return trial.reached(result) and result["processor_seconds"] <= BUDGET


def _best(trial: Trial, by_seed: Mapping[int, Result]) -> tuple[list[Result], bool]:
    """Return the current results, or else the stale ones and True."""
    ordered = [by_seed[seed] for seed in sorted(by_seed)]
    current = [r for r in ordered if is_current(trial, r)]
    return current or ordered, bool(ordered) and not current


def _before_after(measured: Sequence[Mapping[str, Any] | None], digits: int | None) -> str:
    """Return the means before and after, and the spread; one number where nothing has changed."""
    have = [m for m in measured if m is not None]
    if not have:
        return "—"
    before = _number(statistics.fmean(m["before"] for m in have), digits)
    after = [m["after"] for m in have]
    spread = f" ± {_number(statistics.stdev(after), digits and 1)}" if len(after) > 1 else ""
    if digits and all(m["before"] == m["after"] for m in have):
        return f"{before}{spread if len(set(after)) > 1 else ''}"
    return f"{before} → **{_number(statistics.fmean(after), digits)}**{spread}"


def _number(value: float, digits: int | None = None) -> str:
    """Return so many significant digits; or else three, and no more than the number has."""
    if digits and 0 < abs(value) < 10 ** (digits - 1):
        return f"{value:#.{digits}g}"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.1g}"


def _note(trial: Trial, by_seed: Mapping[int, Result]) -> str:
    results, stale = _best(trial, by_seed)
    remark = f" {trial.remark}" if trial.remark else ""
    if not results:
        return f"- **{trial.name}**: not run.{remark}"
    first = results[0]
    used = first["settings"]
    made = dict.fromkeys(
        f"{hardware(r)}, torch {r['versions']['torch']}, commit {r['commit'] or 'unknown'}, "
        f"{r['finished'][:10]}"
        for r in results
    )
    old = f" Stale, made with other settings than today's: {'; '.join(_changes(trial, used))}."
    seeds = ", ".join(str(r["seed"]) for r in results)
    return (
        f"- **{trial.name}**: {used['model']}({_words(used['config'])}), "
        f"{first['parameters']:,} parameters, on {used['data']}; {_words(used['training'])}; "
        f"seeds {seeds}; {'; '.join(made)}.{old if stale else ''}{remark}"
    )


def _changes(trial: Trial, used: Mapping[str, Any]) -> list[str]:
    now = trial.settings
    names = [name for name in now if used.get(name) != now[name]]
    return [f"{name} is now {_value(now[name])}" for name in names] or ["its format is older"]


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _words(value)
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else str(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
