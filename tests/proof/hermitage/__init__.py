"""Which anomalies of concurrent transactions a database permits, one interleaving for each.

After the Hermitage suite by Martin Kleppmann, which names them and chose the interleavings:
https://github.com/ept/hermitage. Words and code are our own. The same parts are played on our
engine, over each store, and on PostgreSQL at three levels of isolation; its READ COMMITTED
shows that the suite can see what it looks for.
"""

from tests.proof.hermitage.table import run

__all__ = ["run"]
