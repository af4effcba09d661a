"""What GeoFlow does again and again."""

from chalicelib.engine.server import Crons
from chalicelib.geoflow import deliveries, file_facts, idempotency, workers
from chalicelib.geoflow.limits import FILE_STALE_MS, RECLAIM_S, SWEEP_S

crons = Crons()
crons.interval("reclaim expired leases", RECLAIM_S, workers.reclaim)
crons.interval("forget requests that were repeatable", SWEEP_S, idempotency.sweep)
crons.hourly("revive lost deliveries", 7, deliveries.revive)
crons.daily("remove old deliveries", "03:40", deliveries.prune)
crons.interval("give up files", FILE_STALE_MS // 1000, file_facts.give_up)
