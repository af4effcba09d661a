"""Pictures of an album."""

from chalicelib.engine.server import Document, Id, PolicyCtx, StoredFile, index, indexed


class Picture(Document, table="pictures"):
    """A file that somebody has put into an album."""

    album: str = indexed()
    file: Id[StoredFile]
    by_album = index(album)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Everybody may look."""
        return True

    can_write = can_read
