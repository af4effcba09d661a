"""Document ids."""

from base64 import b32encode

import pytest

from chalicelib.engine.errors import InvalidId
from chalicelib.engine.values.ids import (
    MAX_TABLE_NUMBER,
    creation_us,
    decode_id,
    encode_id,
    make_internal,
)

INTERNAL = make_internal(1_763_836_000_123_456, b"ninebytes")
POWERS_OF_251 = bytes(pow(251, n, 256) for n in range(1, 17))


ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def crockford(data: bytes) -> str:
    """The same text by way of the standard library."""
    rfc_4648 = b32encode(data).rstrip(b"=").decode()
    return rfc_4648.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET))


def fletcher16(data: bytes) -> bytes:
    low = high = 0
    for byte in data:
        low = (low + byte) % 256
        high = (high + low) % 256
    return bytes([low, high])


class TestEncodeId:
    def test_is_the_text_that_convex_gives_to_the_same_id(self) -> None:
        assert encode_id(1017, POWERS_OF_251) == "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"

    @pytest.mark.parametrize(
        ("table_number", "chars"),
        [(1, 31), (127, 31), (128, 32), (2**14, 34), (2**21, 36), (MAX_TABLE_NUMBER, 37)],
    )
    def test_grows_with_the_table_number(self, table_number: int, chars: int) -> None:
        text = encode_id(table_number, INTERNAL)

        assert len(text) == chars
        assert decode_id(text) == (table_number, INTERNAL)

    @pytest.mark.parametrize("table_number", [0, -1, MAX_TABLE_NUMBER + 1])
    def test_refuses_a_number_that_no_table_has(self, table_number: int) -> None:
        with pytest.raises(ValueError, match="table"):
            encode_id(table_number, INTERNAL)

    def test_refuses_an_internal_id_of_another_length(self) -> None:
        with pytest.raises(ValueError, match="15 bytes"):
            encode_id(1, INTERNAL[:-1])


class TestDecodeId:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "x" * 30,
            "x" * 38,
            "x" * 10_000,
            "0" * 31,  # table 0, and a checksum that matches
            "+" + "0" * 30,
            "1_" * 15 + "1",
            " " * 31,
            "ä" * 31,
            "u" * 31,  # not in the alphabet
            encode_id(1017, INTERNAL).upper(),
            encode_id(1017, INTERNAL) + "0",
            "sssswsgggggggggsgcsssfafffsffks",  # the table number takes a byte too many
        ],
    )
    def test_refuses_what_is_not_an_id(self, text: str) -> None:
        with pytest.raises(InvalidId):
            decode_id(text)

    def test_refuses_a_table_number_padded_to_more_bytes_than_it_needs(self) -> None:
        padded = bytes([0x87, 0x00]) + INTERNAL  # 7, as two bytes

        with pytest.raises(InvalidId):
            decode_id(crockford(padded + fletcher16(padded)))

    def test_refuses_spare_bits_that_are_not_zero(self) -> None:
        plain = bytes([7]) + INTERNAL
        text = crockford(plain + fletcher16(plain))
        last = ALPHABET.index(text[-1])

        assert decode_id(text) == (7, INTERNAL)
        with pytest.raises(InvalidId):
            decode_id(text[:-1] + ALPHABET[last + 1])

    def test_notices_every_single_mistyped_character(self) -> None:
        text = encode_id(10_001, INTERNAL)
        mistyped = [
            text[:at] + other + text[at + 1 :]
            for at in range(len(text))
            for other in ALPHABET
            if other != text[at]
        ]

        accepted = []
        for wrong in mistyped:
            try:
                accepted.append(decode_id(wrong))
            except InvalidId:
                continue

        assert accepted == []


class TestInternalIds:
    def test_carry_the_time_of_creation(self) -> None:
        assert creation_us(INTERNAL) == 1_763_836_000_123_456

    def test_sort_by_creation_as_bytes_and_as_text(self) -> None:
        earlier = make_internal(999, b"\xff" * 9)
        later = make_internal(1000, b"\x00" * 9)

        assert earlier < later
        assert encode_id(7, earlier) < encode_id(7, later)

    def test_need_nine_random_bytes(self) -> None:
        with pytest.raises(ValueError, match="9 random bytes"):
            make_internal(0, b"12345678")
