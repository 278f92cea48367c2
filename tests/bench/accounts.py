"""Accounts for a server that is not started yet: without the command line, a second for each."""

from collections.abc import Iterator
from pathlib import Path

from soul_coordinator.accounts import Accounts
from soul_protocol.roles import Role


def accounts(data_dir: Path, count: int) -> Iterator[tuple[str, str]]:
    """As many users, each with a token for its devices."""
    book = Accounts.of_data_dir(data_dir)
    for number in range(count):
        name = f"user-{number}"
        book.add(name)
        yield name, book.issue(name, Role.DEVICE).token
