"""Stable names that say nothing about a student to anyone without the course's key."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

from gencourse.course import Course


def pseudonym(student: str, key: bytes) -> str:
    """Return the pseudonym of a student, the same for every unit of a term."""
    return f"student-{hmac.new(key, student.encode(), hashlib.sha256).hexdigest()[:8]}"


def pseudonym_key(course: Course) -> bytes:
    """Return the key of this term's pseudonyms, made when it is needed first."""
    path = course.secret / "pseudonyms"
    course.secret.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()
