"""What GeoFlow does again and again."""

from chalicelib.engine.server import Crons
from chalicelib.geoflow import workers
from chalicelib.geoflow.limits import RECLAIM_S

crons = Crons()
crons.interval("reclaim expired leases", RECLAIM_S, workers.reclaim)
