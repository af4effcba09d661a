"""Every number that bounds GeoFlow: its unit, its reason, its source.

Where a docstring names no other source, the number is a choice of this project: far above
what people draw by hand, and low enough that a document of them stays under the engine's
1 MiB.
"""

from typing import Final

MAX_LISTED: Final = 100
"""Most documents that a list without pages returns. Source: GEOFLOW.md, functions."""

MAX_UNFINISHED_PER_USER: Final = 10
"""Most executions of one user that wait or run at once. Source: GEOFLOW.md, HTTP."""

MAX_NAME_CHARS: Final = 200
"""Longest name of a workflow or a person, in characters."""

MAX_DESCRIPTION_CHARS: Final = 10_000
"""Longest description of a workflow, in characters."""

MAX_TAGS: Final = 50
"""Most tags of one workflow."""

MAX_TAG_CHARS: Final = 50
"""Longest tag, in characters."""

MAX_NODES: Final = 1000
"""Most nodes of one definition."""

MAX_EDGES: Final = 5000
"""Most edges of one definition. Arrays end at 8,192 items in any case (engine limits)."""

MAX_KEY_CHARS: Final = 100
"""Longest id or type of a node, or id of a worker, in characters: they go into messages."""

MAX_MESSAGE_CHARS: Final = 10_000
"""Longest message or error that a worker reports, in characters: a long stack trace fits."""

MAX_URL_CHARS: Final = 2048
"""Longest address of an avatar, in characters. Source: what browsers have long accepted."""

LEASE_MS: Final = 60_000
"""How long a worker holds an execution after its last report, in milliseconds.

Long enough for a pause of a busy worker that reports every few seconds, short enough that a
user sees the run of a dead one go on within about a minute.
"""

RECLAIM_S: Final = 30
"""How often executions of lost workers go back to the queue, in seconds.

Whoever claims looks for them, too: this is for those who watch, and for when nobody claims.
"""

MAX_LOSSES: Final = 5
"""How many workers one execution may lose before it is failed.

An input that kills its worker would else kill one after the other, for ever.
"""

MAX_TRIES: Final = 20
"""Most tries that a retry policy may allow."""

MAX_RETRY_DELAY_MS: Final = 24 * 3_600_000.0
"""Longest wait between two tries, in milliseconds, however often the delay was multiplied."""

MAX_RETRY_FACTOR: Final = 10.0
"""Most by which each wait between two tries is longer than the one before."""

MIN_TIMEOUT_MS: Final = 1000.0
"""Shortest timeout of a run, in milliseconds: about how exactly jobs keep their time."""

MAX_TIMEOUT_MS: Final = 30 * 86_400_000.0
"""Longest timeout of a run, in milliseconds."""

MAX_LOG_LINES_AT_ONCE: Final = 500
"""Most lines of one batch of a log."""

MAX_LOG_BYTES_AT_ONCE: Final = 256 * 1024
"""Most bytes of UTF-8 in the messages of one batch: a commit of a few milliseconds."""

MAX_LOG_LINES: Final = 100_000
"""Most lines that the workers of one execution may log; what comes after them is left out."""

MAX_TAIL: Final = 1000
"""Most lines that the end of a log has: each is sent again when it changes."""

MAX_STATISTICS_DAYS: Final = 366
"""Longest window of statistics, in days: so many small documents are read."""

MAX_VALUES_BYTES: Final = 64 * 1024
"""Most bytes of the inputs, and of the outputs, of one run, as JSON.

A list of 100 runs must stay under the 16 MiB that a query may read.
"""

MAX_SCHEDULES: Final = 20
"""Most schedules of one workflow."""

MAX_CRON_CHARS: Final = 200
"""Longest cron expression, in characters: room for lists of minutes and hours."""

MAX_SKIPS_KEPT: Final = 20
"""How many of the runs that a schedule had to leave out it tells of, the latest ones."""

MAX_SLEEP_MS: Final = 366 * 86_400_000.0
"""Furthest that a schedule's job is put into the future, in milliseconds.

The engine takes jobs up to five years ahead; a cron for 29 February may be eight years away.
"""

