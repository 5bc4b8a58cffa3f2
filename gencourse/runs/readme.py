"""The README's section "Results", made from the results that are committed.

    cp runs/NAME/result.json results/NAME.json      # NAME is that of a preset
    python -m gencourse.runs.readme                 # in the clone

No number of ours stands in the section unless a `result.json` holds it.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gencourse.runs.folder import read_json
from gencourse.runs.presets import PRESETS, Preset
from gencourse.runs.report import hardware, stages, with_error

BEGIN, END = "<!-- results: made by python -m gencourse.runs.readme -->", "<!-- end of results -->"
SHORT = 1.0  # nats above the paper's number from which a row falls short


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results of presets in a folder, by the preset's name.

    Raises:
        ValueError: a file that is not the result of the preset that it is named after.
    """
    results = {}
    for path in sorted(folder.glob("*.json")):
        result = read_json(path)
        have = result.get("settings", {}).get("preset")
        if have != path.stem or have not in PRESETS:
            raise ValueError(f"{path} is the result of {have!r}, expected one of its own name")
        results[have] = result
    return results


def section(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table in Markdown, and below it how each row was made."""
    lines = [
        "| model | data | paper [nats] | ours [nats] | hours | command |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for name, preset in PRESETS.items():
        result = results.get(name)
        ours, hours = _ours(preset, result), "—"
        command = result["command"] if result else f"gencourse train --preset {name}"
        if result:
            hours = f"{result['seconds'] / 3600:.2f}"
        lines.append(
            f"| {preset.row} | {preset.data} | {preset.paper:.2f} | {ours} | {hours} "
            f"| `{command}` |"
        )
        notes.append(f"- **{preset.row}, {preset.data}.** {_note(preset, result)}")
    protocols = dict.fromkeys(f"- {preset.protocol}." for preset in PRESETS.values())
    return "\n".join([*lines, "", *protocols, *notes])


def _ours(preset: Preset, result: Mapping[str, Any] | None) -> str:
    if result is None:
        return "not run: needs a GPU" if preset.needs_gpu else "not run"
    nll = result["test"][0]
    measured = with_error(nll["value"], nll["standard_error"])
    short = nll["value"] - preset.paper
    return f"{measured}, falls short by {short:.1f}" if short > SHORT else measured


def _note(preset: Preset, result: Mapping[str, Any] | None) -> str:
    remark = f" {preset.remark}." if preset.remark else ""
    note = f"Paper: {preset.cited}.{remark}"
    if result is None:
        return note
    return (
        f"{note} Ours: {result['parameters']:,} parameters, Adam, seed {result['seed']}, standard "
        f"error over {result['standard_error_over']}, {hardware(result)}, commit "
        f"{result['commit'] or 'unknown'}, {result['finished'][:10]}; {stages(result)}."
    )


def rewritten(readme: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the README with the section as it should be.

    Raises:
        ValueError: the README has no such section.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{section(results)}\n\n{END}{after}"


def main(root: Path) -> None:
    """Rewrite the README in `root` from the files in `root/results`."""
    readme = root / "README.md"
    text = rewritten(readme.read_text(encoding="utf-8"), read_results(root / "results"))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
