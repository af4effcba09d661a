"""The intrinsic functions of our templates, resolved by what an account holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

NO_VALUE: Final = {"Ref": "AWS::NoValue"}


class Names(msgspec.Struct, frozen=True):
    """What names stand for: ``Ref`` and conditions, ``Fn::GetAtt``, ``Fn::ImportValue``."""

    refs: Mapping[str, Any]
    attributes: Mapping[str, str]
    exports: Mapping[str, str]

    def resolved(self, tree: Any) -> Any:
        """Return a part of a template with everything named.

        Raises:
            KeyError: it speaks of something that is not there.
        """
        if isinstance(tree, list):
            return [self.resolved(each) for each in tree]
        if not isinstance(tree, dict):
            return tree
        name, *others = tree or ("",)
        if not others and name in _RESOLVED:
            return _RESOLVED[name](self, tree[name])
        return {
            key: self.resolved(value) for key, value in tree.items() if value != NO_VALUE
        }

    def _attribute(self, path: list[str]) -> str:
        return self.attributes[".".join(path)]

    def _chosen(self, parts: list[Any]) -> Any:
        condition, then, otherwise = parts
        return self.resolved(then if self.refs[condition] else otherwise)

    def _filled(self, parts: Any) -> str:
        text, values = parts if isinstance(parts, list) else (parts, {})
        known = {**self.refs, **self.attributes, **self.resolved(values)}
        for name, value in known.items():
            text = text.replace("${" + name + "}", str(value))
        filled: str = text
        return filled


_RESOLVED: Final[Mapping[str, Callable[[Names, Any], Any]]] = MappingProxyType(
    {
        "Ref": lambda names, name: names.refs[name],
        "Fn::GetAtt": lambda names, path: names._attribute(path),  # noqa: SLF001 - its own
        "Fn::ImportValue": lambda names, name: names.exports[names.resolved(name)],
        "Fn::If": lambda names, parts: names._chosen(parts),  # noqa: SLF001
        "Fn::Sub": lambda names, parts: names._filled(parts),  # noqa: SLF001
    }
)
