"""The command line: `gencourse COMMAND`, each a few lines around a function of the library.

An error that a person can mend is one line on stderr and status 1; `GENCOURSE_DEBUG=1` shows the
traceback too.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from gencourse import __version__
from gencourse.course import UNITS, Course, CourseError, resolve_unit

if TYPE_CHECKING:
    from gencourse.exercises.sheet import ScoreSheet

out = Console()
err = Console(stderr=True)


class OneLineErrors(TyperGroup):
    """A command group in which an error is one readable line, never a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as interrupt:
            self._say(str(interrupt) or "interrupted; what was finished is kept")
            raise typer.Exit(130) from None
        except (CourseError, ValueError, OSError) as error:
            self._say(str(error))
            raise typer.Exit(1) from None
        except Exception as error:
            if type(error).__module__.split(".")[0] in {"click", "typer"}:
                raise
            hint = "this should not happen; GENCOURSE_DEBUG=1 shows where"
            self._say(f"{type(error).__name__}: {error} ({hint})")
            raise typer.Exit(1) from None

    @staticmethod
    def _say(message: str) -> None:
        if os.environ.get("GENCOURSE_DEBUG"):
            err.print_exception()
        line = " ".join(message.split())
        err.print(f"[bold red]error:[/] {escape(line)}", soft_wrap=True, highlight=False)


