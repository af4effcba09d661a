"""What a guard is."""

from dataclasses import dataclass

ENGINE = "chalicelib/engine/"
MEMORY = "chalicelib/adapters/memory/"


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that stands once in a file, and what to put in its place."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The text of the file, changed.

        Raises:
            ValueError: what is to be changed is not there exactly once.
        """
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.file} holds {text.count(self.old)} times: {self.old!r}"
            )
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Guard:
    """A safeguard: its name, the kind of world that misses it, and how it is taken away.

    ``seeds`` is how many it may take to miss it. ``breaks``: what breaks must be this property,
    as it is said; empty: any may.
    """

    name: str
    profile: str
    edits: tuple[Edit, ...]
    seeds: int = 1500
    breaks: str = ""
