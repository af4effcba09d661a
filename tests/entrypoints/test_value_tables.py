"""Values and validation as clients meet them: a test a row of the protocol's 1 and 7.

Each row is asked over HTTP and over a socket, and over a log of each adapter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from chalicelib import bootstrap
from chalicelib.engine.limits import (
    MAX_ARRAY_ITEMS,
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_NESTING,
    MAX_FIELD_NAME_CHARS,
    MAX_OBJECT_FIELDS,
    MAX_VALUE_NESTING,
)
from chalicelib.engine.persistence import Persistence
from tests.entrypoints.deployment import Place, call
from tests.trial import Trial

MIB = 1 << 20
NAN = {"$float": "AAAAAAAA+H8="}
INFINITY = {"$float": "AAAAAAAA8H8="}
MINUS_ZERO = {"$float": "AAAAAAAAAIA="}
BIG = {"$integer": "AQAAAAAAIAA="}
SMALL = {"$integer": "//////////8="}
THREE_BYTES = {"$bytes": "AQID"}
ONE_AS_FLOAT = {"$float": "AAAAAAAA8D8="}

YEAR_2020_MS, YEAR_2100_MS = 1_577_836_800_000, 4_102_444_800_000

Arguments = dict[str, Any] | bytes


@dataclass
class Answer:
    """What a client was told: a value, or an error."""

    value: Any = None
    error: str | None = None


class Client(Protocol):
    """A way to call functions."""

    def query(self, path: str, arguments: Arguments) -> Answer:
        """Run a query; arguments are JSON, or its text."""
        ...

    def mutation(self, path: str, arguments: Arguments) -> Answer:
        """Run a mutation."""
        ...


def text_of(arguments: Arguments) -> bytes:
    return arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()


class OverHttp:
    def query(self, path: str, arguments: Arguments) -> Answer:
        return self._call("/api/query", path, arguments)

    def mutation(self, path: str, arguments: Arguments) -> Answer:
        return self._call("/api/mutation", path, arguments)

    def _call(self, endpoint: str, path: str, arguments: Arguments) -> Answer:
        body = b'{"path":"values:%s","format":"convex_encoded_json","args":[%s]}' % (
            path.encode(),
            text_of(arguments),
        )
        told = call("POST", endpoint, body).json
        return Answer(told.get("value"), told.get("errorMessage"))


class OverSocket:
    def __init__(self, log: Persistence) -> None:
        trial = Trial(
            packages=("tests.apps.shapes",), persistence=log, max_message_bytes=64 * MIB
        )
        self._socket = trial.socket().begin()
        self._socket.take()
        self._queries = self._requests = 0

    def query(self, path: str, arguments: Arguments) -> Answer:
        self._queries += 1
        query_id = self._queries
        add = b'{"type":"Add","queryId":%d,"udfPath":"values:%s","args":[%s]}' % (
            query_id,
            path.encode(),
            text_of(arguments),
        )
        message = b'{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[%s]}'
        self._socket.send(message % (query_id, query_id + 1, add))
        changes = (
            each
            for transition in self._socket.take()
            for each in transition["modifications"]
            if each["queryId"] == query_id
        )
        (change,) = changes
        return Answer(change.get("value"), change.get("errorMessage"))

    def mutation(self, path: str, arguments: Arguments) -> Answer:
        self._requests += 1
        message = b'{"type":"Mutation","requestId":%d,"udfPath":"values:%s","args":[%s]}'
        number = self._requests - 1
        self._socket.send(message % (number, path.encode(), text_of(arguments)))
        response = self._socket.take()[0]
        assert response["type"] == "MutationResponse"
        if response["success"]:
            return Answer(response["result"])
        return Answer(error=response["result"])


@pytest.fixture(params=["http", "socket"])
def client(request: pytest.FixtureRequest, every_log: Persistence) -> Iterator[Client]:
    if request.param == "socket":
        yield OverSocket(every_log)
        return
    Place(apps=("tests.apps.shapes",), persistence=every_log)
    yield OverHttp()
    bootstrap._in_use.clear()


def reason(answer: Answer) -> str:
    """The part of an error that is the same over every transport."""
    assert answer.error is not None, f"no error, but {answer.value!r:.200}"
    head, _, told = answer.error.partition("\n")
    assert head.startswith("[Request ID: ")
    assert head.endswith("] Server Error")
    return told.removeprefix("Uncaught ")


class TestKinds:
    """1.1"""

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            -1.5,
            1e300,
            2**53,
            "",
            "é€😀\u0000\n",
            [],
            {},
            [[None, {"a": [True]}]],
            {"b": 1, "a": {"c": "x"}},
            NAN,
            INFINITY,
            {"$float": "AAAAAAAA8P8="},
            MINUS_ZERO,
            BIG,
            SMALL,
            THREE_BYTES,
            {"$bytes": ""},
            {"big": BIG, "bytes": THREE_BYTES, "nan": NAN, "nz": MINUS_ZERO},
            [BIG, {"deep": [THREE_BYTES]}],
        ],
        ids=repr,
    )
    def test_come_back_as_they_went(self, client: Client, value: Any) -> None:
        answer = client.query("any", {"v": value})

        assert (answer.value, answer.error) == (value, None)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (b'{"$integer":"AQ=="}', "$integer needs 8 bytes, not 1"),
            (b'{"$integer":5}', "$integer needs text in base64"),
            (b'{"$integer":"%%%%"}', "$integer needs text in base64"),
            (json.dumps(ONE_AS_FLOAT).encode(), "$float is for what JSON cannot write"),
            (b'{"$float":1.5}', "$float needs text in base64"),
            (b'{"$float":"AAAA"}', "$float needs 8 bytes, not 3"),
            (b'{"$bytes":"AQID="}', "$bytes needs text in base64"),
            (b'{"$bytes":"AQ"}', "$bytes needs text in base64"),
            (b'{"$bytes":"AR=="}', "$bytes needs text in base64"),
            (b'{"$bytes":"A-_="}', "$bytes needs text in base64"),
            (b'{"$set":[]}', "unknown special form '$set'"),
            (b'{"$map":[]}', "unknown special form '$map'"),
            (b'{"$undefined":null}', "unknown special form '$undefined'"),
            (b'{"$commitTs":null}', "unknown special form '$commitTs'"),
            (b'{"a":1,"$b":2}', "field name '$b' starts with $, which is reserved"),
            (b'{"\\u0024b":2,"a":1}', "field name '$b' starts with $, which is reserved"),
            (b"1e999", "not JSON"),
        ],
    )
    def test_that_are_no_values_are_refused(
        self, client: Client, text: bytes, why: str
    ) -> None:
        assert why in reason(client.query("any", b'{"v":%s}' % text))


HALF_A_SURROGATE = b'{"v":"\\ud800"}'


class TestTextThatIsNoUnicode:
    """1.1: it is no JSON, so that there is no call to answer."""

    def test_is_a_bad_request(self, place_of_shapes: Place) -> None:
        body = b'{"path":"values:string","args":' + HALF_A_SURROGATE + b"}"

        answer = call("POST", "/api/query", body)

        assert (answer.status, answer.json["code"]) == (400, "BadJsonBody")

    def test_is_a_fatal_error_on_a_socket(self) -> None:
        socket = Trial(packages=("tests.apps.shapes",)).socket().begin()
        socket.take()

        socket.send(
            b'{"type":"Mutation","requestId":0,"udfPath":"values:keep","args":[%s]}'
            % HALF_A_SURROGATE
        )

        assert socket.types() == ["FatalError", "closed"]


class TestFormats:
    """1.2"""

    @pytest.mark.parametrize(
        ("value", "clean", "export"),
        [
            (BIG, '"9007199254740993"', "9007199254740993"),
            (123, "123", "123.0"),
            (MINUS_ZERO, "-0.0", "-0.0"),
            (NAN, '"NaN"', '{"$float":"AAAAAAAA+H8="}'),
            (INFINITY, '"Infinity"', '{"$float":"AAAAAAAA8H8="}'),
            ({"$float": "AAAAAAAA8P8="}, '"-Infinity"', '{"$float":"AAAAAAAA8P8="}'),
            (THREE_BYTES, '"AQID"', '{"$bytes":"AQID"}'),
            (["a", None, True], '["a",null,true]', '["a",null,true]'),
        ],
        ids=repr,
    )
    def test_of_results_are_what_was_asked_for(
        self, place_of_shapes: Place, value: Any, clean: str, export: str
    ) -> None:
        encoded = json.dumps(value, separators=(",", ":"))
        expected = {
            "convex_encoded_json": encoded,
            "convex_json": encoded,
            "json": clean,
            "convex_clean_json": clean,
            "export_json": export,
            None: clean,
        }
        for name, text in expected.items():
            body = {"path": "values:any", "args": {"v": value}}
            if name is not None:
                body["format"] = name
            answer = call("POST", "/api/query", json.dumps(body))

            assert answer.body == '{"status":"success","value":' + text + "}"

    def test_that_are_unknown_are_refused(self, place_of_shapes: Place) -> None:
        body = {"path": "values:nothing", "args": {}, "format": "xml"}
        answer = call("POST", "/api/query", json.dumps(body))

        assert (answer.status, answer.json["code"]) == (400, "BadFormat")


@pytest.fixture
def place_of_shapes(every_log: Persistence) -> Iterator[Place]:
    yield Place(apps=("tests.apps.shapes",), persistence=every_log)
    bootstrap._in_use.clear()


IN_ORDER: list[Any] = [
    "absent",
    None,
    {"$integer": "AAAAAAAAAIA="},
    SMALL,
    BIG,
    {"$float": "AAAAAAAA8P8="},
    -1.5,
    MINUS_ZERO,
    0,
    1,
    1.5,
    INFINITY,
    NAN,
    False,
    True,
    "",
    "a",
    "a\u0000",
    "aa",
    "b",
    "\uffff",
    "😀",
    {"$bytes": ""},
    {"$bytes": "AQ=="},
    {"$bytes": "AQA="},
    {"$bytes": "/w=="},
    [],
    [None],
    [None, None],
    [1],
    [[]],
    {},
    {"a": None},
    {"a": 1},
    {"a": 1, "b": None},
    {"b": None},
]
"""1.3: everything that can be told apart, as an index has it."""


def test_an_index_has_values_in_their_order(client: Client) -> None:
    for value in IN_ORDER[1::2] + IN_ORDER[0::2]:
        client.mutation("keep", {} if value == "absent" else {"v": value})

    assert client.query("contents", {}).value == IN_ORDER


class TestDocuments:
    """1.1 and 7"""

    def test_have_an_id_and_a_time_in_milliseconds(self, client: Client) -> None:
        box = client.mutation("keep", {"v": 1}).value

        found = client.query("kept", {"box": box}).value

        made_ms = found.pop("_creationTime")
        assert found == {"_id": box, "content": 1}
        assert isinstance(made_ms, float | int)
        assert YEAR_2020_MS < made_ms < YEAR_2100_MS


class TestIds:
    """1.4"""

    def test_name_their_table(self, client: Client) -> None:
        box = client.mutation("keep", {"v": 1}).value
        label = client.mutation("label", {"box": box}).value

        assert client.query("id", {"v": box}).value == box
        assert reason(client.query("id", {"v": label})) == (
            f'ArgumentValidationError: Found ID "{label}" from table `labels`, which does not'
            ' match the table name in validator `v.id("boxes")`.\n'
            f'Path: .v\nValue: "{label}"\nValidator: v.id("boxes")'
        )

    def test_are_lower_case_base32_of_31_to_37_characters(self, client: Client) -> None:
        box = client.mutation("keep", {"v": 1}).value

        assert 31 <= len(box) <= 37
        assert set(box) <= set("0123456789abcdefghjkmnpqrstvwxyz")

    @pytest.mark.parametrize(
        "damage", [str.upper, lambda i: i[:-1], lambda i: i + "0", len]
    )
    def test_that_are_damaged_do_not_match(self, client: Client, damage: Any) -> None:
        box = client.mutation("keep", {"v": 1}).value

        told = reason(client.query("id", {"v": damage(box)}))

        assert told.startswith(
            "ArgumentValidationError: Value does not match validator.\nPath: .v"
        )

    @pytest.mark.parametrize(
        ("more", "path", "table"),
        [
            ({"box": "label"}, ".box", "boxes"),
            ({"others": ["box", "label"]}, ".others[1]", "boxes"),
            ({"notes": {"a": None, "b": "label"}}, ".notes.b", "boxes"),
            ({"file": "box"}, ".file", "_storage"),
        ],
    )
    def test_of_another_table_are_kept_out_of_documents(
        self, client: Client, more: dict[str, Any], path: str, table: str
    ) -> None:
        box = client.mutation("keep", {"v": 1}).value
        label = client.mutation("label", {"box": box}).value
        known = {"box": box, "label": label}
        arguments = json.loads(
            json.dumps({"box": "box", **more})
            .replace('"label"', f'"{label}"')
            .replace(': "box"', f': "{box}"')
            .replace('["box"', f'["{box}"')
        )

        told = reason(client.mutation("label", arguments))

        wrong = known["box" if table == "_storage" else "label"]
        assert told.startswith(
            'Failed to insert or update a document in table "labels" because it does not'
            f' match the schema: Found ID "{wrong}" from table'
        )
        assert f'`v.id("{table}")`.\nPath: {path}\n' in told

    def test_of_another_table_are_kept_out_of_patches(self, client: Client) -> None:
        box = client.mutation("keep", {"v": 1}).value
        label = client.mutation("label", {"box": box}).value

        told = reason(client.mutation("relabel", {"labelId": label, "box": label}))

        assert "from table `labels`, which does not match" in told


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class TestLimits:
    """1.5"""

    @pytest.mark.parametrize(
        ("value", "too_much", "why"),
        [
            (
                [0] * MAX_ARRAY_ITEMS,
                [0] * (MAX_ARRAY_ITEMS + 1),
                "8193 items are too many: the limit is 8192",
            ),
            (
                {f"f{n}": n for n in range(MAX_OBJECT_FIELDS)},
                {f"f{n}": n for n in range(MAX_OBJECT_FIELDS + 1)},
                "1025 fields are too many: the limit is 1024",
            ),
            (
                {"x" * MAX_FIELD_NAME_CHARS: 1},
                {"x" * (MAX_FIELD_NAME_CHARS + 1): 1},
                "field name of 1025 characters: the limit is 1024",
            ),
            ({" ~": 1}, {"é": 1}, "is not made of printable ASCII"),
            ({"": 1}, {"a\n": 1}, "is not made of printable ASCII"),
            # The object of all arguments is a level, too.
            (
                nested(MAX_VALUE_NESTING - 1),
                nested(MAX_VALUE_NESTING),
                "value is nested too deeply",
            ),
        ],
        ids=["array", "object", "name", "characters", "line", "nesting"],
    )
    def test_of_values(self, client: Client, value: Any, too_much: Any, why: str) -> None:
        assert client.query("any", {"v": value}).value == value
        assert why in reason(client.query("any", {"v": too_much}))

    def test_of_a_document(self, client: Client) -> None:
        # A document and its field take 2 + 8; a text 2 more than its bytes.
        fits = {"v": "x" * (MAX_DOCUMENT_BYTES - 12)}
        too_large = {"v": "x" * (MAX_DOCUMENT_BYTES - 11)}

        assert client.mutation("keep", fits).error is None
        assert (
            f"value of {MAX_DOCUMENT_BYTES + 1} bytes is too large: the limit is"
            f" {MAX_DOCUMENT_BYTES}"
        ) in reason(client.mutation("keep", too_large))

    def test_of_the_nesting_of_a_document(self, client: Client) -> None:
        fits, too_deep = nested(MAX_DOCUMENT_NESTING - 1), nested(MAX_DOCUMENT_NESTING)

        assert client.mutation("keep", {"v": fits}).error is None
        assert "value is nested too deeply" in reason(
            client.mutation("keep", {"v": too_deep})
        )

    def test_of_arguments(self, client: Client) -> None:
        half = "x" * (8 * MIB)
        # The array, the object, the name, the list and two texts take 2 + 2 + 2 + 2 + 4.
        fits = {"v": [half, half[12:]]}
        too_large = {"v": [half, half[11:]]}

        assert client.query("lie", too_large).error is not None
        assert (
            reason(client.query("lie", too_large))
            == "Arguments for values.js:lie are too large (actual: 16 MiB, limit: 16 MiB)"
        )
        assert reason(client.query("lie", fits)).startswith("ReturnsValidationError: ")

    def test_of_results(self, client: Client) -> None:
        fits = {"text": "xy", "times": 8 * MIB - 1}
        too_large = {"text": "xy", "times": 9 * MIB}

        assert len(client.query("repeat", fits).value) == 16 * MIB - 2
        assert reason(client.query("repeat", too_large)) == (
            "Function values.js:repeat return value is too large (actual: 18 MiB, limit: 16 MiB)"
        )


MISMATCH = "Value does not match validator."
OTHER_KIND = (
    "ArgumentValidationError: " + MISMATCH + "\nPath: .v{}\nValue: {}\nValidator: {}"
)
POINT = "v.object({labelText: v.optional(v.string()), x: v.number()})"
SHAPES = (
    'v.union(v.object({kind: v.literal("circle"), radius: v.number()}),'
    ' v.object({kind: v.literal("square"), side: v.number()}))'
)


class TestValidators:
    """7"""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("null", None),
            ("boolean", True),
            ("string", "a"),
            ("number", 1.5),
            ("number", 5),
            ("number", NAN),
            ("whole", 5),
            ("whole", -(2**53)),
            ("bigint", BIG),
            ("bytes", THREE_BYTES),
            ("literal", "a"),
            ("nullable", None),
            ("nullable", "a"),
            ("array", [1, 2.5]),
            ("record", {"any name": 1}),
            ("object", {"x": 1, "labelText": "a"}),
            ("tagged", {"kind": "square", "side": 2}),
        ],
    )
    def test_take_what_they_describe(self, client: Client, path: str, value: Any) -> None:
        answer = client.query(path, {"v": value})

        assert (answer.value, answer.error) == (value, None)

    @pytest.mark.parametrize(
        ("path", "value", "at", "shown", "validator"),
        [
            ("null", 1, "", "1.0", "v.null()"),
            ("boolean", "true", "", '"true"', "v.boolean()"),
            ("string", None, "", "null", "v.string()"),
            ("number", "1", "", '"1"', "v.number()"),
            ("number", BIG, "", "9007199254740993n", "v.number()"),
            ("bigint", 1, "", "1.0", "v.int64()"),
            ("bytes", "AQID", "", '"AQID"', "v.bytes()"),
            ("string", THREE_BYTES, "", "<3 bytes>", "v.string()"),
            ("id", 1, "", "1.0", 'v.id("boxes")'),
            ("literal", "b", "", '"b"', 'v.literal("a")'),
            (
                "choice",
                "c",
                "",
                '"c"',
                'v.union(v.literal(3), v.literal("a"), v.literal("b"))',
            ),
            ("nullable", True, "", "true", "v.union(v.string(), v.null())"),
            ("array", {"0": 1}, "", "{0: 1.0}", "v.array(v.number())"),
            ("array", [1, "a"], "[1]", '"a"', "v.number()"),
            ("record", [], "", "[]", "v.record(v.string(), v.number())"),
            ("record", {"a": "b"}, ".a", '"b"', "v.number()"),
            ("object", "x", "", '"x"', POINT),
            ("object", {"x": "y"}, ".x", '"y"', "v.number()"),
            ("tagged", {"kind": "line"}, "", '{kind: "line"}', SHAPES),
            ("optional", 1, "", "1.0", "v.string()"),
            ("default", None, "", "null", "v.number()"),
        ],
    )
    def test_refuse_other_values_with_path_value_and_validator(
        self, client: Client, path: str, value: Any, at: str, shown: str, validator: str
    ) -> None:
        told = reason(client.query(path, {"v": value}))

        assert told == OTHER_KIND.format(at, shown, validator).replace(
            "{0: 1.0}", '{"0": 1.0}'
        )

    @pytest.mark.parametrize("value", [1.5, 2.0**60, NAN])
    def test_of_whole_numbers_say_that_one_is_none(
        self, client: Client, value: Any
    ) -> None:
        assert reason(client.query("whole", {"v": value})).startswith(
            "ArgumentValidationError: Value is not a whole number of magnitude up to 2^53."
        )

    def test_take_what_may_be_absent(self, client: Client) -> None:
        assert client.query("optional", {}).value is None
        assert client.query("default", {}).value == 7
        assert client.query("nothing", {}).value is None

    @pytest.mark.parametrize(
        ("path", "arguments", "where", "shown", "validator"),
        [
            ("string", {}, "", "{}", "v.object({v: v.string()})"),
            ("object", {"v": {}}, "Path: .v", "{}", POINT),
        ],
    )
    def test_of_objects_name_the_field_that_is_missing(
        self,
        client: Client,
        path: str,
        arguments: dict[str, Any],
        where: str,
        shown: str,
        validator: str,
    ) -> None:
        field = "x" if path == "object" else "v"

        assert reason(client.query(path, arguments)) == (
            f"ArgumentValidationError: Object is missing the required field `{field}`. Consider"
            " wrapping the field validator in `v.optional(...)` if this is expected."
            f"\n{where}\nObject: {shown}\nValidator: {validator}"
        )

    @pytest.mark.parametrize(
        ("path", "arguments", "field", "where", "shown", "validator"),
        [
            ("nothing", {"a": 1}, "a", "", "{a: 1.0}", "v.object({})"),
            (
                "string",
                {"v": "x", "w": 1},
                "w",
                "",
                '{v: "x", w: 1.0}',
                "v.object({v: v.string()})",
            ),
            (
                "object",
                {"v": {"x": 1, "label_text": "a"}},
                "label_text",
                "Path: .v",
                '{label_text: "a", x: 1.0}',
                POINT,
            ),
        ],
    )
    def test_of_objects_are_strict(
        self,
        client: Client,
        path: str,
        arguments: dict[str, Any],
        field: str,
        where: str,
        shown: str,
        validator: str,
    ) -> None:
        assert reason(client.query(path, arguments)) == (
            f"ArgumentValidationError: Object contains extra field `{field}` that is not in the"
            f" validator.\n{where}\nObject: {shown}\nValidator: {validator}"
        )

    @pytest.mark.parametrize(
        ("value", "at", "shown", "validator"),
        [
            ("x", "", '"x"', "v.array(v.number())"),
            ([1, None], "Path: [1]\n", "null", "v.number()"),
            (None, "", "null", "v.array(v.number())"),
        ],
    )
    def test_of_results_are_held_in_development(
        self, client: Client, value: Any, at: str, shown: str, validator: str
    ) -> None:
        expected = f"ReturnsValidationError: {MISMATCH}\n{at}Value: {shown}\nValidator: {validator}"

        assert reason(client.query("lie", {"v": value})) == expected
        assert reason(client.mutation("lieAndWrite", {"v": value})) == expected
        assert client.query("contents", {}).value == []

    def test_of_results_want_documents_that_were_inserted(self, client: Client) -> None:
        assert reason(client.query("uninserted", {})).startswith(
            "ReturnsValidationError: Object is missing the required field `_id`."
        )
