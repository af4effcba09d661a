"""A developer changes a function, and a stock client shows what the new one says."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.clients.driver import drive
from tests.local.desk import ANSWER, PATIENCE_S, Desk

pytestmark = pytest.mark.clients


def test_a_live_query_follows_the_code(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write(ANSWER.format(hint="int", value=1))
    process = desk.start()
    try:
        desk.until(lambda: desk.answer() == 1, "served")

        told = drive(
            "drive_code_change.mjs",
            {"url": desk.url},
            {
                "change the code": lambda: desk.write(
                    ANSWER.format(hint="str", value="'two'")
                )
            },
        ).result
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)

    assert told["shown"] == [1, "two"]
