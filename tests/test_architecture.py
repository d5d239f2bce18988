"""docs/ARCHITECTURE.md and the tree agree: rooms and layers, "where is X", glossary, names in the text.

Each check is a function of the page's text, so that a page that is wrong on purpose shows that it can fail.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections import Counter
from functools import cache

import pytest

from tests.docs.doc_blocks import ROOT

PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
PACKAGE = ROOT / "liqstream"
ENTRANCES = {"__init__", "__main__"}
"""Root files that are no layer: the version, and `python -m liqstream`."""
MIN_WHERE = 25
RECIPES = ("an exchange", "a snapshot field", "a message", "a setting", "a metric", "a verb")


def section(page: str, heading: str) -> str:
    """The text under a heading, to the next heading of the same level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {heading!r}"
    return found[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table in a text, without its head."""
    found = re.search(r"^\|.*\|\n\|[-| ]+\|\n((?:^\|.*\|\n)+)", text, re.MULTILINE)
    assert found is not None, "no table"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()]


def rooms_in_the_tree() -> set[str]:
    """Every package below `liqstream/`, and every module beside them that is imported from."""
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return packages | {path.stem for path in PACKAGE.glob("*.py")} - ENTRANCES


def layers_of_the_contract() -> list[set[str]]:
    """The layers import-linter holds, top to bottom."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    rows = parser["importlinter:contract:floors"]["layers"].split("\n")
    return [{name.strip() for name in row.split("|")} for row in rows if row.strip()]


def rooms_of_the_page(page: str) -> list[tuple[int, str]]:
    """(layer counted from the top, room) in the page's order. Raises ValueError for a row of another form."""
    rooms = []
    for layer, name, does in table(section(page, "Rooms and layers")):
        found = re.fullmatch(r"`liqstream/(\w+)(?:/|\.py)`", name)
        if found is None or not does:
            raise ValueError(f"not a room and what it does: {name} | {does}")
        rooms.append((int(layer), found[1]))
    return rooms


def layers_of_the_page(page: str) -> list[set[str]]:
    """The layers as the page has them, top to bottom."""
    layers: dict[int, set[str]] = {}
    for layer, room in rooms_of_the_page(page):
        layers.setdefault(layer, set()).add(room)
    return [layers[number] for number in sorted(layers)]


def not_found(page: str) -> list[str]:
    """Rows of "where is X" whose file does not exist, or is named after something else."""
    return [f"{word}: {path}" for word, path in where_rows(page) if not leads_to(word, path)]


def where_rows(page: str) -> list[tuple[str, str]]:
    """(what is looked for, file) of each row."""
    return [(word, path.strip("`")) for word, path in table(section(page, "Where is X"))]


def leads_to(word: str, path: str) -> bool:
    """True if the file exists and its name or the first line of its docstring has the word."""
    file = ROOT / path
    if not file.is_file():
        return False
    name = re.sub(r"[_-]", " ", file.stem)
    return word.lower() in name or word.lower() in first_line(file.suffix, file.read_text()).lower()


def first_line(suffix: str, source: str) -> str:
    """The first line a module says of itself: its docstring's, or that of its first JSDoc block."""
    if suffix == ".py":
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    found = re.search(r"/\*\*\s*\n?\s*\*?\s*([^\n]*)", source)
    return found[1] if found else ""


def glossary_terms(page: str) -> list[str]:
    """Every term of the glossary, lower case, in its order."""
    rows = table(section(page, "Glossary"))
    assert all(len(row) == 2 and row[1] for row in rows), "a row is a term and what it means"
    return [term.strip(" `").lower() for row in rows for term in row[0].split(",")]


def repeated(terms: list[str]) -> list[str]:
    """The terms that stand there more than once."""
    return [term for term, times in Counter(terms).items() if times > 1]


@cache
def sources() -> str:
    """The package's and the page's own source text."""
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "web" / "js").rglob("*.js")]
    return "\n".join(file.read_text() for file in files)


