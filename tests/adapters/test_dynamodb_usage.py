"""Sizes and request units by DynamoDB's rules."""

import pytest

from chalicelib.adapters.dynamodb.usage import (
    Attribute,
    Item,
    item_bytes,
    read_units,
    write_units,
)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "é"}, 2),
        ({"B": b"abc"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "-7"}, 3),
        ({"N": "1200"}, 2),
        ({"N": "1099511627777"}, 8),
        ({"L": [{"S": "ab"}, {"S": "c"}]}, 3 + 3 + 2),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 3),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "23"]}, 4),
        ({"BS": [b"a", b"bc"]}, 3),
    ],
)
def test_a_value_weighs_what_the_guide_says(value: Attribute, size: int) -> None:
    assert item_bytes({"name": value}) == len("name") + size


@pytest.mark.parametrize(
    ("data_bytes", "reads", "writes"),
    [(0, 1, 1), (1023, 1, 1), (1024, 1, 2), (4095, 1, 4), (4096, 2, 5)],
)
def test_units_are_begun_ones(data_bytes: int, reads: int, writes: int) -> None:
    item: Item = {"d": {"B": bytes(data_bytes)}}

    assert (read_units([item]), write_units(item)) == (reads, writes)


def test_a_query_is_rounded_as_a_whole() -> None:
    items: list[Item] = [{"d": {"B": bytes(999)}} for _ in range(8)]

    assert read_units(items) == 2
    assert read_units([]) == 1
    assert read_units(items, consistent=False) == 1
