"""Whether a former image of a document can come back: by the schema, and by what it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import InvalidId
from chalicelib.engine.schema import (
    Misfitting,
    ScheduledFunction,
    StoredFile,
    codec_of,
    table_name,
)
from chalicelib.engine.schema.jobs import JobState
from chalicelib.engine.schema.stored import misfit, shape_of
from chalicelib.engine.values.encoding import decode
from chalicelib.engine.values.ids import decode_id, encode_id

_FILES, _JOBS = table_name(StoredFile), table_name(ScheduledFunction)


class Judge:
    """Judges images by the catalogue of a transaction, and by the documents that it reads."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction, self._catalogue = transaction, transaction.catalogue
        self._names = self._catalogue.names

    def misfit(self, table: str, document: str, image: bytes) -> Misfitting | None:
        """Tell why an image does not satisfy the schema that is served, or proposed."""
        value = decode(image)
        for text in self._validators(table):
            found = misfit(shape_of(text), value, self._transaction.table_of)
            if found is not None:
                return Misfitting(document=document, path=found.path, reason=found.reason)
        return None

    def dangling(self, document: str, image: bytes) -> Misfitting | None:
        """Tell which stored file or job an image names that is gone: neither comes back."""
        for text in _texts(decode(image)):
            reason = self._gone(text)
            if reason is not None:
                return Misfitting(document=document, path="", reason=reason)
        return None

    def _validators(self, table: str) -> Iterator[str]:
        yield self._catalogue.tables[table].validator
        proposal = self._catalogue.proposal
        if proposal is not None and table in proposal.tables:
            yield proposal.tables[table].validator

    def _gone(self, text: str) -> str | None:
        try:
            number, internal = decode_id(text)
        except InvalidId:
            return None
        name = self._names.get(number)
        if name == _FILES and self._read(_FILES, internal) is None:
            return f"the file {text} is gone"
        if name == _JOBS and not self._waits(internal):
            return f"the job {text} has ended, or is gone"
        return None

    def _waits(self, internal: bytes) -> bool:
        image = self._read(table_name(JobState), internal)
        if image is None:
            return False
        table = self._catalogue.tables[table_name(JobState)]
        state = codec_of(JobState).decode(image, encode_id(table.number, internal), 0)
        return state.phase != "ended"

    def _read(self, table: str, internal: bytes) -> bytes | None:
        return self._transaction.get(self._catalogue.tables[table], internal)


def _texts(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
