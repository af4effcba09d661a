"""What calls handlers besides clients: the stream, queues, schedules.

Each calls a :class:`~local.lambda_host.LambdaFunction` with the events that Lambda would
get, tries again as Lambda would, and stops promptly.
"""

from local.queues import Queue
from local.schedules import Schedule
from local.streams import StreamPoller

__all__ = ["Queue", "Schedule", "StreamPoller"]
