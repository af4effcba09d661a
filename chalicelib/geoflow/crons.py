"""What GeoFlow does again and again."""

from chalicelib.engine.server import Crons
from chalicelib.geoflow import (
    audit,
    deliveries,
    file_facts,
    idempotency,
    storage_uses,
    workers,
)
from chalicelib.geoflow.limits import FILE_STALE_MS, FOLLOW_S, RECLAIM_S, SWEEP_S

crons = Crons()
crons.interval("reclaim expired leases", RECLAIM_S, workers.reclaim)
crons.interval("forget requests that were repeatable", SWEEP_S, idempotency.sweep)
crons.hourly("revive lost deliveries", 7, deliveries.revive)
crons.daily("remove old deliveries", "03:40", deliveries.prune)
crons.interval("give up files", FILE_STALE_MS // 1000, file_facts.give_up)
crons.hourly("remove uploads that became no file", 37, storage_uses.sweep)
crons.interval("audit what was committed", FOLLOW_S, audit.follow)
crons.daily("remove old audit events", "03:50", audit.prune)
