"""The engine's ports over what the local server has in its own process."""

from concurrent.futures import ThreadPoolExecutor

from local.ports import NAMES_AHEAD, PooledIds


def test_no_name_is_given_twice_whichever_thread_asks() -> None:
    ids = PooledIds()

    def take(_: int) -> list[str]:
        return [ids.transaction_id() for _ in range(NAMES_AHEAD * 5)]

    with ThreadPoolExecutor(8) as pool:
        names = [name for some in pool.map(take, range(16)) for name in some]

    assert len(set(names)) == len(names) == 16 * NAMES_AHEAD * 5
    assert all(len(bytes.fromhex(name)) == 16 for name in names)