MAX_PREVIEWED: Final = 50
"""Most times of a cron expression that are shown before it is kept."""

REMOVED_AT_ONCE: Final = 200
"""Most documents that one step of a removal takes away: such a step is a few milliseconds."""

MAX_MEMBERS: Final = 500
"""Most people with whom one workflow is shared."""

MAX_EMAIL_CHARS: Final = 254
"""Longest address of an invitation, in characters. Source: RFC 5321 (erratum 1690)."""

MAX_SERVICE_CHARS: Final = 100
"""Longest name of a service that a credential is for, in characters."""

MAX_CREDENTIALS_PER_USER: Final = 200
"""Most credentials of one user."""

MAX_SECRET_CHARS: Final = 16_384
"""Longest secret of a credential, in characters: a certificate with its chain and key fits."""

SEALING_MS: Final = 15 * 60_000
"""How long a credential may wait for its secret, in milliseconds; then it is removed.

An action seals between two mutations, and runs for ten minutes at most.
"""

RESEALED_AT_ONCE: Final = 200
"""Secrets that one step of a change of keys seals again: two calls of KMS each, about 3 s."""

KNOWN_REQUESTS_PER_HOUR: Final = 1000
"""HTTP requests of one user within an hour, by tokens and API keys together.

Source: GEOFLOW.md, HTTP.
"""

UNKNOWN_REQUESTS_PER_HOUR: Final = 100
"""HTTP requests within an hour from one address, of who shows no token or key that holds.

Source: GEOFLOW.md, HTTP.
"""

MAX_KEYS_PER_USER: Final = 100
"""Most API keys of one user, revoked ones included."""

MAX_SCOPES: Final = 100
"""Most scopes of one API key: more than there are."""

MAX_KEY_LIFETIME_DAYS: Final = 3650
"""Longest lifetime of an API key that ends by itself, in days."""

KEY_USE_NOTED_MS: Final = 3_600_000
"""How exactly the last use of an API key is known, in milliseconds: not every request writes."""

DAY_MS: Final = 86_400_000
"""A day, in milliseconds."""

MAX_BODY_BYTES: Final = 2 << 20
"""Largest JSON body of a request: twice a document, since JSON is longer than what it says."""

MAX_IDEMPOTENCY_KEY_CHARS: Final = 255
"""Longest ``Idempotency-Key``. Source: Stripe's, which others follow."""

REPEATABLE_MS: Final = 86_400_000
"""How long a request with an ``Idempotency-Key`` is known, in milliseconds: a day."""

MAX_KEPT_ANSWER_CHARS: Final = 200_000
"""Longest answer that is kept for a request that is repeated, in characters of JSON."""

SWEEP_S: Final = 3600
"""How often requests are forgotten that may no longer be repeated, in seconds."""

MAX_WEBHOOKS_PER_USER: Final = 20
"""Most webhooks of one user: each event of theirs is a document and a job for each."""

DELIVERY_S: Final = 10.0
"""How long one attempt of a delivery may take, in seconds. Source: issue 5, webhooks."""

DELIVERY_PAUSES_MS: Final = (
    10_000,
    60_000,
    300_000,
    1_800_000,
    7_200_000,
    21_600_000,
    54_000_000,
)
"""Pauses between the attempts of a delivery, in milliseconds: 8 attempts in 23.6 hours.

The first ones outlast a restart of the receiver, the last a night until somebody looks.
"""

PAUSE_JITTER: Final = 0.1
"""By which share a pause may be longer: what failed together is not tried together."""

FAILING_MS: Final = 3 * 24 * 3600 * 1000
"""How long all attempts of a webhook have failed when it is disabled, in milliseconds."""

