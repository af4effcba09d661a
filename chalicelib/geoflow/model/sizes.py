"""How large the values may be that people and workers put into a run."""

from __future__ import annotations

import json
from typing import Any, Final

from chalicelib.engine.server import ValidationFailed
from chalicelib.geoflow.limits import MAX_VALUES_BYTES

_SEPARATORS: Final = (",", ":")


def refuse_large(what: str, values: dict[str, Any]) -> None:
    """Refuse inputs or outputs that would make lists of runs too large to read.

    Raises:
        ValidationFailed: they are more than 64 KiB of JSON.
    """
    # What JSON has no form for (bytes) counts as the text that Python writes for it.
    text = json.dumps(values, ensure_ascii=False, separators=_SEPARATORS, default=repr)
    size = len(text.encode())
    if size > MAX_VALUES_BYTES:
        raise ValidationFailed(
            f"the {what} are {size} bytes, and may be {MAX_VALUES_BYTES}: put the rest into a"
            " file, and name the file",
            bytes=size,
            limit=MAX_VALUES_BYTES,
        )
