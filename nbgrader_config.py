"""nbgrader's view of this course: its commands and formgrader use the folders of `gencourse`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent

c = get_config()  # noqa: F821  (nbgrader defines it)

c.CourseDirectory.course_id = "gencourse"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
c.CourseDirectory.db_url = f"sqlite:///{ROOT / 'gradebook.db'}"
c.CourseDirectory.notebook_id = "*_homework"  # the walkthroughs are not assignments

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.Execute.timeout = 60
c.Execute.shutdown_kernel = "immediate"
c.OverwriteCells.add_missing_cells = True
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(UserWarning|FutureWarning|DeprecationWarning|NNPACK|it/s)"
c.LimitOutput.max_lines = 500
c.HTMLExporter.sanitize_html = True  # formgrader shows what students wrote
c.Exchange.root = str(ROOT / "exchange")
