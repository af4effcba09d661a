"""How many seeds of each kind of world are run."""

SEEDS = {
    "calm": 80,
    "busy": 30,
    "cuts": 80,
    "late": 60,
    "faulty": 160,
    "deaf": 120,
    "deaf and refused": 60,
    "local": 100,
    "local failing": 50,
    "local storm": 15,
    "slow": 50,
    "behind": 25,
    "barely behind": 25,
    "short": 200,
    "storm": 8,
    "line": 12,
    "faulty line": 30,
    "dynamodb line": 3,
    "deploy": 30,
    "faulty deploy": 40,
    "full": 20,
    "faulty full": 30,
    "pieces": 30,
    "ahead": 25,
    "deserted": 30,
    "faulty ahead": 50,
    "small ahead": 20,
    "dynamodb ahead": 10,
    "small": 20,
    "faulty small": 60,
    "small local": 40,
    "night": 100,
    "dynamodb night": 40,
    "housekeeping": 60,
    "skewed": 30,
    "dynamodb storm": 4,
    "dynamodb": 30,
    "faulty dynamodb": 50,
    "jobs": 20,
    "local jobs": 20,
    "faulty jobs": 50,
    "faulty jobs on dynamodb": 12,
    "undo": 30,
    "local undo": 15,
    "faulty undo": 50,
    "undo on dynamodb": 10,
    "web": 20,
    "local web": 10,
    "faulty web": 40,
    "web on dynamodb": 20,
    "files": 12,
    "faulty files": 40,
    "files on dynamodb": 8,
}
"""By profile: its share of all seeds."""

TESTED = 500
"""How many the tests run: half a minute in all. ``make proof`` runs 10,000."""


def spread(total: int) -> dict[str, int]:
    """Spread a number of seeds over all profiles by their shares, one at least for each."""
    whole = sum(SEEDS.values())
    shares = {name: max(1, total * share // whole) for name, share in SEEDS.items()}
    # What rounding leaves over goes to the profile that has the most anyway.
    most = max(shares, key=lambda name: shares[name])
    shares[most] += max(0, total - sum(shares.values()))
    return shares
