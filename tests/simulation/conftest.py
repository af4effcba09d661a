"""Tells at the end what was simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SIMULATED = "simulated"
"""Name of the property in which a test says what it has run."""


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print one line for each test that simulated something."""
    reports = [
        r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)
    ]
    lines = sorted(
        value
        for report in reports
        for name, value in report.user_properties
        if name == SIMULATED
    )
    if lines:
        terminalreporter.section("simulated")
        for line in lines:
            terminalreporter.write_line(line)
