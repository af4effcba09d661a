"""What a deployment costs a month: ``python -m infra.cost``.

Request units of DynamoDB are counted, by the benchmark that runs the engine over an emulator
(``benchmarks/dynamodb_costs.py``); how long functions run is an assumption, since nothing here
was run on AWS. The load is described by a few numbers; each is a flag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from benchmarks.dynamodb_costs import deployed, measure
from benchmarks.report import Line
from infra.prices import DATE, MILLION, PRICES, REGION

HOURS: Final = 730
"""Hours of a month. Source: AWS's own calculator."""

SECONDS: Final = HOURS * 3600
PINGS_PER_MINUTE: Final = 4
"""Ticks, of which each pings an idle connection. Source: ADR 0005."""

POLLS: Final = 3 * 60 * HOURS * 5
"""Empty receives of one queue: Lambda keeps five long polls of 20 s going.

Source: "Using Lambda with Amazon SQS", scaling and processing.
"""

FIXED: Final[Mapping[str, float]] = MappingProxyType(
    {
        "alarm": 11,
        "dashboard": 1,
        "metric": 20,
        "key": 1,
        # The heartbeat and its ticks, and the empty partitions that they read (ADR 0005).
        "invocation": SECONDS / 60 + PINGS_PER_MINUTE * SECONDS / 60,
        "gb_second": (SECONDS / 60 * 0.05 * 0.5) + (PINGS_PER_MINUTE * SECONDS / 60 * 0.1),
        "queue_request": 2 * POLLS + 3 * PINGS_PER_MINUTE * SECONDS / 60,
        "read_unit": 16 * PINGS_PER_MINUTE * SECONDS / 60,
    }
)
"""Units of a month in which nobody does anything."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a month asks of a deployment.

    Attributes:
        online: Clients that are connected, on average over the month.
        mutations_per_s: Mutations over sockets, on average.
        watchers: Connections that see a change of one mutation.
        queries_per_s: Queries over HTTP; nine of ten are found in a process's cache.
        http_per_s: HTTP functions, each with one query and one mutation.
        table_gb: Documents, with their index rows.
        file_gb: Files.
        download_gb: What clients fetch of files and answers.
        log_bytes: What one invocation writes to the logs.
    """

    online: float = 0
    mutations_per_s: float = 0
    watchers: float = 3
    queries_per_s: float = 0
    http_per_s: float = 0
    table_gb: float = 0.1
    file_gb: float = 1
    download_gb: float = 1
    log_bytes: float = 500


def _grown(load: Load, times: float, *, watchers: float, table_gb: float) -> Load:
    """So many as large; who watches, and how much is kept, do not grow as the rest does."""
    grown = {name: getattr(load, name) * times for name in _GROWING}
    return msgspec.structs.replace(load, **grown, watchers=watchers, table_gb=table_gb)


_GROWING: Final = (
    "online",
    "mutations_per_s",
    "queries_per_s",
    "http_per_s",
    "file_gb",
    "download_gb",
)
_TEAM: Final = Load(
    online=20,
    mutations_per_s=0.2,
    queries_per_s=0.2,
    http_per_s=0.05,
    table_gb=5,
    file_gb=100,
    download_gb=50,
)
LOADS: Final[Mapping[str, Load]] = MappingProxyType(
    {
        "idle": Load(),
        "small": _TEAM,
        "large": _grown(_TEAM, 100, watchers=10, table_gb=200),
    }
)
"""The loads of the table in the docs: nobody, a team, a company."""

DURATION_MS: Final[Mapping[str, float]] = MappingProxyType(
    {"query": 25, "mutation": 60, "frame": 40, "http": 90, "stream": 60, "wake": 25}
)
"""How long functions of 1 GB run, in ms: assumed, not measured on AWS."""

Units = dict[str, float]
"""How much of each priced unit."""


def counted() -> Mapping[str, tuple[float, float]]:
    """Count the read and write units of each operation, everything after it included."""
    with deployed() as deployment:
        return {line.what: _units(line) for line in measure(deployment)}


def _units(line: Line) -> tuple[float, float]:
    _, read, _, read_after, _, read_stream, _, written = (n.value for n in line.numbers)
    return read + read_after + read_stream, written


