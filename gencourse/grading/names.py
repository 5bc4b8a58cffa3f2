"""Names from outside as ids that are safe as file names."""

from __future__ import annotations

import hashlib
import re
import unicodedata


def student_id(raw: str) -> str:
    """Return a name as an id that is safe as a file name, never starting with a mark."""
    text = unicodedata.normalize("NFKC", raw)
    text = re.sub(r"[^\w.@+-]+", "-", text).strip("-.+@_")[:80]
    return text or "unnamed"


def unique_ids(raws: list[str]) -> dict[str, str]:
    """Give each name its own id, also on file systems that do not tell upper from lower case."""
    ids = {raw: student_id(raw) for raw in raws}
    folded = [i.casefold() for i in ids.values()]
    for raw, name in ids.items():
        if folded.count(name.casefold()) > 1:
            digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:6]
            ids[raw] = f"{name}-{digest}"
    return ids
