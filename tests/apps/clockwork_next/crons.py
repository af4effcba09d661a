"""One cron is as before, one has another schedule, one is new; the others are gone."""

from chalicelib.engine.server import Crons
from tests.apps.clockwork import ticks

crons = Crons()
crons.interval("interval", 90, ticks.tick, name="interval")
crons.daily("daily", "07:30", ticks.tick, name="daily")
crons.hourly("new", 0, ticks.tick, name="new")
