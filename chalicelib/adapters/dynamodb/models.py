"""The tables of the log, its rows and its chunks, as pynamodb models.

They say what the tables are: keys, attributes, stream. ``tables.py`` and the templates are
made from them; the adapter itself speaks to DynamoDB by way of ``client.py``, and a test
holds the two together. Names of attributes are short because every item carries them.
"""

from typing import Final

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model


class LogItem(Model):
    """One entry of the log, or the name of the chunks that hold it.

    The stream wakes sessions. It carries keys only: whoever is woken reads the log itself,
    because records come late, twice and in any order; and records with images of up to
    400 KB would fill a batch of 6 MB after 15 commits.
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "log"
        billing_mode = "PAY_PER_REQUEST"
        stream_view_type = "KEYS_ONLY"

    log = UnicodeAttribute(hash_key=True, attr_name="pk")
    ts = NumberAttribute(range_key=True, attr_name="ts")
    entry = BinaryAttribute(legacy_encoding=False, attr_name="e", null=True)
    chunks_name = UnicodeAttribute(attr_name="c", null=True)
    chunk_count = NumberAttribute(attr_name="n", null=True)


class RowItem(Model):
    """One row of an index; without an image it is a tombstone.

    The sort key is the row's key behind one byte, since a binary key may not be empty.
    ``document`` is left out where the key ends with it.
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "rows"
        billing_mode = "PAY_PER_REQUEST"

    index = UnicodeAttribute(hash_key=True, attr_name="pk")
    key = BinaryAttribute(range_key=True, legacy_encoding=False, attr_name="sk")
    ts = NumberAttribute(attr_name="t")
    document = BinaryAttribute(legacy_encoding=False, attr_name="i", null=True)
    image = BinaryAttribute(legacy_encoding=False, attr_name="d", null=True)
    chunks_name = UnicodeAttribute(attr_name="c", null=True)
    chunk_count = NumberAttribute(attr_name="n", null=True)
    applied = NumberAttribute(attr_name="a", null=True)
    horizon = NumberAttribute(attr_name="h", null=True)


class ChunkItem(Model):
    """A part of an entry or a document that is too large for one item. Never changed.

    ``staged_ms`` tells its age, ``position`` or ``own_index`` where to look for whoever
    names it.
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "chunks"
        billing_mode = "PAY_PER_REQUEST"

    name = UnicodeAttribute(hash_key=True, attr_name="pk")
    number = NumberAttribute(range_key=True, attr_name="n")
    data = BinaryAttribute(legacy_encoding=False, attr_name="d")
    staged_ms = NumberAttribute(attr_name="w", null=True)
    position = NumberAttribute(attr_name="p", null=True)
    own_index = NumberAttribute(attr_name="i", null=True)


MODELS: Final[tuple[type[Model], ...]] = (LogItem, RowItem, ChunkItem)
"""The tables of this module."""
