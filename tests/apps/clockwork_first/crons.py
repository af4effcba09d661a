"""Crons of every kind."""

from chalicelib.engine.server import Crons
from tests.apps.clockwork import ticks

crons = Crons()
crons.interval("interval", 90, ticks.tick, name="interval")
crons.interval("failing", 600, ticks.refuse)
crons.hourly("hourly", 10, ticks.work, name="hourly")
crons.daily("daily", "03:10", ticks.tick, name="daily")
crons.weekly("weekly", "monday", "03:10", ticks.tick, "weekly")
crons.monthly("monthly", 31, "03:10", ticks.tick, name="monthly")
crons.cron("cron", "*/20 4,5 * * *", ticks.tick, name="cron")