def unknown_names(page: str) -> list[str]:
    """Classes and functions of ours that the page names and no source defines.

    Of the first sections alone: those after the recipes name other people's classes too.
    """
    text = page.partition("## Choices and rejections")[0]
    classes = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]*)+)(?:\([^`]*\))?`", text))
    functions = set(re.findall(r"`(?:[A-Z]\w+\.)?([a-z_]+)\(\)`", text))
    defined = set(re.findall(r"^\s*(?:export )?(?:class|async def|def) (\w+)", sources(), re.MULTILINE))
    defined |= set(re.findall(r"^([A-Z]\w+)(?:: \w+)? = ", sources(), re.MULTILINE))
    return sorted((classes | functions) - defined)


def test_every_room_stands_in_the_page() -> None:
    """Once each, and none that is no room."""
    rooms = [room for _, room in rooms_of_the_page(PAGE)]
    assert repeated(rooms) == []
    assert set(rooms) == rooms_in_the_tree()


def test_the_layers_are_those_of_the_contract() -> None:
    """In the order import-linter holds, from the top."""
    assert layers_of_the_page(PAGE) == layers_of_the_contract()


def test_a_forgotten_room_is_noticed() -> None:
    """A page without a room, or with one in another layer, would fail the tests above."""
    rows = [line for line in PAGE.splitlines() if "| `liqstream/wire/` |" in line]
    assert len(rows) == 1
    without = PAGE.replace(rows[0] + "\n", "")
    assert {room for _, room in rooms_of_the_page(without)} == rooms_in_the_tree() - {"wire"}
    moved = PAGE.replace(rows[0], rows[0].replace("| ", "| 1", 1))
    assert layers_of_the_page(moved) != layers_of_the_contract()
    with pytest.raises(ValueError, match="not a room"):
        rooms_of_the_page(PAGE.replace("| `liqstream/wire/` |", "| `wire` |"))


def test_a_newcomer_finds_every_name() -> None:
    """Each row of "where is X" leads to a file whose name or first line has the word."""
    rows = where_rows(PAGE)
    assert len(rows) >= MIN_WHERE
    assert repeated([word for word, _ in rows]) == []
    assert not_found(PAGE) == []


@pytest.mark.parametrize(
    "path", ["liqstream/model/kernels.py", "liqstream/symbols.py", "web/js/chart/tiles.js"]
)
def test_a_wrong_file_is_noticed(path: str) -> None:
    """A file that is not there, and two that have nothing to do with a kernel."""
    assert "`liqstream/model/kernel.py` |\n" in section(PAGE, "Where is X")
    wrong = PAGE.replace("`liqstream/model/kernel.py` |\n", f"`{path}` |\n")
    assert not_found(wrong) == [f"kernel: {path}"]


def test_each_term_means_one_thing() -> None:
    """No term of the glossary stands in two rows."""
    assert repeated(glossary_terms(PAGE)) == []


def test_a_term_with_two_meanings_is_noticed() -> None:
    """Also where it shares its row with another."""
    page = PAGE.replace(
        "| term | meaning |\n|---|---|\n", "| term | meaning |\n|---|---|\n| Base, thing | x |\n"
    )
    assert page != PAGE
    assert repeated(glossary_terms(page)) == ["base"]


def test_the_names_in_the_text_exist() -> None:
    """Classes and functions in backticks are defined somewhere in the tree."""
    assert unknown_names(PAGE) == []


def test_a_name_that_is_gone_is_noticed() -> None:
    """A class and a function nobody defines."""
    page = f"`NoSuchThing` and `no_such_call()`, not `HeatmapSnapshot`.\n{PAGE}"
    assert unknown_names(page) == ["NoSuchThing", "no_such_call"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_numbered_steps(recipe: str) -> None:
    """Each of the six additions has its steps, and each step its file or command."""
    steps = re.findall(
        r"^\d\. (.*?)(?=^\d\. |\n\n|\Z)", section(PAGE, f"Add {recipe}"), re.MULTILINE | re.DOTALL
    )
    assert len(steps) >= 2
    assert [step for step in steps if "`" not in step] == []