app = typer.Typer(
    cls=OneLineErrors,
    help="A course on deep generative models: notebooks, homework, grading.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Homework = Annotated[Path, typer.Argument(help="Your homework notebook.")]
Unit = Annotated[str, typer.Argument(help=f"A unit, by any unique prefix: {', '.join(UNITS)}.")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__, highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def _units(names: list[str] | None, course: Course) -> list[str]:
    """The units that were named, or all that have sources."""
    if names:
        return [resolve_unit(name) for name in names]
    return [unit for unit in UNITS if course.source(unit, "homework").is_file()]


@app.command()
def build(
    units: Annotated[
        list[str] | None, typer.Argument(help="Units; all that have sources by default.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when what is committed differs.")
    ] = False,
) -> None:
    """Build the notebooks and public cases from the text sources in `solutions/`."""
    from gencourse.authoring.build import build as build_units

    course = Course.find()
    changed = build_units(course, _units(units, course), check=check)
    for path in changed:
        out.print(f"{'differs' if check else 'wrote'} {path}", soft_wrap=True, highlight=False)
    if check and changed:
        raise CourseError(
            f"{len(changed)} built files differ from their sources: gencourse build, then commit"
        )
    if not changed:
        out.print("everything is up to date")


@app.command("import")
def import_(
    notebook: Annotated[
        Path, typer.Argument(help="An instructor's notebook edited in JupyterLab.")
    ],
) -> None:
    """Bring an edit made in JupyterLab back into the text source."""
    from gencourse.authoring.build import import_notebook

    out.print(
        f"wrote {import_notebook(Course.find(notebook.parent), notebook)}",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def release(
    unit: Unit,
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; `releases/` by default.")
    ] = None,
) -> None:
    """Make what students get: notebooks, the library as a wheel, requirements, a version stamp."""
    from gencourse.authoring.release import release as make_release

    out.print(
        f"wrote {make_release(Course.find(), resolve_unit(unit), to)}",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def secret() -> None:
    """Make the secret seed of this term, from which the hidden cases come."""
    from gencourse.authoring.cases import new_secret

    out.print(
        f"wrote {new_secret(Course.find())}; keep a copy, never commit it",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def check(notebook: Homework) -> None:
    """Run the visible tests of a homework in a fresh kernel and print a score sheet."""
    from gencourse.exercises.sheet import check_notebook

    with err.status("running the notebook in a fresh kernel"):
        sheet = check_notebook(notebook)
    _show_sheet(sheet, notebook.name)
    if not all(row.right for row in sheet.rows):
        raise typer.Exit(1)


@app.command()
def submit(
    homework: Annotated[str, typer.Argument(help="A unit, or your homework notebook.")],
    to: Annotated[
        Path | None, typer.Option("--out", help="The zip; beside the notebook by default.")
    ] = None,
) -> None:
    """Check a homework, then make the zip to hand in, with a receipt."""
    from gencourse.exercises.submit import find_homework
    from gencourse.exercises.submit import submit as make_zip

    notebook = find_homework(homework)
    with err.status("running the notebook in a fresh kernel"):
        receipt = make_zip(notebook, out=to)
    _show_sheet(receipt.sheet, notebook.name)
    for line in receipt.lines():
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def _show_sheet(sheet: ScoreSheet, title: str) -> None:
    table = Table("exercise", "test", "points", "", title=escape(title))
    for row in sheet.rows:
        mark = "[green]right[/]" if row.right else f"[red]{escape(row.says)}[/]"
        points = f"{row.points if row.right else 0} / {row.points}"
        table.add_row(escape(row.exercise), escape(row.test), points, mark)
    out.print(table)
    for note in sheet.notes:
        out.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True, highlight=False)
    scored = f"{sheet.points} of {sheet.possible} points"
    out.print(f"{scored} on the visible tests; grading uses other inputs.")


@app.command()
def grade(
    unit: Unit,
    submissions: Annotated[
        Path | None,
        typer.Option(help="A folder in nbgrader's layout or an LMS zip; `submitted/` by default."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Submissions graded at a time.")] = 2,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that a cell may run.")] = 30,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Grade without the sandbox.")] = False,
    dev_seed: Annotated[
        bool, typer.Option("--dev-seed", help="Use the development seed, which is public.")
    ] = False,
    executor: Annotated[str, typer.Option(help="Where workers run: processes or dask.")] = (
        "processes"
    ),
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running dask scheduler.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade also what has not changed.")
    ] = False,
    roster: Annotated[
        Path | None, typer.Option(help="CSV of the students; `roster.csv` by default.")
    ] = None,
) -> None:
    """Grade a class on the secret cases and write the marks into the gradebook.

    Only what is new or has changed is graded; after an interruption the same call goes on.
    """
    from gencourse.grading import grade as grade_class
    from gencourse.grading.report import table_of

    course = Course.find()
    result = grade_class(
        course,
        resolve_unit(unit),
        submissions or course.submitted,
        workers=workers,
        unsafe=unsafe,
        dev_seed=dev_seed,
        timeout=timeout,
        executor=executor,
        scheduler=scheduler,
        force=force,
        roster=roster,
    )
    out.print(table_of(result))
    out.print(result.summary())


@app.command()
def report(
    unit: Unit,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Only the class report, without names.")
    ] = False,
) -> None:
    """Write the class report and every student's feedback as static pages."""
    from gencourse.grading import feedback as write_feedback
    from gencourse.grading import report as write_report

    course, unit = Course.find(), resolve_unit(unit)
    path = write_report(course, unit, anonymous=anonymous)
    out.print(f"wrote {path}", soft_wrap=True, highlight=False)
    if anonymous:
        return
    pages = write_feedback(course, unit)
    out.print(
        f"wrote {len(pages)} feedback pages in {course.feedback}", soft_wrap=True, highlight=False
    )


@app.command()
def export(
    unit: Unit,
    to: Annotated[Path | None, typer.Option("--out", help="The CSV file.")] = None,
    style: Annotated[str, typer.Option(help="plain, canvas or moodle.")] = "plain",
) -> None:
    """Write the marks of a unit as CSV, in a form that Canvas or Moodle imports if asked."""
    from gencourse.grading import export as write_csv

    path = write_csv(Course.find(), resolve_unit(unit), to, style=style)
    out.print(f"wrote {path}", soft_wrap=True, highlight=False)


@app.command("new-term")
def new_term(
    name: Annotated[str, typer.Argument(help="The term that ends, such as 2026-autumn.")],
) -> None:
    """Archive a term's gradebook, submissions and secret, and make a fresh secret."""
    from gencourse.grading.term import new_term as archive

    path = archive(Course.find(), name=name)
    out.print(f"archived in {path}; a fresh secret is made", soft_wrap=True, highlight=False)


@app.command()
def demo(
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder for the class; `demo/` by default.")
    ] = None,
) -> None:
    """Release unit 01, hand in a small class, grade it and show the report."""
    from gencourse.grading.demo import demo as run_demo

    if not run_demo(Course.find(), to):
        raise CourseError("a submission did not get the score that it deserves")


