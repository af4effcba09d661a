"""Pages of a query, as the stock clients' pagination asks for them and shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from msgspec import UNSET

from chalicelib.engine.schema.documents import Struct, Unset

T = TypeVar("T")
U = TypeVar("U")

PageStatus = Literal["SplitRecommended", "SplitRequired"]


class PaginationOptions(Struct):
    """Which page is wanted; a paginated function takes it as ``pagination_opts``.

    ``num_items`` counts documents after filters, 1 to 32,000. ``cursor`` is None for the first
    page, then the ``continue_cursor`` of the page before. With ``end_cursor`` the page ends
    there, however many documents that makes. ``maximum_rows_read`` and
    ``maximum_bytes_read`` end a page early, so that a filter that lets little through does not
    read on and on. ``id`` is the client's own and means nothing.
    """

    num_items: int
    cursor: str | None
    end_cursor: str | Unset | None = UNSET
    id: float | Unset = UNSET
    maximum_rows_read: int | Unset = UNSET
    maximum_bytes_read: int | Unset = UNSET


class Page(Struct, Generic[T]):
    """Some documents of a query, and the cursor after them.

    ``is_done``: there are no more. ``split_cursor`` lies in the middle; with the status
    ``SplitRecommended`` the page has become long and should be asked for in two; with
    ``SplitRequired`` it is so long that it is incomplete.
    """

    page: list[T]
    is_done: bool
    continue_cursor: str
    split_cursor: str | Unset | None = UNSET
    page_status: PageStatus | Unset | None = UNSET

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """The same page of other items; cursors stay."""
        return Page(
            page=[change(item) for item in self.page],
            is_done=self.is_done,
            continue_cursor=self.continue_cursor,
            split_cursor=self.split_cursor,
            page_status=self.page_status,
        )
