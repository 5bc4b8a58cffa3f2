"""gencourse: deep generative models that run, proved right, with homework that grades itself.

The families (`gencourse.graphical` and those to come) are imported where they are used; importing
`gencourse` itself imports nothing else.
"""

__version__ = "0.1.0"
