"""The instructor's side of notebooks and exercises: declarations, cases, builds and releases.

Nothing here runs on a student's machine or in a student's kernel.
"""
