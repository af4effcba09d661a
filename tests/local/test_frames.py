"""Frames that the server writes by itself are those that its protocol would write."""

import pytest
from websockets.frames import Frame, Opcode

from local.frames import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_of_any_length_is_one_whole_frame(size: int) -> None:
    data = bytes(size)

    assert text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)
