"""Types as JSON Schema (2020-12), as OpenAPI 3.1 has it: written by msgspec, completed here.

msgspec knows every constraint of a hint; what it cannot know is what a value is: which names
the fields of objects may have, how an id looks, and that documents always come with theirs.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from chalicelib.engine.limits import MAX_FIELD_NAME_CHARS

Schema: TypeAlias = dict[str, Any]

Components: TypeAlias = dict[str, Schema]
"""Schemas by the names by which others refer to them."""

TEMPLATE: Final = "#/components/schemas/{name}"
"""Where OpenAPI keeps them."""

VALUE: Final = "Value"
"""The name of the schema of any value."""

FIELD_NAME: Final = {
    "anyOf": [{"maxLength": 0}, {"pattern": "^[ -#%-~][ -~]*$"}],
    "maxLength": MAX_FIELD_NAME_CHARS,
}
"""Names of fields are printable ASCII, and begin with no ``$``; they may be empty."""

_ANY: Final[Schema] = {"$ref": TEMPLATE.format(name=VALUE)}
_RECORD: Final[Schema] = {
    "type": "object",
    "propertyNames": FIELD_NAME,
    "additionalProperties": _ANY,
}
_ANY_VALUE: Final[Schema] = {
    "description": "Any value: JSON whose objects have names of printable ASCII.",
    "anyOf": [
        {"type": ["null", "boolean", "number", "string"]},
        {"type": "array", "items": _ANY},
        _RECORD,
    ],
}


def argument_schemas(
    struct: type[msgspec.Struct], components: Components
) -> tuple[dict[str, Schema], frozenset[str]]:
    """Return the schema of each field of ``struct``, and which must be there.

    What they refer to is added to ``components``.
    """
    found, parts = _written(struct)
    own = parts.pop(found["$ref"].rpartition("/")[2])
    _add(parts, components)
    properties: dict[str, Schema] = own["properties"]
    return _completed(properties, components), frozenset(own["required"])


def result_schema(hint: Any, components: Components) -> Schema:
    """Return the schema of ``hint``; what it refers to is added to ``components``."""
    found, parts = _written(hint)
    _add(parts, components)
    completed: Schema = _completed(found, components)
    return completed


def _written(hint: Any) -> tuple[Schema, Components]:
    (found,), parts = msgspec.json.schema_components([hint], ref_template=TEMPLATE)
    return found, parts


def _add(parts: Mapping[str, Schema], components: Components) -> None:
    for name, part in parts.items():
        schema = _completed(part, components)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        if "_id" in schema.get("properties", {}):
            schema["required"] = ["_id", "_creationTime", *schema["required"]]
        components[name] = schema


def _completed(node: Any, components: Components) -> Any:
    """Return a schema, or a part of one, that also says what a value is."""
    if isinstance(node, list):
        return [_completed(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if not node:
        components[VALUE] = _ANY_VALUE
        return _ANY
    completed = {key: _completed_under(key, node[key], components) for key in node}
    if node.get("type") == "object" and "properties" not in node:
        if "additionalProperties" not in node:
            components[VALUE] = _ANY_VALUE
        return {**_RECORD, **completed}
    return completed


def _completed_under(key: str, node: Any, components: Components) -> Any:
    if key in {"default", "enum", "required"}:
        return node
    if key == "properties":
        return {name: _completed(each, components) for name, each in node.items()}
    return _completed(node, components)