@app.command()
def train(
    model: Annotated[
        str | None, typer.Argument(help="A model, such as nade; --list shows them all.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A data set, such as digits.")] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the run; `runs/` and its name by default."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The row of a paper.")] = None,
    binarise: Annotated[
        str | None, typer.Option(help="How grey images become binary: static, dynamic, threshold.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the data.")] = None,
    steps: Annotated[int | None, typer.Option(help="Batches, instead of --epochs.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Most minutes of training.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch.")] = None,
    lr: Annotated[
        str | None,
        typer.Option(help="Adam's step size; several, as in 1e-3,1e-4, are stages in turn."),
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a lower validation loss before it stops.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of a cross-validation.")] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Hidden units; several widths as in 500,500.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, an argument of the model's class; may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; the best there is by default.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show models, data sets and presets.")
    ] = False,
) -> None:
    """Train a model, measure it once on test data, and write the result and pictures to a folder.

    The same command goes on after Ctrl-C or a kill, and ends with the same numbers.
    """
    from gencourse.runs import report, settings_of, train_model
    from gencourse.runs.settings import numbers_from, options_from

    if show:
        for shown in report.tables_of_choices():
            out.print(shown)
        return
    settings = settings_of(
        model,
        data,
        preset=preset,
        hidden=numbers_from("hidden", hidden, int),
        options=options_from(option or []),
        binarise=binarise,
        epochs=epochs,
        steps=steps,
        minutes=minutes,
        batch_size=batch_size,
        lr=numbers_from("lr", lr, float) or None,
        clip=clip,
        patience=patience,
        folds=folds,
        seed=seed,
    )
    folder = to or Path("runs") / (settings.preset or f"{settings.model}-{settings.data}")
    progress = sys.stderr.isatty()
    if not progress:  # then one line an epoch
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
        logging.getLogger("gencourse.runs").setLevel(logging.INFO)
    result = train_model(settings, folder, device=device, progress=progress)
    out.print(report.table_of(result))
    out.print(f"in {folder}: result.json, samples.png, curve.png", soft_wrap=True, highlight=False)


@app.command()
def scores(
    family: Annotated[str, typer.Argument(help="gan, or another family that has a table.")],
    model: Annotated[
        list[str] | None, typer.Option(help="A row of the table; all by default; may be repeated.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Of each row, between commas.")] = "0,1,2",
    table_only: Annotated[
        bool, typer.Option("--table-only", help="Train nothing, only write the table.")
    ] = False,
) -> None:
    """Train every model of a family for a minute, and write the table of scores in `docs/`.

    One file for each model and seed is kept in `results/scores/`; the same command runs what is
    missing or was made with other settings, so that it goes on after Ctrl-C or a kill.
    """
    from gencourse.runs import scores as tables
    from gencourse.runs.settings import numbers_from

    suite, root = tables.suite_of(family), Course.find().root
    chosen, wanted = suite.chosen(model or []), numbers_from("seeds", seeds, int)
    names = [trial.name for trial in chosen]
    left = tables.to_do(suite, root, models=names, seeds=wanted)
    if not table_only:
        out.print(f"{len(left)} of {len(chosen) * len(set(wanted))} to do, a minute each at most")
        for k, (trial, result) in enumerate(
            tables.run(suite, root, models=names, seeds=wanted, progress=sys.stderr.isatty()),
            1,
        ):
            done = tables.told(trial, result)
            out.print(f"{k} of {len(left)}: {done}", soft_wrap=True, highlight=False)
            tables.write_page(suite, root)
    page = tables.write_page(suite, root)
    out.print(f"wrote {page}", soft_wrap=True, highlight=False)


@app.command()
def site(
    units: Annotated[
        list[str] | None, typer.Argument(help="Units; all that have a walkthrough by default.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder of the site; `build/site` by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Walkthroughs run at a time.")] = 2,
) -> None:
    """Execute the walkthroughs and make the course site, which needs no network.

    What has not changed since the last time is not executed again.
    """
    from gencourse.site import build_site

    with err.status("running walkthroughs and making pages"):
        made = build_site(
            Course.find(),
            units=[resolve_unit(name) for name in units or ()],
            out=to,
            jobs=jobs,
            say=lambda line: out.print(line, soft_wrap=True, highlight=False, markup=False),
        )
    for line in made.warnings:
        out.print(f"[yellow]note[/] {escape(line)}", soft_wrap=True, highlight=False)
    out.print(f"wrote {made.index}", soft_wrap=True, highlight=False)


@app.command()
def slides(
    unit: Unit,
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder; `build/slides/UNIT` by default.")
    ] = None,
) -> None:
    """Make a walkthrough's slides, with figures and mathematics, for a room without network."""
    from gencourse.site import build_slides

    with err.status("running the walkthrough"):
        page = build_slides(Course.find(), resolve_unit(unit), out=to)
    out.print(f"wrote {page}; open it in a browser", soft_wrap=True, highlight=False)


@app.command()
def doctor() -> None:
    """Say what works on this machine, and how to mend what does not."""
    from gencourse.doctor import diagnose

    table = Table("", "", "found", "mend")
    signs = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "broken": "[bold red]broken[/]"}
    broken = 0
    for finding in diagnose():
        broken += finding.state == "broken"
        table.add_row(
            signs[finding.state], finding.name, escape(finding.detail), escape(finding.mend)
        )
    out.print(table)
    if broken:
        raise CourseError(f"{broken} things that the course needs are broken; see the column mend")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    sys.exit(main())
