"""What a guard is."""

from dataclasses import dataclass
from pathlib import Path

ENGINE = "chalicelib/engine/"
MEMORY = "chalicelib/adapters/memory/"


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that stands once in a file, and what to put in its place."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the file below ``root``.

        Raises:
            ValueError: the text is not there exactly once.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.file} holds {text.count(self.old)} times: {self.old!r}"
            )
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True)
class Guard:
    """A safeguard: its name, the kind of world that misses it, and how it is taken away.

    ``seeds`` is how many it may take to miss it.
    """

    name: str
    profile: str
    edits: tuple[Edit, ...]
    seeds: int = 1500
