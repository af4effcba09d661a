"""DynamoDB's expressions, as far as the adapters use them."""

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Item = dict[str, Any]
Values = Mapping[str, Any]
Test = Callable[[Item, Values], bool]
Change = Callable[[Item, Item, Values], None]

_TOKEN = re.compile(r"<=|>=|[<>=(),]|:?\w+")
_COMPARE = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plain(attribute: Any) -> Any:
    """The value of an attribute, fit to be compared."""
    (kind, value), *_ = attribute.items()
    if kind != "N":
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)


@cache
def condition(text: str) -> Test:
    """Read a condition: comparisons, functions, AND, OR, parentheses."""
    reader = _Reader(text)
    found = reader.alternatives()
    reader.expect_end()
    return found


@cache
def update(text: str) -> tuple[Change, ...]:
    """Read an update: SET, ADD and REMOVE clauses."""
    return tuple(_Reader(text).changes())


def _compared(name: str, compare: Callable[[Any, Any], Any], value: str) -> Test:
    return lambda item, values: (
        name in item and compare(plain(item[name]), plain(values[value]))
    )


class _Reader:
    """A recursive descent over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._text = text

    def _next(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise ValueError(f"{token} expected before {self._tokens} in {self._text}")

    def expect_end(self) -> None:
        """Refuse what is left over."""
        if self._tokens:
            raise ValueError(f"{self._tokens} is left of {self._text}")

    def alternatives(self) -> Test:
        """Tests joined by OR."""
        tests = [self._conjunction()]
        while self._take("OR"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda i, v: any(t(i, v) for t in tests)

    def _conjunction(self) -> Test:
        tests = [self._single()]
        while self._take("AND"):
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else lambda i, v: all(t(i, v) for t in tests)

    def _single(self) -> Test:
        token = self._next()
        if token == "(":
            inside = self.alternatives()
            self._expect(")")
            return inside
        if self._take("("):
            return self._function(token)
        if self._take("BETWEEN"):
            low = self._next()
            self._expect("AND")
            high = self._next()
            above = _compared(token, operator.ge, low)
            below = _compared(token, operator.le, high)
            return lambda i, v: above(i, v) and below(i, v)
        return _compared(token, _COMPARE[self._next()], self._next())

    def _function(self, name: str) -> Test:
        attribute = self._next()
        if name == "begins_with":
            self._expect(",")
            prefix = self._next()
            self._expect(")")
            return lambda i, v: (
                attribute in i and plain(i[attribute]).startswith(plain(v[prefix]))
            )
        self._expect(")")
        wanted = {"attribute_exists": True, "attribute_not_exists": False}[name]
        return lambda i, v: (attribute in i) == wanted

    def changes(self) -> list[Change]:
        """All clauses, in order."""
        found: list[Change] = []
        one = {"SET": self._assignment, "ADD": self._addition, "REMOVE": self._removal}
        while self._tokens:
            clause = one[self._next()]
            found.append(clause())
            while self._take(","):
                found.append(clause())
        return found

    def _assignment(self) -> Change:
        name = self._next()
        self._expect("=")
        value = self._next()
        if value != "if_not_exists":
            return lambda new, old, v: new.update({name: v[value]})
        self._expect("(")
        present = self._next()
        self._expect(",")
        absent = self._next()
        self._expect(")")
        return lambda new, old, v: new.update({name: old.get(present, v[absent])})

    def _addition(self) -> Change:
        name, value = self._next(), self._next()

        def add(new: Item, old: Item, values: Values) -> None:
            total = plain(old.get(name, {"N": "0"})) + plain(values[value])
            new[name] = {"N": repr(total)}

        return add

    def _removal(self) -> Change:
        name = self._next()
        return lambda new, old, v: new.pop(name, None) and None
