"""The local server: plays API Gateway, Lambda and EventBridge. Never deployed.

It turns requests, frames, stream records, queue messages and ticks into the events that
AWS would send, and calls the handlers of ``app.py`` with them: there is one code path.
"""
