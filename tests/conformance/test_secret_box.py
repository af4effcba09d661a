"""The contract of secret boxes, over every adapter."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from chalicelib.adapters.envelope import EnvelopeBox
from chalicelib.adapters.key_file import FILE_NAME, key_file, key_file_secrets
from chalicelib.adapters.kms import kms_secrets
from chalicelib.adapters.memory.keys import memory_secrets
from chalicelib.engine.errors import SecretRefused, SecretsUnavailable
from chalicelib.engine.secrets import SecretBox
from local.emulator import start_emulator

SECRET = b"correct horse battery staple"
MINE = {"owner": "ann", "credential": "c1"}


@pytest.fixture(scope="module")
def kms() -> Iterator[SecretBox]:
    with start_emulator() as emulator:
        client = boto3.client("kms", region_name=emulator.region)
        key = client.create_key()["KeyMetadata"]["KeyId"]
        yield kms_secrets(key, region=emulator.region)


@pytest.fixture(params=["memory", "key file", "kms"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> SecretBox:
    match request.param:
        case "memory":
            return memory_secrets()
        case "key file":
            return key_file_secrets(tmp_path / "data")
        case _:
            found: SecretBox = request.getfixturevalue("kms")
            return found


class TestSealed:
    @pytest.mark.parametrize("secret", [SECRET, b"", b"\x00\xff" * 2048])
    def test_opens_with_its_context(self, box: SecretBox, secret: bytes) -> None:
        sealed = box.seal(secret, MINE)

        assert box.open(sealed.data, MINE) == secret
        assert box.open(sealed.data, dict(reversed(MINE.items()))) == secret

    def test_shows_nothing_of_the_secret_and_never_looks_the_same(
        self, box: SecretBox
    ) -> None:
        first, second = box.seal(SECRET, MINE), box.seal(SECRET, MINE)

        assert first.data != second.data
        assert first.key_id == second.key_id != ""
        for piece in (SECRET, SECRET[:8], SECRET.hex().encode()):
            assert piece not in first.data

    @pytest.mark.parametrize(
        "other",
        [
            {"owner": "bob", "credential": "c1"},
            {"owner": "ann", "credential": "c2"},
            {"owner": "ann"},
            {**MINE, "more": "x"},
            {"owner": "c1", "credential": "ann"},
            {},
        ],
    )
    def test_is_refused_with_another_owner_or_id(
        self, box: SecretBox, other: dict[str, str]
    ) -> None:
        sealed = box.seal(SECRET, MINE)

        with pytest.raises(SecretRefused) as refused:
            box.open(sealed.data, other)

        assert SECRET.decode() not in str(refused.value)

    def test_is_refused_when_any_byte_was_changed(self, box: SecretBox) -> None:
        sealed = box.seal(SECRET, MINE).data
        places = range(0, len(sealed), max(1, len(sealed) // 24))

        for place in places:
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(SecretRefused):
                box.open(bytes(changed), MINE)

    @pytest.mark.parametrize("cut", [0, 1, -1])
    def test_is_refused_when_it_was_cut(self, box: SecretBox, cut: int) -> None:
        sealed = box.seal(SECRET, MINE).data

        with pytest.raises(SecretRefused):
            box.open(sealed[:cut], MINE)

    def test_is_refused_by_another_deployment(self, box: SecretBox) -> None:
        sealed = memory_secrets().seal(SECRET, MINE)

        with pytest.raises(SecretRefused):
            box.open(sealed.data, MINE)


class TestKeyFile:
    def test_is_made_at_first_use_for_its_owner_alone(self, tmp_path: Path) -> None:
        box = key_file_secrets(tmp_path / "new" / "data")
        path = tmp_path / "new" / "data" / FILE_NAME
        assert not path.exists()

        box.seal(SECRET, MINE)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_is_closed_again_to_others(self, tmp_path: Path) -> None:
        sealed = key_file_secrets(tmp_path).seal(SECRET, MINE)
        (tmp_path / FILE_NAME).chmod(0o644)

        key_file_secrets(tmp_path).open(sealed.data, MINE)

        assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600

    def test_has_one_first_key_however_many_ask_for_it_at_once(
        self, tmp_path: Path
    ) -> None:
        boxes = [key_file_secrets(tmp_path) for _ in range(8)]
        sealed: list[bytes] = []
        threads = [
            threading.Thread(target=lambda b=box: sealed.append(b.seal(SECRET, MINE).data))
            for box in boxes
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [boxes[0].open(each, MINE) for each in sealed] == [SECRET] * 8

    def test_seals_with_the_key_that_was_added_last_and_opens_with_all(
        self, tmp_path: Path
    ) -> None:
        serving = key_file_secrets(tmp_path)
        before = serving.seal(SECRET, MINE)

        added = key_file(tmp_path).add()

        after = serving.seal(SECRET, MINE)
        assert (after.key_id, before.key_id == added) == (added, False)
        assert serving.open(before.data, MINE) == serving.open(after.data, MINE) == SECRET

    def test_that_is_none_is_said_to_operators_and_not_replaced(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / FILE_NAME).write_text("not a key\n")

        with pytest.raises(SecretsUnavailable, match="no key") as refused:
            key_file_secrets(tmp_path).seal(SECRET, MINE)

        assert str(tmp_path) not in refused.value.told
        assert (tmp_path / FILE_NAME).read_text() == "not a key\n"


def test_kms_that_does_not_know_the_key_is_unavailable(kms: SecretBox) -> None:
    assert isinstance(kms, EnvelopeBox)
    box = kms_secrets("alias/never-made", region="us-east-1")

    with pytest.raises(SecretsUnavailable):
        box.seal(SECRET, MINE)
