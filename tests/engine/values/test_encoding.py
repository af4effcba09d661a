"""Values as JSON."""

import json
import math
import struct
from base64 import b64encode
from typing import Any

import pytest

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.values.encoding import (
    clean,
    decode,
    encode,
    export_text,
    from_wire,
    restore,
    to_wire,
)
from chalicelib.engine.values.value import Int64, compare


def special(number: float) -> dict[str, str]:
    return {"$float": b64encode(struct.pack("<d", number)).decode()}


CAPTURED = (  # a frame of the JavaScript client
    b'{"big":{"$integer":"AQAAAAAAIAA="},"bytes":{"$bytes":"AQID"},'
    b'"nan":{"$float":"AAAAAAAA+H8="},"nz":{"$float":"AAAAAAAAAIA="}}'
)


class TestWire:
    def test_is_what_the_javascript_client_sends(self) -> None:
        value = {
            "nz": -0.0,
            "nan": math.nan,
            "bytes": b"\x01\x02\x03",
            "big": Int64(2**53 + 1),
        }

        assert encode(value) == CAPTURED
        assert compare(decode(CAPTURED), value) == 0

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, b"null"),
            (True, b"true"),
            (5, b"5"),
            (5.0, b"5.0"),
            (0.0, b"0.0"),
            (1e22, b"1e22"),
            ("zwölf", '"zwölf"'.encode()),
            ([1, [None]], b"[1,[null]]"),
            ({"b": 1, "a": {}}, b'{"a":{},"b":1}'),
        ],
    )
    def test_is_natural_where_json_suffices(self, value: Any, text: bytes) -> None:
        assert encode(value) == text

    @pytest.mark.parametrize("number", [-0.0, math.nan, math.inf, -math.inf])
    def test_wraps_numbers_that_json_lacks(self, number: float) -> None:
        assert to_wire([number]) == [special(number)]
        assert compare(from_wire([special(number)]), [number]) == 0

    def test_keeps_the_payload_of_a_nan(self) -> None:
        text = b'{"$float":"AQAAAAAA+P8="}'

        assert encode(decode(text)) == text

    def test_wraps_integers_of_64_bits_by_their_type_not_their_size(self) -> None:
        assert encode([Int64(1), 1]) == b'[{"$integer":"AQAAAAAAAAA="},1]'

    def test_shares_a_tree_in_which_nothing_is_special(self) -> None:
        value = {"nodes": [{"x": 1.5}]}

        assert to_wire(value) is value
        assert from_wire(value) is value

    def test_leaves_the_value_alone_where_something_is(self) -> None:
        value = {"data": [b"a"]}

        to_wire(value)

        assert value == {"data": [b"a"]}


class TestEncode:
    def test_says_that_a_large_integer_wants_int64_and_where(self) -> None:
        with pytest.raises(InvalidValue, match=r"Int64 \(at \.count\)"):
            encode({"count": 2**53 + 1})

    @pytest.mark.parametrize("value", [{"$bytes": "AQID"}, {"a": 1, "$b": 2}])
    def test_refuses_names_that_would_look_special(self, value: Any) -> None:
        with pytest.raises(InvalidValue, match="reserved"):
            encode(value)

    @pytest.mark.parametrize("write", [to_wire, encode, clean, export_text])
    @pytest.mark.parametrize("value", ["\udc00", {"\ud800": 1}, [(1,)], {1: 2}])
    def test_refuses_what_is_no_value_in_every_form(self, write: Any, value: Any) -> None:
        with pytest.raises(InvalidValue):
            write(value)