DELIVERY_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long deliveries can be looked at and replayed, in milliseconds."""

OVERDUE_MS: Final = 3600 * 1000
"""How late an attempt is when its job must have been lost: then it gets another one."""

MAX_TOLD_CHARS: Final = 1000
"""How much of an error of a run a webhook is told, in characters."""

MAX_FILE_BYTES: Final = 5_000_000_000
"""Largest file, in bytes. Source: S3, the largest object that one PUT by a link may bring."""

MAX_BYTES_PER_USER: Final = 50_000_000_000
"""Most bytes that the files of one user have together: ten of the largest ones.

Source: S3 Standard takes 0.023 USD a month for 10^9 bytes, so that a user costs 1.15 USD at most.
"""

MAX_COUNTED_FILES: Final = 10_000
"""Files that are counted when somebody's bytes are counted for the first time.

A query may read 16 MiB, and a file's document has about 1 KiB.
"""

UNREGISTERED_KEPT_MS: Final = 86_400_000
"""How long uploaded bytes may wait for ``files:upload``, in milliseconds: a day.

The engine gives up uploads that were never finished after the same time.
"""

MAX_FILE_NAME_CHARS: Final = 255
"""Longest name of a file, in characters. Source: what common file systems take."""

MAX_FORM_PARTS: Final = 20
"""Most parts of one form that uploads a file: it has four that mean something."""

MAX_FORM_FIELD_BYTES: Final = 4096
"""Largest part of such a form that is no file, in bytes: names and ids."""

FILE_STALE_MS: Final = 3_600_000
"""How long a file may be pending before it is given up, in milliseconds: an hour.

It is looked at within seconds. What is pending after that was lost with all its retries.
"""

MAX_INSPECTED_BYTES: Final = 200_000_000
"""Largest file whose geodata is looked at, in bytes.

Source: Lambda has 512 MB of /tmp, which must hold it and what an archive in it unpacks to.
"""

MAX_UNPACKED_BYTES: Final = 250_000_000
"""Most bytes that are unpacked of an archive: with the above, what /tmp holds."""

MAX_ARCHIVE_ENTRIES: Final = 1000
"""Most entries of an archive that is looked into: a shapefile has about five."""

INSPECTION_S: Final = 60
"""How long one file is looked at, in seconds, of processor time and by the wall clock."""

INSPECTION_MEMORY_BYTES: Final = 1 << 30
"""How much address space the process has that looks at a file, in bytes.

The libraries take about 600 MB of it, most of which is code that is mapped and never read.
"""

MAX_LAYERS: Final = 100
"""Most layers of one file that are looked at."""

MAX_DRAWN_FEATURES: Final = 5000
"""Most features of a file of which a thumbnail is drawn: of more, nobody could see one."""

MAX_DRAWN_FILE_BYTES: Final = 20_000_000
"""Largest file of which a thumbnail is drawn, in bytes: it is drawn within seconds."""

MAX_DRAWN_VERTICES: Final = 6000
"""Most vertices of a thumbnail: with at most 11 characters each, it is below 70 KB."""

FOLLOW_S: Final = 30
"""How often the audit looks at the log, in seconds: so long after a change it tells of it."""

ENTRIES_AT_ONCE: Final = 500
"""Entries of the log that one step of the audit reads."""

AUDITED_AT_ONCE: Final = 200
"""Events that one step of the audit writes: each has six rows."""

MAX_AUDITED_CHARS: Final = 2000
"""Longest value of a field that the audit holds, in bytes of JSON; of longer ones, a digest."""

AUDIT_KEPT_MS: Final = 400 * 24 * 3600 * 1000
"""How long events are kept, in milliseconds: a year, and time to look back at it."""

MAX_OPENED_MINUTES: Final = 60
"""How long an admin may see what is others' until the next reason is due, in minutes."""

MAX_MOMENT_MS: Final = 8.64e15
"""Latest time that the audit is asked for, in milliseconds since the Unix epoch.

Source: ECMA-262, the last moment that a Date can be.
"""

MAX_ANSWER_BYTES: Final = 4 << 20
"""Longest answer that is a page of several documents, in bytes of JSON.

Source: Lambda answers API Gateway with 6 MiB at most, in which text is escaped once more.
"""
