"""Reads of a few fields, and writes of one."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.engine.server import (
    UNSET,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    mutation,
    query,
)
from tests.apps.shelves.schema import Book, Loan, Named, Note, Price, Title


@query
def titles(ctx: QueryCtx, shelf: str) -> list[Title]:
    """Return the titles of a shelf."""
    return ctx.db.unrestricted.query(Book.by_shelf.eq(shelf)).only(Title).collect()


@query
def seen_titles(ctx: QueryCtx, shelf: str) -> list[Title]:
    """Return the titles of a shelf that the caller may see."""
    return ctx.db.query(Book.by_shelf.eq(shelf)).only(Title).collect()


@query
def lent_titles(ctx: QueryCtx, shelf: str) -> list[Title]:
    """Return the titles of a shelf that were lent, which other fields tell."""
    books = ctx.db.unrestricted.query(Book.by_shelf.eq(shelf))
    return books.filter(lambda book: book.loan_count > 0).only(Title).collect()


@query
def away(ctx: QueryCtx, shelf: str) -> int:
    """Count the books of a shelf that somebody has."""
    books = ctx.db.unrestricted.query(Book.by_shelf.eq(shelf)).only(Loan)
    return books.filter(lambda loan: loan.lent_to is not UNSET).count()


@query
def names(ctx: QueryCtx, shelf: str) -> list[Id[Book]]:
    """Return which books there are."""
    books = ctx.db.unrestricted.query(Book.by_shelf.eq(shelf)).only(Named)
    return [book.id for book in books]


@query
def notes(ctx: QueryCtx, shelf: str) -> list[Any]:
    """Return what is written into the books of a shelf."""
    books = ctx.db.unrestricted.query(Book.by_shelf.eq(shelf)).only(Note)
    return [book.note for book in books]


@query
def title(ctx: QueryCtx, book: Id[Book]) -> str | None:
    """Return the title of a book."""
    found = ctx.db.unrestricted.get(book, only=Title)
    return None if found is None else found.title


@query
def title_and_book(ctx: QueryCtx, book: Id[Book]) -> list[Any]:
    """Return the title of a book, and then all of it."""
    db = ctx.db.unrestricted
    return [db.get(book, only=Title), db.get(book)]


@query
def seen_title(ctx: QueryCtx, book: Id[Book]) -> str | None:
    """Return the title of a book that the caller may see."""
    found = ctx.db.get(book, only=Title)
    return None if found is None else found.title


@query
def page(ctx: QueryCtx, shelf: str, pagination_opts: PaginationOptions) -> Page[Title]:
    """Return a page of titles."""
    books = ctx.db.unrestricted.query(Book.by_shelf.eq(shelf)).only(Title)
    return books.paginate(pagination_opts)


@query
def misuse(ctx: QueryCtx, how: Literal["unknown", "twice", "none", "document"]) -> Any:
    """Ask for what makes no sense."""
    books = ctx.db.unrestricted.query(Book)
    wrong: Any = {"none": int, "document": Book}.get(how, Price)
    if how == "twice":
        wrong = Title
        return books.only(Title).only(wrong).collect()
    return books.only(wrong).collect()


@mutation
def add(ctx: MutationCtx, shelf: str, title: str) -> Id[Book]:
    """Put a book on a shelf."""
    return ctx.db.insert(Book(shelf=shelf, title=title))


@mutation
def lend(ctx: MutationCtx, book: Id[Book], to: str | None) -> None:
    """Lend a book, or take it back."""
    held = ctx.db.require(book)
    ctx.db.patch(book, loan_count=held.loan_count + 1, lent_to=UNSET if to is None else to)


@mutation
def annotate(ctx: MutationCtx, book: Id[Book], note: Any) -> None:
    """Write into a book."""
    ctx.db.patch(book, note=note)


@mutation
def rename(ctx: MutationCtx, book: Id[Book], name: str) -> None:
    """Give a book another title."""
    ctx.db.patch(book, title=name)


@mutation
def move(ctx: MutationCtx, book: Id[Book], shelf: str) -> None:
    """Put a book on another shelf."""
    ctx.db.patch(book, shelf=shelf)


@mutation
def remove(ctx: MutationCtx, book: Id[Book]) -> None:
    """Throw a book away."""
    ctx.db.delete(book)


@mutation
def add_titled_by_number(ctx: MutationCtx, shelf: str) -> str:
    """Put a book on a shelf whose title tells how many titles there were."""
    name = ", ".join(found.title for found in titles(ctx, shelf))
    ctx.db.insert(Book(shelf=shelf, title=f"after {name}"))
    return name


@mutation
def rename_and_look(ctx: MutationCtx, book: Id[Book], name: str) -> list[Any]:
    """Read a title before and after it is changed."""
    before = title(ctx, book)
    ctx.db.patch(book, title=name)
    held = ctx.db.require(book)
    return [before, title(ctx, book), [found.title for found in titles(ctx, held.shelf)]]
