"""A function as an endpoint: where its arguments come from, and what has no place there."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from chalicelib.engine.errors import (
    BodyTooLarge,
    InvalidFunction,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.engine.functions.http_messages import Request
from chalicelib.engine.functions.http_route import Method
from chalicelib.engine.functions.registration import Function
from chalicelib.engine.functions.rest import MAX_PAGE_BYTES, Endpoint
from chalicelib.engine.server import (
    UNSET,
    Document,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    Unset,
    mutation,
    query,
)
from chalicelib.engine.values.ids import encode_id

JSON = {"content-type": "application/json"}
BOAT = encode_id(7, bytes(16))
LIMIT = 1000


class Boat(Document, table="boats"):
    name: str


class Hull(Struct):
    metres: float


@query
def find(
    ctx: QueryCtx,
    boat_id: Id[Boat],
    masts: int | None = None,
    is_new: bool = False,
    length: float | Unset = UNSET,
    kind: Literal["sloop", "ketch"] | None = None,
    note: str | None = None,
) -> Boat | None: ...


@query
def fleet(
    ctx: QueryCtx, pagination_opts: PaginationOptions, kind: str | None = None
) -> Page[Boat]:
    return Page(page=[], is_done=True, continue_cursor="")


@mutation
def build(ctx: MutationCtx, boat_id: Id[Boat], hull: Hull, masts: int = 1) -> None: ...


def endpoint(method: Method, path: str, function: Function[..., Any]) -> Endpoint:
    return Endpoint(method, path, function, max_body_bytes=LIMIT)


FIND = endpoint("GET", "/boats/{boatId}", find)
FLEET = endpoint("GET", "/boats", fleet)
BUILD = endpoint("PUT", "/boats/{boatId}", build)


def get(**query: str) -> Request:
    return Request(
        method="GET", path="/", query={n.rstrip("_"): t for n, t in query.items()}
    )


def put(body: bytes, kind: str = "application/json") -> Request:
    return Request(method="PUT", path="/", body=body, headers={"content-type": kind})


class TestTheQuery:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("masts", "2", 2),
            ("masts", "two", "two"),
            ("isNew", "true", True),
            ("isNew", "1", "1"),
            ("length", "7.5", 7.5),
            ("length", "-3", -3),
            ("kind", "ketch", "ketch"),
            ("note", "null", "null"),
            ("note", "12", "12"),
        ],
    )
    def test_is_read_as_the_argument_wants_it(
        self, name: str, text: str, value: Any
    ) -> None:
        found = FIND.arguments(get(**{name: text}), {"boatId": BOAT})

        assert found == {"boatId": BOAT, name: value}

    def test_has_no_parameter_that_is_no_argument(self) -> None:
        with pytest.raises(ValidationFailed) as refused:
            FIND.arguments(get(sail="red"), {"boatId": BOAT})

        assert refused.value.details == {"parameter": "sail"}

    def test_has_not_what_stands_in_the_path(self) -> None:
        with pytest.raises(ValidationFailed):
            FIND.arguments(get(boatId=BOAT), {"boatId": BOAT})

    @pytest.mark.parametrize("text", ["42", BOAT[:-1], BOAT.upper(), "0" * 31, ""])
    def test_a_path_has_no_text_that_was_never_an_id(self, text: str) -> None:
        with pytest.raises(ValidationFailed) as refused:
            FIND.arguments(get(), {"boatId": text})

        assert refused.value.details == {"parameter": "boatId"}


class TestPages:
    @pytest.mark.parametrize(
        ("given", "items", "cursor"),
        [
            ({}, 50, None),
            ({"limit": "1"}, 1, None),
            ({"limit": "100", "cursor": "c"}, 100, "c"),
        ],
    )
    def test_are_asked_for_by_limit_and_cursor(
        self, given: dict[str, str], items: int, cursor: str | None
    ) -> None:
        found = FLEET.arguments(get(**given, kind="sloop"), {})

        assert found == {
            "paginationOpts": {
                "numItems": items,
                "cursor": cursor,
                "maximumBytesRead": MAX_PAGE_BYTES,
            },
            "kind": "sloop",
        }

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "", "x", "9" * 20])
    def test_have_1_to_100_items(self, limit: str) -> None:
        with pytest.raises(ValidationFailed) as refused:
            FLEET.arguments(get(limit=limit), {})

        assert refused.value.details == {"parameter": "limit"}


class TestTheBody:
    def test_gives_what_is_not_in_the_path(self) -> None:
        found = BUILD.arguments(put(b'{"hull": {"metres": 7}}'), {"boatId": BOAT})

        assert found == {"boatId": BOAT, "hull": {"metres": 7}}

    def test_may_be_left_out(self) -> None:
        assert BUILD.arguments(put(b"", ""), {"boatId": BOAT}) == {"boatId": BOAT}

    @pytest.mark.parametrize(
        ("body", "details"),
        [
            (b'{"boatId": "x"}', {"parameter": "boatId"}),
            (b'{"sail": 1}', {"parameter": "sail"}),
            (b"7", {}),
            (b"{", {}),
        ],
    )
    def test_is_an_object_of_the_other_arguments(
        self, body: bytes, details: dict[str, str]
    ) -> None:
        with pytest.raises(ValidationFailed) as refused:
            BUILD.arguments(put(body), {"boatId": BOAT})

        assert refused.value.details == details

    def test_is_json(self) -> None:
        for kind in ("", "text/plain", "application/jsonx", "application/xml"):
            with pytest.raises(UnsupportedMediaType):
                BUILD.arguments(put(b"{}", kind), {"boatId": BOAT})

    def test_has_a_limit(self) -> None:
        most = b'{"hull":{"metres":1}}'.ljust(LIMIT)

        assert BUILD.arguments(put(most), {"boatId": BOAT})
        with pytest.raises(BodyTooLarge) as refused:
            BUILD.arguments(put(most + b" "), {"boatId": BOAT})
        assert refused.value.max_bytes == LIMIT

    def test_of_a_get_has_no_place(self) -> None:
        request = Request(method="GET", path="/", body=b'{"masts": 1}', headers=JSON)

        with pytest.raises(ValidationFailed):
            FIND.arguments(request, {"boatId": BOAT})


class TestAnEndpoint:
    def test_knows_where_each_argument_stands(self) -> None:
        assert FIND.query_names == ("masts", "isNew", "length", "kind", "note")
        assert FLEET.query_names == ("kind", "limit", "cursor")
        assert (BUILD.query_names, BUILD.body_names) == ((), ("hull", "masts"))

    @pytest.mark.parametrize(
        ("method", "path", "function"),
        [
            ("GET", "/boats/{shipId}", find),
            ("GET", "/boats/{boatId}", build),  # whose hull would be in the query
            ("PUT", "/hulls/{hull}", build),
        ],
    )
    def test_that_cannot_be_asked_for_is_refused(
        self, method: Method, path: str, function: Function[..., Any]
    ) -> None:
        with pytest.raises(InvalidFunction):
            endpoint(method, path, function).build()

    def test_that_can_is_built(self) -> None:
        for each in (FIND, FLEET, BUILD):
            each.build()
