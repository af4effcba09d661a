"""How many bytes somebody keeps, and how far the search for bytes that are no file has come."""

from __future__ import annotations

from chalicelib.engine.server import Document, Id, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.users import User, is_permitted, relation_to_owner


class StorageUse(Document, table="storageUses"):
    """The bytes of a user's files together: a number that each upload and removal changes."""

    owner: Id[User] = indexed()
    bytes: int
    by_owner = index(owner)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix, as for the files."""
        return is_permitted(ctx, "files.read", relation_to_owner(ctx, self.owner))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False


class UploadSweep(Document, table="uploadSweeps", undone=False):
    """Up to which creation time stored bytes were looked at: its only document."""

    through: float

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False