class TestDecode:
    @pytest.mark.parametrize(("text", "kind"), [(b"5", int), (b"5.0", float)])
    def test_keeps_the_type_of_a_number_as_written(self, text: bytes, kind: type) -> None:
        assert type(decode(text)) is kind

    @pytest.mark.parametrize(
        "text", [b"9007199254740993", b"18446744073709551616", b"1" * 300]
    )
    def test_makes_a_float_of_an_integer_beyond_2_to_the_53(self, text: bytes) -> None:
        value: Any = decode(b'{"a":[' + text + b"]}")

        assert value == {"a": [float(int(text))]}
        assert type(value["a"][0]) is float

    def test_takes_a_special_form_behind_an_escape(self) -> None:
        assert decode(rb'{"\u0024bytes":"AQID"}') == b"\x01\x02\x03"

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"", "JSON"),
            (b"{", "JSON"),
            (b"NaN", "JSON"),
            (b"1 2", "JSON"),
            (b"1e400", "JSON"),
            (b"1" * 400, "float64"),
            (b"1" * 5000, "JSON"),
            (b'"\xed\xa0\x80"', "JSON"),
            (rb'"\ud800"', "JSON"),
            (b"[" * 100_000, "nested"),
            (b"[" * 65 + b"]" * 65, "nested"),
            (b"[" * 500 + b'{"$bytes":""}' + b"]" * 500, "nested"),
            (b'{"$set":[]}', r"unknown special form '\$set'"),
            (b'{"$map":[]}', "unknown special form"),
            (b'{"$commitTs":null}', "unknown special form"),
            (b'{"$undefined":null}', "unknown special form"),
            (b'{"$":1}', "unknown special form"),
            (b'{"$bytes":"AQID","a":1}', "reserved"),
            (b'{"$bytes":5}', "base64"),
            (b'{"$bytes":"AQI"}', "base64"),
            (b'{"$bytes":"A-_D"}', "base64"),
            (b'{"$bytes":"AQ ID"}', "base64"),
            ('{"$bytes":"ä"}'.encode(), "base64"),
            (b'{"$integer":"AQID"}', "8 bytes, not 3"),
            (b'{"$float":"AQID"}', "8 bytes, not 3"),
            (json.dumps(special(1.5)).encode(), "write 1.5"),
            (json.dumps({"größe": 1}).encode(), "ASCII"),
        ],
        ids=lambda part: part[:16] if isinstance(part, bytes) else "",
    )
    def test_refuses_anything_else_and_says_why(self, text: bytes, reason: str) -> None:
        with pytest.raises(InvalidValue, match=reason):
            decode(text)

    def test_tells_the_path_to_a_bad_special_form(self) -> None:
        with pytest.raises(InvalidValue) as refused:
            decode(b'{"good":{"$bytes":""},"data":[1,{"x":{"$set":[]}}]}')

        assert refused.value.path == ".data[1].x"

    def test_tells_the_path_to_a_broken_limit_beside_a_special_form(self) -> None:
        with pytest.raises(InvalidValue) as refused:
            decode(b'{"good":{"$bytes":""},"data":[{"$a":1,"b":2}]}')

        assert refused.value.path == ".data[0]"


class TestFromWire:
    @pytest.mark.parametrize("leaf", [b"raw", Int64(1), math.nan, (1,), 10**400])
    def test_refuses_what_no_json_text_holds(self, leaf: Any) -> None:
        with pytest.raises(InvalidValue) as refused:
            from_wire({"a": [leaf]})

        assert refused.value.path == ".a[0]"

    def test_keeps_a_negative_zero_that_json_wrote_plainly(self) -> None:
        assert math.copysign(1.0, from_wire(-0.0)) == -1.0  # type: ignore[arg-type]


class TestRestore:
    @pytest.mark.parametrize(
        "value", [{"a": [1, 1.5, "x"]}, {"price": "$5"}, [Int64(1), b"x"]]
    )
    def test_reads_back_what_encode_wrote(self, value: Any) -> None:
        assert compare(restore(encode(value)), value) == 0


class TestClean:
    def test_is_the_json_that_people_expect(self) -> None:
        value = {
            "int64": Int64(-(2**63)),
            "bytes": b"\x01\x02\x03",
            "odd": [math.nan, math.inf, -math.inf],
            "rest": [None, True, 5, 1.5, "x", {}],
        }

        assert clean(value) == {
            "int64": "-9223372036854775808",
            "bytes": "AQID",
            "odd": ["NaN", "Infinity", "-Infinity"],
            "rest": [None, True, 5, 1.5, "x", {}],
        }

    def test_keeps_the_sign_of_zero(self) -> None:
        assert math.copysign(1.0, clean(-0.0)) == -1.0


class TestExportText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (Int64(123), b"123"),
            (Int64(2**63 - 1), b"9223372036854775807"),
            (123, b"123.0"),
            (123.0, b"123.0"),
            (-0.0, b"-0.0"),
            (1e22, b"1e22"),
            (math.inf, b'{"$float":"AAAAAAAA8H8="}'),
            (
                {"b": b"\x01\x02\x03", "a": [True, None]},
                b'{"a":[true,null],"b":{"$bytes":"AQID"}}',
            ),
        ],
    )
    def test_tells_integers_and_numbers_apart_by_their_digits(
        self, value: Any, text: bytes
    ) -> None:
        assert export_text(value) == text
