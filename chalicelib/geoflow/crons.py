"""What GeoFlow does again and again."""

from chalicelib.engine.server import Crons
from chalicelib.geoflow import deliveries, idempotency, workers
from chalicelib.geoflow.limits import RECLAIM_S, SWEEP_S

crons = Crons()
crons.interval("reclaim expired leases", RECLAIM_S, workers.reclaim)
crons.interval("forget requests that were repeatable", SWEEP_S, idempotency.sweep)
crons.hourly("revive lost deliveries", 7, deliveries.revive)
crons.daily("remove old deliveries", "03:40", deliveries.prune)
