"""Laws of types: the fast way and the judge agree, and what is written can be read back.

Random types meet random values, most of which nearly fit.
"""

import itertools
import math
import types
from dataclasses import dataclass
from typing import Any, Literal, Union

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.errors import EngineError, InvalidHint, InvalidValue, TypeMismatch
from chalicelib.engine.schema import Document, Id, Int64, Struct
from chalicelib.engine.values import encoding
from chalicelib.engine.values.types import Role, TypeCodec

_numbers = itertools.count()


class Owner(Document, table="owners"):
    name: str


@dataclass(frozen=True)
class Case:
    """A hint, and a strategy of wire trees that mostly fit it."""

    hint: Any
    trees: st.SearchStrategy[Any]


TEXTS = st.sampled_from(["", "a", "b", "$5", "é", "owner1", "stranger", "$integer"])
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([3.0, -0.0, 2.0**53, 2.0**53 + 2, 1e300, 0.5]),
)
SPECIALS = st.sampled_from(
    [
        {"$integer": "AQAAAAAAAAA="},
        {"$bytes": "AQID"},
        {"$bytes": ""},
        {"$float": "AAAAAAAA+H8="},
        {"$float": "AAAAAAAAAIA="},
        {"$float": "AAAAAAAA8D8="},
        {"$integer": "AQ"},
        {"$what": "AQID"},
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, SPECIALS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(TEXTS, st.sampled_from(["x", "y", "kind"])), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def one(hint: Any, *trees: Any) -> st.SearchStrategy[Case]:
    return st.just(Case(hint, st.one_of(*trees)))


LEAVES = st.one_of(
    one(type(None), st.none()),
    one(bool, st.booleans()),
    one(str, TEXTS),
    one(float, NUMBERS, SPECIALS),
    one(int, NUMBERS),
    one(Int64, SPECIALS),
    one(bytes, SPECIALS),
    one(Any, TREES),
    one(Literal["a", "b"], TEXTS),
    one(Literal[1, 2, "a"], st.sampled_from([1, 2, 3, 1.0, 2.5, "a", True])),
    one(Literal[True], st.sampled_from([True, False, 1])),
    one(Id[Owner], st.sampled_from(["owner1", "stranger", "a"])),
)


def union(*members: Any) -> Any:
    return Union.__getitem__(members)


def arrays(item: Case) -> Case:
    return Case(list[item.hint], st.lists(item.trees, max_size=3))  # type: ignore[name-defined]


def records(value: Case) -> Case:
    keys = st.sampled_from(["x", "a b", "é", "$x", "", "_id"])
    return Case(
        dict[str, value.hint],  # type: ignore[name-defined]
        st.dictionaries(keys, value.trees, max_size=3),
    )


def records_by_id(value: Case) -> Case:
    keys = st.sampled_from(["owner1", "stranger"])
    return Case(
        dict[Id[Owner], value.hint],  # type: ignore[name-defined]
        st.dictionaries(keys, value.trees, max_size=3),
    )


def nullable(value: Case) -> Case:
    return Case(union(value.hint, None), st.one_of(st.none(), value.trees))


def unions(members: list[Case]) -> Case:
    hint = union(*(member.hint for member in members))
    return Case(hint, st.one_of(*(member.trees for member in members)))


def struct(declared: list[Any], **config: Any) -> Any:
    """A subclass of Struct, of fields given as name, hint and perhaps default."""
    body = {"__annotations__": {field[0]: field[1] for field in declared}}
    body |= {field[0]: field[2] for field in declared if len(field) > 2}
    return types.new_class(
        f"Random{next(_numbers)}", (Struct,), config, lambda names: names.update(body)
    )


def objects(fields: list[tuple[Case, str]]) -> Case:
    names = ["a_b", "c", "d_2e", "list_"]
    wire = ["aB", "c", "d2e", "list"]
    declared: list[Any] = []
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, on_wire, (case, way) in zip(names, wire, fields, strict=False):
        if way == "unset":
            hint = union(case.hint, msgspec.UnsetType)
            declared.append((name, hint, msgspec.UNSET))
        elif way == "default":
            declared.append((name, union(case.hint, None), None))
        else:
            declared.append((name, case.hint))
        (required if way == "required" else optional)[on_wire] = case.trees
    cls = struct(declared)
    fitting = st.fixed_dictionaries(required, optional=optional)
    broken = st.tuples(fitting, st.sampled_from([*wire, "extra"]), SCALARS).map(
        lambda parts: {**parts[0], parts[1]: parts[2]}
    )
    return Case(cls, st.one_of(fitting, fitting, broken))


def tagged(fields: list[tuple[Case, str]]) -> Case:
    """A union of two Structs told apart by a field."""
    classes: list[Any] = []
    trees: list[st.SearchStrategy[Any]] = []
    for tag, (case, _) in zip("ab", fields, strict=False):
        cls = struct([("x", case.hint)], tag_field="kind", tag=tag)
        classes.append(cls)
        trees.append(
            st.fixed_dictionaries({"kind": st.sampled_from("abc"), "x": case.trees})
        )
    return Case(union(*classes), st.one_of(*trees))


def containers(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    fields = st.tuples(inner, st.sampled_from(["required", "required", "unset", "default"]))
    return st.one_of(
        inner.map(arrays),
        inner.map(records),
        inner.map(records_by_id),
        inner.map(nullable),
        st.lists(inner, min_size=2, max_size=3).map(unions),
        st.lists(fields, min_size=1, max_size=4).map(objects),
        st.lists(fields, min_size=2, max_size=2).map(tagged),
    )


CASES = st.recursive(LEAVES, containers, max_leaves=6)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Any, bytes]:
    """A hint, and the JSON text of a value that fits it more often than not."""
    case = draw(CASES)
    tree = draw(st.one_of(case.trees, case.trees, case.trees, TREES))
    return case.hint, msgspec.json.encode(tree)


def table_of(text: str) -> str | None:
    return {"owner1": "owners", "stranger": "strangers"}.get(text)


def codec_for(hint: Any) -> TypeCodec | None:
    try:
        return TypeCodec(hint, Role.ARGUMENT)
    except InvalidHint:
        return None  # random unions are often no types of ours


def outcome(run: Any) -> tuple[str, Any]:
    try:
        return "accepted", run()
    except (TypeMismatch, InvalidValue) as refused:
        return type(refused).__name__, str(refused)


def is_same(a: Any, b: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and takes NaN for itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, msgspec.Struct):
        return is_same(msgspec.structs.astuple(a), msgspec.structs.astuple(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(is_same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, float):
        same_sign = math.copysign(1, a) == math.copysign(1, b)
        return (a == b and same_sign) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


@given(samples())
@settings(max_examples=1000, deadline=None)
def test_the_fast_way_gives_what_the_judge_gives(sample: tuple[Any, bytes]) -> None:
    hint, text = sample
    codec = codec_for(hint)
    if codec is None:
        return

    fast = outcome(lambda: codec.decode(text, table_of))
    slow = outcome(lambda: codec.convert(encoding.decode(text), table_of))

    assert fast[0] == slow[0]
    assert is_same(fast[1], slow[1])


@given(samples())
@settings(max_examples=500, deadline=None)
def test_what_was_decoded_is_written_so_that_it_reads_back_the_same(
    sample: tuple[Any, bytes],
) -> None:
    hint, text = sample
    codec = codec_for(hint)
    if codec is None:
        return
    try:
        value = codec.decode(text)
    except EngineError:
        return

    written = codec.encode(value)

    assert is_same(codec.decode(written), value)
    assert is_same(codec.decode_trusted(written), value)
    TypeCodec(hint, Role.RESULT).judge(encoding.decode(written))
