"""A law: whatever a function may be given or return is of the type that its hint becomes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from chalicelib.engine.errors import EngineError, InvalidHint
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.values import encoding
from chalicelib.engine.values.types import Node, Role, TypeCodec
from chalicelib.engine.values.types.tree import ArrayOf, IdOf, ObjectOf, RecordOf, UnionOf
from chalicelib.engine.values.types.typescript import TypeScript, key_text
from chalicelib.engine.values.value import Int64
from local.declarations import write_declarations
from tests.properties.test_type_laws import samples, table_of
from tests.typescript.compiler import HERE, compile_project

pytestmark = pytest.mark.clients

PREAMBLE = """
import type { GenericId } from "convex/values";
type Id<TableName extends string> = GenericId<TableName>;
const nowhere = "owner1" as Id<"owners">;
"""
APPS = ("chalicelib.geoflow", "tests.apps.chat", "tests.apps.pages", "tests.apps.trial")
TSCONFIG = {
    "extends": str(HERE / "tsconfig.json"),
    "compilerOptions": {"types": [], "noUnusedLocals": False, "allowJs": False},
    "files": ["laws.ts", *(f"{app}/_generated/api.d.ts" for app in APPS)],
}


def expression(node: Node, value: Any) -> str:
    """Write a value as the JavaScript that a client holds it as."""
    match node, value:
        case IdOf(table=table), str():
            return f'({json.dumps(value)} as Id<"{table}">)'
        case ArrayOf(item=item), list():
            return f"[{', '.join(expression(item, each) for each in value)}]"
        case RecordOf(key=key, value=inner), dict():
            return written((f"[{expression(key, k)}]", inner, v) for k, v in value.items())
        case ObjectOf(by_name=fields), dict():
            return written((key_text(k), fields[k].node, v) for k, v in value.items())
        case UnionOf(), _:
            return expression(chosen(node, value), value)
        case _:
            return literal(value)


def written(fields: Any) -> str:
    inside = ", ".join(f"{key}: {expression(node, value)}" for key, node, value in fields)
    return f"{{ {inside} }}"


def chosen(node: UnionOf, value: Any) -> Node:
    """The member of a union that a value is meant for."""
    for member in node.members:
        codec = TypeCodec(None, Role.ARGUMENT, member)
        try:
            codec.judge(value, table_of)
        except EngineError:
            continue
        return member
    raise AssertionError(value)


def literal(value: Any) -> str:
    match value:
        case Int64():
            return f"{int(value)}n"
        case bytes():
            return "new ArrayBuffer(0)"
        case float() if not math.isfinite(value):
            return str(value).replace("inf", "Infinity").replace("nan", "NaN")
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case dict():
            fields = (f"{json.dumps(k)}: {literal(v)}" for k, v in value.items())
            return f"{{ {', '.join(fields)} }}"
        case _:
            return json.dumps(value)


def declared_samples(count: int) -> list[str]:
    """Constants of random types, each of a value that its judge accepts, one a line."""
    lines: list[str] = []
    types = TypeScript({}, {"owners"})

    @given(samples())
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def collect(sample: tuple[Any, bytes]) -> None:
        hint, text = sample
        for role in Role:
            try:
                codec = TypeCodec(hint, role)
            except InvalidHint:
                return
            declared = f"export const c{len(lines)}: {types.text(codec.tree, role, 30)}"
            try:
                value = codec.judge(encoding.decode(text), table_of)
            except EngineError:
                lines.append(f"{declared} = nowhere as never;")  # the type is one, at least
            else:
                lines.append(f"{declared} = {expression(codec.tree, value)};")

    collect()
    return lines


def test_what_the_judge_accepts_is_of_the_type_and_every_apps_declarations_compile(
    tmp_path: Path,
) -> None:
    for app in APPS:
        write_declarations(Registry((app,)), tmp_path / app)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "package.json").write_text('{ "type": "module" }')
    (tmp_path / "tsconfig.json").write_bytes(msgspec.json.encode(TSCONFIG))
    lines = declared_samples(600)
    (tmp_path / "laws.ts").write_text(PREAMBLE + "\n".join(lines))

    said = compile_project(tmp_path / "tsconfig.json")

    assert len([line for line in lines if "as never" not in line]) > len(lines) / 4
    assert not said, said[:4000]
