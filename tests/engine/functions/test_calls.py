"""Which function a call means, and what its arguments are."""

from __future__ import annotations

from functools import cache

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.errors import BadArguments, FunctionNotFound, WrongFunctionKind
from chalicelib.engine.functions.calls import Call, arguments_object, resolve
from chalicelib.engine.functions.registry import Registry
from tests.trial import user


@cache
def registry() -> Registry:
    return Registry(["tests.apps.trial"])


class TestResolve:
    @pytest.mark.parametrize("path", ["items:list", "items.js:list"])
    def test_finds_a_function_in_every_spelling(self, path: str) -> None:
        assert resolve(registry(), Call(path, b"{}"), "query").path == "items:list"

    @pytest.mark.parametrize("path", ["items:nope", "nope:list", "items", "", ":", "a:b:c"])
    def test_says_that_there_is_no_public_function(self, path: str) -> None:
        with pytest.raises(FunctionNotFound) as refused:
            resolve(registry(), Call(path, b"{}"), "query")

        assert str(refused.value) == f"Could not find public function for '{path}'."

    def test_leaves_the_suffix_out_of_the_error(self) -> None:
        with pytest.raises(FunctionNotFound, match="for 'nope:list'"):
            resolve(registry(), Call("nope.js:list", b"{}"), "query")

    @pytest.mark.parametrize("caller", [None, user("ann")])
    def test_does_not_tell_clients_that_an_internal_function_exists(
        self, caller: None
    ) -> None:
        with pytest.raises(FunctionNotFound, match="Could not find public function"):
            resolve(registry(), Call("calls:secret", b"{}", caller), "query")

    @pytest.mark.parametrize(
        "call",
        [
            Call("calls:secret", b"{}", AdminIdentity()),
            Call("calls:secret", b"{}", AdminIdentity(user("ann"))),
            Call("calls:secret", b"{}", trusted=True),
        ],
    )
    def test_finds_internal_functions_for_the_admin_and_for_functions(
        self, call: Call
    ) -> None:
        assert resolve(registry(), call, "query").path == "calls:secret"

    def test_of_any_kind_tells_how_to_get_a_function_there(self) -> None:
        with pytest.raises(FunctionNotFound) as refused:
            resolve(registry(), Call("a:b", b"{}"), None)

        assert str(refused.value) == (
            "Could not find function for 'a:b'. Did you forget to run `npx convex dev`?"
        )

    def test_says_which_kind_a_function_is(self) -> None:
        with pytest.raises(
            WrongFunctionKind, match="as mutation, but it is defined as query"
        ):
            resolve(registry(), Call("items:list", b"{}"), "mutation")


class TestArgumentsObject:
    @pytest.mark.parametrize(
        "text", [b'{"a": 1}', b'[{"a": 1}]', b' [ {"a": 1} ] ', b'\n{"a": 1}\n']
    )
    def test_is_the_object_itself_or_the_only_item(self, text: bytes) -> None:
        assert arguments_object(text) == b'{"a": 1}'

    def test_of_no_arguments_is_empty(self) -> None:
        assert arguments_object(b"[]") == b"{}"

    @pytest.mark.parametrize(
        "text", [b"null", b"1", b'"a"', b"[1]", b"[[]]", b"[{},{}]", b"[null]", b"", b"["]
    )
    def test_of_anything_else_is_refused(self, text: bytes) -> None:
        with pytest.raises(BadArguments, match="an array that holds just one object"):
            arguments_object(text)
