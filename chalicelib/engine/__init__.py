"""The reactive database: pure, deterministic; no AWS, no clock, no chance, no environment.

Theory of operation, in the order in which one change travels:

* A **log** holds entries 1, 2, 3, … without a gap. A mutation runs on a **snapshot**, keeps
  what it read (its **read set**) and what it wrote, and **commits** by putting one entry at
  the position after its snapshot, on the condition that nothing is there (``database``).
* If somebody else is there, and wrote nothing that was read, the next position is tried;
  otherwise the mutation runs again. There are no locks and no other validation.
* **Rows** are derived from the log: for each index, the newest image under each key. They may
  lag; a read lays the **tail** of the log over them, and is exact.
* A query proves itself the same way: when nothing after its snapshot touches its read set, its
  result is exact at the log's new end. So is a cached result, for the price of one read.
* A **session** is what one socket has subscribed to. A commit **wakes** the sessions whose
  intervals hold a key that it wrote; each moves from its version to the log's end in one
  **transition**, all its queries at one timestamp (``sync``).

Ports bring time, chance, storage and sockets; ``tests/conformance`` says what they promise.
"""