def units(load: Load, costs: Mapping[str, tuple[float, float]]) -> Units:
    """How much of each priced unit a month of ``load`` takes."""
    mutations = load.mutations_per_s * SECONDS
    queries, http = load.queries_per_s * SECONDS, load.http_per_s * SECONDS
    pushes = mutations * load.watchers
    done = {
        "query, cached": (queries + http) * 0.9,
        "query, warm, one range ≤ 4 KB": (queries + http) * 0.1,
        "mutation over HTTP, keys stay": http,
        "mutation over a socket, keys stay": mutations,
        "push to one client, result shared": pushes,
    }
    used = _sum(
        FIXED,
        {"read_unit": sum(costs[what][0] * times for what, times in done.items())},
        {"write_unit": sum(costs[what][1] * times for what, times in done.items())},
        _requests(queries, http, mutations, pushes, load),
        {
            "table_gb": load.table_gb,
            "backup_gb": load.table_gb,
            "file_gb": load.file_gb,
            "file_get": load.download_gb * 1000,
            "edge_gb": load.download_gb,
        },
    )
    return _sum(used, {"log_gb": used["invocation"] * load.log_bytes / 1e9})


def _sum(*parts: Mapping[str, float]) -> Units:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0) for part in parts) for name in names}


def _requests(
    queries: float, http: float, mutations: float, pushes: float, load: Load
) -> dict[str, float]:
    """What the gateways and functions are asked."""
    pings = load.online * SECONDS / 60 * PINGS_PER_MINUTE
    wakes = pushes / 10
    runs = {
        "query": queries,
        "http": http,
        "frame": mutations,
        "stream": mutations + http,
        "wake": wakes,
    }
    return {
        "rest_request": queries + http,
        "edge_request": queries + http + load.online * HOURS / 2,
        # A request and its answer and transition; a push to each watcher; pings.
        "socket_message": 3 * mutations + pushes + pings,
        "socket_minute": load.online * SECONDS / 60,
        "invocation": sum(runs.values()),
        "gb_second": sum(DURATION_MS[what] / 1000 * times for what, times in runs.items()),
        "queue_request": 3 * wakes,
    }


def bill(used: Mapping[str, float]) -> dict[str, float]:
    """What a month's units cost, in USD by service, the dearest first."""
    asked = ({PRICES[name].service: PRICES[name].usd * n} for name, n in used.items())
    return dict(sorted(_sum(*asked).items(), key=lambda item: -item[1]))


def table(loads: Mapping[str, Load], costs: Mapping[str, tuple[float, float]]) -> str:
    """The bills of several loads as a table in Markdown."""
    bills = {name: bill(units(load, costs)) for name, load in loads.items()}
    services = dict.fromkeys(s for one in reversed(bills.values()) for s in one)
    rows = [
        [service, *(_usd(one.get(service, 0)) for one in bills.values())]
        for service in services
    ]
    rows.append(
        ["**in all**", *(f"**{_usd(sum(one.values()))}**" for one in bills.values())]
    )
    head = [f"USD a month, {REGION}, {DATE}", *bills]
    return "\n".join(map(_row, (head, ["---", *("---:" for _ in bills)], *rows)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"  # noqa: PLR2004


def main() -> None:
    """Print the bills of the described loads, or of the one that the flags describe."""
    parser = argparse.ArgumentParser(prog="python -m infra.cost", description=__doc__)
    for field in msgspec.structs.fields(Load):
        flag = f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, type=float, help=f"usually {field.default}")
    parser.add_argument("--prices", action="store_true", help="print the prices")
    chosen = vars(parser.parse_args())
    if chosen.pop("prices"):
        for price in PRICES.values():
            sys.stdout.write(
                f"{price.service:12} {price.unit:32} {price.usd * MILLION:12,.4f} USD a million"
                f"  {price.status}, aws.amazon.com/{price.page}\n"
            )
        return
    given = {name: value for name, value in chosen.items() if value is not None}
    loads = {"described": Load(**given)} if given else LOADS
    sys.stdout.write(table(loads, counted()) + "\n")


if __name__ == "__main__":
    main()
