"""The tables of sessions, subscriptions and rate limits, as pynamodb describes them.

They say what is in the tables, to whoever creates them or looks into them. The adapters speak
to DynamoDB by way of ``client.py``; a test holds the two together.
"""

from typing import Final

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    ListAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
)
from pynamodb.models import Model


class SessionItem(Model):
    """One item of the table of sessions.

    ========================  ==================  =======================================
    ``pk``                    ``sk``              holds
    ========================  ==================  =======================================
    connection id             ``lease``           the lease, and the room of the inbox
    connection id             ``state``           the state, or its beginning
    connection id             ``state#<number>``  the rest of a state over 350 KB
    connection id             ``frame#<id>``      one frame of the inbox
    ``roster#<shard>``        connection id       whose connection it is
    ``session#<session id>``  connection id       its number
    ``line#<log>``            ``at#<place>``      a mutation that stands in line
    ``line#<log>``            ``lease``           who runs those that stand there
    ========================  ==================  =======================================
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "sessions"
        billing_mode = "PAY_PER_REQUEST"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_s = TTLAttribute(null=True)

    # A lease: see engine.ports.Lease. Its owner and deadline are there while it is held,
    # ``is_due`` and ``is_dead`` while they are true.
    lease_owner = UnicodeAttribute(null=True)
    deadline_ms = NumberAttribute(null=True)
    frames_left = NumberAttribute(null=True)
    frames_drained = NumberAttribute(null=True)
    wake_ts = NumberAttribute(null=True)
    seen_ts = NumberAttribute(null=True)
    sent_version: ListAttribute[NumberAttribute] = ListAttribute(
        of=NumberAttribute, null=True
    )
    digests = BinaryAttribute(null=True, legacy_encoding=False)
    revision = NumberAttribute(null=True)
    is_due = BooleanAttribute(null=True)
    is_dead = BooleanAttribute(null=True)
    born_ms = NumberAttribute(null=True)
    sent_ms = NumberAttribute(null=True)
    drop_ms = NumberAttribute(null=True)

    # The room that frames take in the inbox, counted on the lease.
    waiting_frames = NumberAttribute(null=True)
    waiting_bytes = NumberAttribute(null=True)

    # A state, or a frame; ``parts`` is how many items the rest of a state has.
    body = BinaryAttribute(null=True, legacy_encoding=False)
    parts = NumberAttribute(null=True)
    stamp_ms = NumberAttribute(null=True)
    origin = BinaryAttribute(null=True, legacy_encoding=False)

    # The roster, and which connection of its session one is.
    session_id = UnicodeAttribute(null=True)
    nth = NumberAttribute(null=True)


class SubscriptionItem(Model):
    """One item of the table of subscriptions.

    ===============================  ==========================  ================
    ``pk``                           ``sk``                      holds
    ===============================  ==========================  ================
    ``log#<log>#<index>#`` + prefix  connection id ``#`` digest  one subscription
    ``connection#<connection id>``   digest                      a list of those
    ===============================  ==========================  ================
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "subscriptions"
        billing_mode = "PAY_PER_REQUEST"

    pk = BinaryAttribute(hash_key=True, legacy_encoding=False)
    sk = UnicodeAttribute(range_key=True)
    expires_s = TTLAttribute(null=True)
    low = BinaryAttribute(null=True, legacy_encoding=False)
    high = BinaryAttribute(null=True, legacy_encoding=False)
    listed = BinaryAttribute(null=True, legacy_encoding=False)


class RateItem(Model):
    """When one caller was granted requests, packed as ``engine/rates.py`` does.

    The key is ``<log>#<caller>``, ``version`` counts how often the item was written.
    """

    class Meta:  # noqa: D106 - pynamodb's
        table_name = "rates"
        billing_mode = "PAY_PER_REQUEST"

    pk = UnicodeAttribute(hash_key=True)
    version = NumberAttribute(attr_name="v")
    times = BinaryAttribute(attr_name="t", legacy_encoding=False)
    expires_s = TTLAttribute()


SESSION_MODELS: Final[tuple[type[Model], ...]] = (SessionItem, SubscriptionItem, RateItem)
"""The tables of this module."""
