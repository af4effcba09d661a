"""The packaged app on an emulated AWS: ``make emulate``.

MiniStack (PyPI) runs the stacks of ``infra/`` as CloudFormation makes them: the bundle as Lambda
functions, API Gateway's REST and WebSocket APIs, queues, the stream. In front stands a small
stand-in for CloudFront that follows ``edge.yaml``. A stock client drives it.
"""
