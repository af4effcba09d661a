"""The types of single fields, with their bounds (``limits.py``)."""

from __future__ import annotations

from typing import Annotated, Final

from chalicelib.engine.server import Meta
from chalicelib.geoflow.limits import (
    MAX_DESCRIPTION_CHARS,
    MAX_EMAIL_CHARS,
    MAX_FILE_NAME_CHARS,
    MAX_KEY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_SERVICE_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
    MAX_URL_CHARS,
)

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION_CHARS)]
Email = Annotated[str, Meta(min_length=3, max_length=MAX_EMAIL_CHARS)]
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG_CHARS)]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_CHARS)]
Message = Annotated[str, Meta(max_length=MAX_MESSAGE_CHARS)]
Service = Annotated[str, Meta(min_length=1, max_length=MAX_SERVICE_CHARS)]
Url = Annotated[str, Meta(max_length=MAX_URL_CHARS)]
FileName = Annotated[str, Meta(min_length=1, max_length=MAX_FILE_NAME_CHARS)]
Progress = Annotated[float, Meta(ge=0, le=1)]
"""A share of the work that is done, 0 to 1."""

__all__: Final = [
    "Description",
    "Email",
    "FileName",
    "Key",
    "Message",
    "Name",
    "Progress",
    "Service",
    "Tag",
    "Tags",
    "Url",
]
