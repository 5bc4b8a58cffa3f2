"""A suite of trials over seeds: what is missing is run, what is there is kept.

One file holds one result and is written in one move when its trial has ended, so that the same
call goes on wherever it was stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gencourse.runs.folder import read_json, write_json
from gencourse.runs.scores.trial import FORMAT, Trial

SEEDS = (0, 1, 2)

Result = dict[str, Any]
Results = Mapping[str, Mapping[int, Result]]  # by the trial's name and the seed


@dataclass(frozen=True)
class Suite:
    """The trials of one family of models, and what stands above their table.

    Args:
        name: as in `gencourse scores NAME`.
        title: of the table's page.
        introduction: in Markdown: what is measured, and by what.
        trials: the rows.
    """

    name: str
    title: str
    introduction: str
    trials: Sequence[Trial]

    def chosen(self, names: Sequence[str]) -> list[Trial]:
        """Return the trials of these names, or all of them.

        Raises:
            ValueError: a name that no trial has.
        """
        known = {trial.name: trial for trial in self.trials}
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise ValueError(
                    f"there is no model {name!r} in the scores of {self.name}: {hint}"
                    f"expected one of {', '.join(known)}"
                )
        return [known[name] for name in dict.fromkeys(names)] or list(known.values())

    def page(self, root: Path) -> Path:
        """Return the file of the table."""
        return root / "docs" / f"scores_{self.name}.md"

    def result(self, root: Path, trial: Trial, seed: int) -> Path:
        """Return the file of one result."""
        return root / "results" / "scores" / self.name / f"{trial.name}-seed{seed}.json"


def is_current(trial: Trial, result: Mapping[str, Any]) -> bool:
    """Return whether a result was made by what its trial says today."""
    return result.get("format") == FORMAT and result["settings"] == trial.settings


def read_results(suite: Suite, root: Path) -> Results:
    """Return all results of a suite that are there, of its trials in their order.

    Raises:
        ValueError: a file that is damaged, or belongs to no trial.
    """
    names = {trial.name: {} for trial in suite.trials}
    folder = root / "results" / "scores" / suite.name
    for path in sorted(folder.glob("*.json")):
        try:
            result = read_json(path)
        except ValueError as error:
            why = str(error).partition(": choose")[0]
            raise ValueError(f"{why}: move it away, and it will be run again") from None
        name, seed = result.get("trial"), result.get("seed")
        if name not in names or path.name != f"{name}-seed{seed}.json":
            raise ValueError(
                f"{path} is the result of {name!r} with seed {seed}, expected one of its own "
                f"name that the scores of {suite.name} have: move it away"
            )
        names[name][seed] = result
    return names


def to_do(
    suite: Suite, root: Path, *, models: Sequence[str] = (), seeds: Sequence[int] = SEEDS
) -> list[tuple[Trial, int]]:
    """Return the trials and seeds that have no current result, seed by seed.

    Raises:
        ValueError: an unknown model, no seeds, a negative one, or a damaged file.
    """
    if not seeds or min(seeds) < 0:
        raise ValueError(f"seeds are {list(seeds)}, expected numbers from 0")
    chosen, have = suite.chosen(models), read_results(suite, root)
    return [
        (trial, seed)
        for seed in dict.fromkeys(seeds)
        for trial in chosen
        if seed not in have[trial.name] or not is_current(trial, have[trial.name][seed])
    ]


def run(
    suite: Suite,
    root: Path,
    *,
    models: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    progress: bool = False,
) -> Iterator[tuple[Trial, Result]]:
    """Run what has no current result, and yield each result when it is on disk.

    Args:
        suite: the trials.
        root: the folder of the clone, in which `results/` lies.
        models: names of trials; all when empty.
        seeds: of each.
        progress: whether to show a bar for each training.

    Raises:
        ValueError: as in `to_do`.
    """
    for trial, seed in to_do(suite, root, models=models, seeds=seeds):
        path = suite.result(root, trial, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        result = trial.run(seed, progress=progress)
        write_json(path, result)
        yield trial, result
