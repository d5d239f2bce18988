"""tests/support/file_scheduler.py: which process of `make test` has which file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import file_scheduler
from tests.support.file_scheduler import OF_THE_PAGE, WAITING, FileScheduler

ROOT = Path(__file__).resolve().parents[1]
OTHERS = tuple(f"tests/test_{number}.py" for number in range(6))
PAGE = tuple(f"{OF_THE_PAGE}test_{number}.py" for number in range(6))
WAITS = tuple(f"tests/waits_{number}.py" for number in range(3))
FILES = (*OTHERS, *PAGE, *WAITS)
TESTS = [f"{file}::test_{name}" for file in FILES for name in ("one", "two", "three")]


class Node:
    """A process that notes which tests it is given."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name, spec=name)
        self.shutting_down = False
        self.waiting: list[int] = []
        self.files: set[str] = set()

    def send_runtest_some(self, indices: list[int]) -> None:
        self.waiting += indices
        self.files |= {TESTS[index].split("::")[0] for index in indices}

    def shutdown(self) -> None:
        self.shutting_down = True


def shared_out(processes: int, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The files each process is given, where all are equally quick."""
    monkeypatch.setattr(file_scheduler, "WAITING", frozenset(WAITS))
    option = SimpleNamespace(numprocesses=processes, loadscopereorder=False, debug=False)
    config: Any = SimpleNamespace(
        option=option, getvalue=lambda _name: [f"{processes}*popen"], getoption=lambda _name: []
    )
    scheduler = FileScheduler(config)
    nodes: list[Any] = [Node(f"gw{number}") for number in range(processes)]
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, TESTS)
    scheduler.schedule()
    ran = 0
    while any(node.waiting for node in nodes):
        for node in nodes:
            if node.waiting:
                scheduler.mark_test_complete(node, node.waiting.pop(0))
                ran += 1
    assert ran == len(TESTS)
    assert all(node.shutting_down for node in nodes)
    return [node.files for node in nodes]


def test_the_files_that_wait_exist() -> None:
    """One that was moved would hold up a process again."""
    assert [file for file in sorted(WAITING) if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize("processes", [3, 4])
def test_all_but_two_have_what_waits_and_nothing_of_the_page(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's tests come first in those two; the rest is anybody's, each file once."""
    first, second, *others = shared_out(processes, monkeypatch)
    without_page = set().union(*others)
    assert without_page >= set(WAITS)
    assert first | second >= set(PAGE)
    assert all(files & set(OTHERS) for files in others)
    assert first | second | without_page == set(FILES)
    assert sum(map(len, (first, second, *others))) == len(FILES)


def test_two_processes_share_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file whole to one of them."""
    first, second = shared_out(2, monkeypatch)
    assert first | second == set(FILES)
    assert not first & second
