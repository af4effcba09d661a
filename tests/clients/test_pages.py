"""The stock pagination hook shows the sorted list, whatever is written meanwhile."""

from __future__ import annotations

import pytest

from tests.clients.driver import drive
from tests.clients.local_server import LocalServer

pytestmark = pytest.mark.clients

CHANGES = {"sqlite": 150, "dynamodb": 40}


def test_the_pagination_hook_shows_exactly_the_sorted_list(server: LocalServer) -> None:
    changes = CHANGES[server.settings["GEOFLOW_STORE"]]
    stage = {"url": server.url, "run": "pages", "changes": changes}

    report = drive("drive_pages.mjs", stage, {"restart": server.restart})

    assert report.passed == [
        "changed while it is shown",
        "shown whole after a restart",
        "never anything but the beginning of the list",
    ]
    assert report.result["shown"] > changes / 8
