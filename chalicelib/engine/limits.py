"""Every number that bounds the system: its unit, its reason, its source.

Where a docstring gives no other source, the number is Convex's own, so that a program which
fits there fits here.
"""

from typing import Final

# Values

MAX_VALUE_BYTES: Final = 1 << 25
"""Largest value of any kind, in bytes as ``values.size`` counts them: 32 MiB."""

MAX_VALUE_NESTING: Final = 64
"""Deepest value, in levels of arrays and objects; a scalar has none."""

MAX_ARRAY_ITEMS: Final = 8192
"""Most items in one array."""

MAX_OBJECT_FIELDS: Final = 1024
"""Most fields in one object."""

MAX_FIELD_NAME_CHARS: Final = 1024
"""Longest field name, in characters; they are ASCII 32..126, so also in bytes."""

MAX_SAFE_INTEGER: Final = 1 << 53
"""Largest magnitude of a plain integer.

Source: IEEE 754. Numbers are float64, which skips integers from here on.
"""

MIN_INT64: Final = -(1 << 63)
"""Smallest 64-bit integer (a bigint of JavaScript)."""

MAX_INT64: Final = (1 << 63) - 1
"""Largest 64-bit integer (a bigint of JavaScript)."""

# Documents and the catalogue

MAX_DOCUMENT_BYTES: Final = 1 << 20
"""Largest document, in bytes as ``values.size`` counts them: 1 MiB."""

MAX_DOCUMENT_NESTING: Final = 16
"""Deepest document, in levels; the document itself is the first."""

MAX_IDENTIFIER_CHARS: Final = 64
"""Longest name of a table, an index or a field of a schema, in characters."""

MAX_TABLES: Final = 10_000
"""Most tables of a deployment."""

MAX_INDEXES_PER_TABLE: Final = 64
"""Most indexes of one table."""

MAX_INDEX_FIELDS: Final = 16
"""Most fields of one index; creation time and id, which follow them, do not count."""

# Functions

MAX_ARGUMENT_BYTES: Final = 1 << 24
"""Largest arguments of one call, in bytes of the value: 16 MiB."""

MAX_RESULT_BYTES: Final = 1 << 24
"""Largest result of one call, in bytes of the value: 16 MiB."""

MAX_ACTION_S: Final = 600.0
"""Time that an action may take, in seconds."""

MAX_LOG_LINES: Final = 256
"""Most lines that one call may log."""

MAX_LOG_LINE_BYTES: Final = 32_768
"""Longest line that a call may log, in bytes of UTF-8."""

MAX_HTTP_ACTION_BODY_BYTES: Final = 20 << 20
"""Largest body of a request to an HTTP action, in bytes: 20 MiB."""

# Transactions

MAX_DOCUMENTS_READ: Final = 32_000
"""Most documents that one transaction may read."""

MAX_BYTES_READ: Final = 1 << 24
"""Most bytes of documents that one transaction may read: 16 MiB."""

MAX_INTERVALS_READ: Final = 4096
"""Most intervals of index keys in one read set."""

MAX_DOCUMENTS_WRITTEN: Final = 16_000
"""Most documents that one transaction may write."""

MAX_BYTES_WRITTEN: Final = 1 << 24
"""Most bytes of documents that one transaction may write: 16 MiB."""

LIMIT_WARNING_RATIO: Final = 0.8
"""Share of a transaction's limit from which a call logs a warning."""

MAX_PAGE_ITEMS: Final = 32_000
"""Most documents that one page may ask for; the fewest is one."""

# Scheduling

MAX_JOBS_PER_MUTATION: Final = 1000
"""Most jobs that one mutation may schedule."""

MAX_JOB_ARGUMENT_BYTES: Final = 4 << 20
"""Largest arguments of one job, in bytes of the value: 4 MiB."""

MAX_JOB_ARGUMENT_BYTES_PER_MUTATION: Final = 1 << 24
"""Most bytes of arguments of all jobs that one mutation schedules: 16 MiB."""

MAX_JOB_DELAY_MS: Final = 5 * 366 * 24 * 60 * 60 * 1000
"""Furthest from now that a job may be scheduled, in milliseconds: five leap years."""

# Sessions

MAX_INBOX_FRAMES: Final = 1000
"""Most frames of one connection that wait to be read (docs/design.md 5); then it is closed."""

MAX_INBOX_BYTES: Final = 4 << 20
"""Most bytes of frames of one connection that wait to be read: 4 MiB (docs/design.md 5)."""

MAX_CONNECTION_QUERIES: Final = 5000
"""Most live queries of one connection.

A reason, not a source: the largest pages that are known hold some hundreds. Each costs about
12 bytes of the lease and 200 of the state, which are written whole.
"""

MAX_USER_QUERIES: Final = 50_000
"""Most live queries of all connections of one user: ten full ones."""

MAX_USER_SOCKETS: Final = 1000
"""Most connections that one user may have open at a time.

A reason, not a source: nobody has so many pages open, and a service that shows one token on
each of its machines has room.
"""

MAX_CONNECTION_MESSAGES_PER_S: Final = 1000.0
"""Most messages a second that one connection may send for long.

A reason, not a source: a mutation takes about a millisecond, and those of one connection run
one after another, so that more would only grow the queue.
"""

MAX_CONNECTION_BYTES_PER_S: Final = 16.0 * (1 << 20)
"""Most bytes a second that one connection may send for long: 16 MiB, the largest arguments."""

MAX_USER_MESSAGES_PER_S: Final = 4 * MAX_CONNECTION_MESSAGES_PER_S
"""Most messages a second that all connections of one user may send for long.

A reason, not a source: somewhat more than the local server can carry at all.
"""

MAX_USER_BYTES_PER_S: Final = 4 * MAX_CONNECTION_BYTES_PER_S
"""Most bytes a second that all connections of one user may send for long: 64 MiB."""

BURST_S: Final = 10.0
"""For how many seconds' worth a client may go over a rate at once, after a rest.

A reason, not a source: a client that comes back repeats all that it waits for in one go.
"""

# Retention

DAY_MS: Final = 24 * 60 * 60 * 1000.0
"""A day, in milliseconds."""

LOG_KEPT_MS: Final = 14 * DAY_MS
"""How long an entry of the log is kept at least, in milliseconds: 14 days, unless it is set.

A reason, not a source: the log is the only record of who did what, and a fortnight leaves
time to look. It cannot be set lower, since the log names the answers that go by then; the
design asks for a day (docs/design.md 2).
"""

ANSWERS_KEPT_MS: Final = 14 * DAY_MS
"""How long the answer to a request is kept, in milliseconds: 14 days.

A client that repeats a mutation after that has it done a second time.
"""

TOMBSTONES_KEPT_MS: Final = 7 * DAY_MS
"""How long a tombstone outlives the watermark's passing it, in milliseconds: 7 days.

Source: docs/design.md 3. The log's stream redelivers for 24 hours.
"""
