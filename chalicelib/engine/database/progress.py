"""How far a deployment is, for whoever waits for it."""

import msgspec

from chalicelib.engine.schema import SchemaTask


class Progress(msgspec.Struct, frozen=True):
    """How far a deployment is. ``refused`` names what is in its way; empty if nothing is."""

    code_version: str
    pending: bool
    tasks: tuple[SchemaTask, ...]

    @property
    def open(self) -> list[SchemaTask]:
        """The tasks that something waits for: dropped rows are nobody's concern."""
        return [t for t in self.tasks if t.state == "open" and t.kind != "drop"]

    @property
    def state(self) -> str:
        """One word for it: ``served``, ``checking``, ``building`` or ``refused``."""
        if self.refused:
            return "refused"
        if self.pending:
            return "checking"
        return "building" if self.open else "served"

    def lines(self) -> list[str]:
        """What is being done, for people."""
        return [doing(task) for task in self.tasks if task.state == "open"]

    @property
    def refused(self) -> str:
        """Why the schema was refused, for people."""
        return "\n".join(_refusal(task) for task in self.tasks if task.state == "refused")


def doing(task: SchemaTask) -> str:
    """Say how far a task is, for people."""
    index = f"index {task.index} of {task.table}"
    what = {
        "check": f"checking the documents of {task.table}",
        "backfill": f"building {index}",
        "drop": f"removing {index}",
    }[task.kind]
    of = f" of about {task.about:,}" if task.about is not None else ""
    return f"{what}: {task.done:,}{of} {'rows' if task.kind == 'drop' else 'documents'}"


def _refusal(task: SchemaTask) -> str:
    what = (
        f"{task.misfits} of {task.done} documents of table {task.table} do not satisfy the"
        f" new schema; nothing was changed. Correct them, or let the schema allow them:"
    )
    told = [f"  {one.document}{one.path}: {one.reason}" for one in task.examples]
    return "\n".join([what, *told])
