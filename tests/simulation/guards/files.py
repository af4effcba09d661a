"""Guards of files: no file without its bytes, no bytes without a file."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

BUILTIN = ENGINE + "builtin/storage.py"
STORAGE = ENGINE + "functions/storage.py"

FILES = (
    Guard(
        "an upload that was given up becomes no file",
        "files",
        (
            Edit(
                BUILTIN,
                "    if unclaimed is None or unclaimed.doomed:\n",
                "    if unclaimed is None:\n",
            ),
        ),
    ),
    Guard(
        "bytes are doomed by a commit before they are deleted",
        "files",
        (
            Edit(
                BUILTIN,
                "        if not blob.doomed:\n",
                "        if blob.doomed:\n",
            ),
        ),
    ),
    Guard(
        "the commit that deletes a file announces its bytes",
        "files",
        (Edit(STORAGE, "            self._system.insert(doomed)\n", "            pass\n"),),
    ),
    Guard(
        "bytes are deleted once more when no write can come any more",
        "faulty files",
        (
            Edit(
                BUILTIN,
                "        if blob is not None and not blob.deleted:\n",
                "        if blob is not None and blob.deleted:\n",
            ),
            Edit(
                BUILTIN,
                "        elif blob is not None and blob.due <= ctx.now:\n",
                "        elif blob is not None:\n",
            ),
        ),
    ),
    Guard(
        "two sweeps at once are one",
        "files",
        (
            Edit(
                BUILTIN,
                "        elif blob is not None and blob.due <= ctx.now:\n",
                "        elif blob is not None:\n",
            ),
        ),
    ),
)
