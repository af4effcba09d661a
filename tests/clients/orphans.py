"""No process of a test outlives the test run, however that ends."""

DYING_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: the kernel ends it when we end. Of util-linux, as on every Debian."""
