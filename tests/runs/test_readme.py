"""The README's results are those of the committed files, and say what was not reached."""

import json
import re
from pathlib import Path

import pytest

from gencourse.runs import PRESETS, readme, settings_of

ROOT = Path(__file__).parents[2]


def result(nats, error, name="nade-mnist"):
    settings = settings_of(preset=name, minutes=3.0)
    return {
        "command": settings.command(),
        "test": [{"name": "NLL", "value": nats, "standard_error": error, "unit": "nats"}],
        "standard_error_over": "test rows",
        "epochs": [[3, 4], [5, 4]],
        "stopped": [["early stop", "time is up"]] * 2,
        "seconds": 1800.0,
        "parameters": 12345,
        "seed": 7,
        "settings": settings.plain(),
        "hardware": {"processor": "abacus", "threads": 1, "gpu": None},
        "commit": "abc",
        "finished": "2026-01-02T03:04:05+00:00",
    }


def test_the_readme_holds_what_the_files_hold():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    results = readme.read_results(ROOT / "results")
    assert readme.rewritten(text, results) == text, "python -m gencourse.runs.readme"


def test_committed_results_are_whole_and_name_no_path():
    results = readme.read_results(ROOT / "results")
    assert results
    for name, have in results.items():
        assert have["command"].startswith(f"gencourse train --preset {name}")
        names = [n.replace("-", "_") for n in re.findall("--([a-z-]+)", have["command"])[1:]]
        given = {n: have["settings"][n] for n in names}
        changed = settings_of(preset=name, **given).plain()
        assert have["settings"] == changed, "the preset has changed since; run it anew"
        assert have["test"][0]["standard_error"] > 0 and have["commit"]
        assert not [v for v in json.dumps(have).split('"') if v.startswith("/")]


def test_rows_that_fall_short_or_were_not_run_say_so():
    paper = PRESETS["nade-mnist"].paper
    shown = readme.section({"nade-mnist": result(paper + 2.34, 0.2)})
    row = next(line for line in shown.splitlines() if "| NADE" in line)
    assert f"{paper + 2.34:.2f} ± 0.20, falls short by 2.3" in row
    assert "| 0.50 | `gencourse train --preset nade-mnist --minutes 3.0`" in row
    for words in ("12,345 parameters", "seed 7", "abacus, 1 thread", "commit abc", "2026-01-02"):
        assert words in shown
    assert "early stop after 3 to 5 epochs, then time is up after 4 epochs" in shown
    near = readme.section({"nade-mnist": result(paper + 0.9, 0.2)})
    assert "falls short" not in near
    assert shown.count("not run |") == sum(not p.needs_gpu for p in PRESETS.values()) - 1
    assert shown.count("not run: needs a GPU") == sum(p.needs_gpu for p in PRESETS.values())


def test_a_result_under_another_name_is_refused(tmp_path):
    (tmp_path / "made-mnist.json").write_text(json.dumps(result(90.0, 0.2)))
    with pytest.raises(ValueError, match="result of 'nade-mnist'"):
        readme.read_results(tmp_path)
    with pytest.raises(ValueError, match="no lines"):
        readme.rewritten("# A README", {})


def test_the_command_of_the_module_rewrites_the_section_only(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "nade-mnist.json").write_text(json.dumps(result(90.0, 0.2)))
    (tmp_path / "README.md").write_text(
        f"before\n\n{readme.BEGIN}\nstale words\n{readme.END}\n\nafter\n"
    )
    readme.main(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before") and text.endswith("after\n") and "stale words" not in text
    assert "90.00 ± 0.20" in text
