"""The course as pages: a static site of executed walkthroughs, and slides; all of it offline."""

from gencourse.site.build import build_site
from gencourse.site.slides import build_slides

__all__ = ["build_site", "build_slides"]
