"""nbgrader's view of this course: its commands and formgrader use the folders of `gencourse`."""

import os
import sys
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

# Stock `nbgrader autograde` runs the hidden tests in the student's kernel, which finds their cases
# by this variable. Without them every answer would score 0, so that is refused.
hidden = Path(
    os.environ.get("GENCOURSE_HIDDEN") or os.environ.get("GENCOURSE_SECRET") or ROOT / "secret"
).resolve()
if hidden.is_file() or any(hidden.glob("*.json")):
    os.environ["GENCOURSE_HIDDEN"] = str(hidden)
elif "autograde" in sys.argv:
    sys.exit(f"error: there are no hidden cases in {hidden}; run gencourse release first")
