"""Nothing of an identity is read without a note."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chalicelib.engine.auth import Identity
from chalicelib.engine.auth.seen import ALL, watched

ANN = Identity("https://issuer.example", "ann", "issuer|ann", {"role": "boss"}, 5.0)

READINGS: dict[str, tuple[Callable[[Identity], Any], set[str]]] = {
    "nothing": (lambda _: None, set()),
    "a field": (lambda who: who.subject, {"@subject"}),
    "the attributes as a whole": (lambda who: who.attributes, set()),
    "an attribute": (lambda who: who.attributes["role"], {".role"}),
    "one with a default": (lambda who: who.attributes.get("x"), {".x"}),
    "whether one is there": (lambda who: "x" in who.attributes, {".x"}),
    "one named like a field": (lambda who: who.attributes.get("@subject"), {".@subject"}),
    "their names": (lambda who: list(who.attributes), {ALL}),
    "how many they are": (lambda who: len(who.attributes), {ALL}),
    "a field by its name": (lambda who: getattr(who, "issuer"), {"@issuer"}),  # noqa: B009
}


@pytest.mark.parametrize("name", READINGS)
def test_each_reading_is_noted(name: str) -> None:
    read, expected = READINGS[name]
    noted: set[str] = set()

    read(watched(ANN, noted))

    assert noted == expected


@pytest.mark.parametrize(
    "read",
    [
        lambda who: dict(who.attributes),
        lambda who: {**who.attributes},
        lambda who: who.attributes == {"role": "boss"},
        lambda who: repr(who.attributes),
        lambda who: list(who.attributes.items()),
    ],
)
def test_whoever_takes_the_attributes_as_a_whole_has_read_all(
    read: Callable[[Identity], Any],
) -> None:
    noted: set[str] = set()

    read(watched(ANN, noted))

    assert ALL in noted


@pytest.mark.parametrize("part", [lambda who: who, lambda who: who.attributes])
def test_no_encoder_reads_past_the_notes(part: Callable[[Identity], Any]) -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(part(watched(ANN, set())))


def test_it_equals_the_identity_that_it_watches() -> None:
    noted: set[str] = set()

    assert watched(ANN, noted) == ANN
    assert {"@issuer", "@subject", "@token_identifier", "@expires_at"} <= noted
