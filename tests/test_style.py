"""The style every module keeps: sizes, docstrings, comments, and the words of the glossary."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_MODULE_LINES = 350
MAX_COLUMNS = 110
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7
MANY_ATTRIBUTES = 6
"""A class with more private attributes than this says of each what it is."""
MIN_COMMENTS_PER_100_LINES = 3.0

BANNED = frozenset(
    (
        "said",
        "told",
        "heard",
        "news",
        "stint",
        "truths",
        "vouch",
        "vouched",
        "bell",
        "troubles",
        "house",
        "weather",
    )
)
RENAMED = "SnapshotId|ResumePoint|Order|Tape|Keeper|Door|Stint|Inbox"
# Where a word with one meaning has that meaning.
ALLOWED = {
    "tick": frozenset(
        {
            "cli/simulate.py",
            "cli/tail.py",
            "client/__init__.py",
            "client/heatmap_client.py",
            "client/messages.py",
            "client/snapshot.py",
            "client/subscription.py",
            "client/subscriptions.py",
            "client/symbol_stream.py",
            "fanout/client_group.py",
            "fanout/connection.py",
            "fanout/connection_manager.py",
            "fanout/hub.py",
            "fanout/interval_bucket.py",
            "fanout/ticks.py",
            "fleet/redis_pubsub.py",
            "fleet/shared_prices.py",
            "heatmap/price_track.py",
            "metrics.py",
            "server/app.py",
            "server/fleet_setup.py",
            "settings/table.py",
            "wire/history_codec.py",
            "wire/messages.py",
            "wire/tick_message.py",
            "ws/session.py",
        }
    ),
    "cluster": frozenset(
        {
            "alerts/cluster_watch.py",
            "alerts/config.py",
            "alerts/evaluator.py",
            "assistant/facts.py",
            "assistant/tools.py",
            "alerts/rule_table.py",
            "alerts/rules.py",
            "cli/tail.py",
            "cli/terminal_map.py",
            "heatmap/clusters.py",
            "heatmap/market_table.py",
        }
    ),
}
COMMENTED = ("fanout", "fleet", "model/book.py", "heatmap/snapshot_builder.py")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[str, str]:
    """Text of every module, by its path below liqstream/."""
    package = ROOT / "liqstream"
    return {path.relative_to(package).as_posix(): path.read_text() for path in sorted(package.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    """Every module, parsed."""
    return {name: ast.parse(text) for name, text in sources().items()}


def tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a module."""
    return tokenize.generate_tokens(io.StringIO(text).readline)


def words(text: str) -> set[str]:
    """The words of a name or of prose, in lower case; CamelCase and snake_case are taken apart."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return set(re.findall(r"[a-z]+", apart.lower()))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Functions and methods, however deep."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every name, comment and docstring; other strings are what users and wires see."""
    for token in tokens(text):
        if token.type in (tokenize.NAME, tokenize.COMMENT):
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(docstring))):
                yield node.lineno, docstring


def long_modules(name: str, text: str) -> list[str]:
    """The module, if it is too long."""
    lines = text.count("\n")
    return [f"{name}: {lines} lines"] if lines > MAX_MODULE_LINES else []


def large_functions(name: str, tree: ast.Module) -> list[str]:
    """Functions with too many lines or parameters; a command's options are its parameters."""
    found = []
    for function in functions(tree):
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            found.append(f"{name}:{function.lineno}: {function.name} has {lines} lines")
        args = function.args
        given = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        count = len(given) - (given[:1] in (["self"], ["cls"]))
        if count > MAX_PARAMETERS and not _is_command(function):
            found.append(f"{name}:{function.lineno}: {function.name} has {count} parameters")
    return found


def _is_command(function: Function) -> bool:
    return any("click" in ast.unparse(each) for each in function.decorator_list)


def undocumented(name: str, tree: ast.Module) -> list[str]:
    """The module, its public classes, functions and methods without a docstring."""
    whole = [] if ast.get_docstring(tree) or name.endswith("__init__.py") else [f"{name}: the module"]
    bare = [node for node in _public(tree.body) if not ast.get_docstring(node)]
    return whole + [f"{name}:{node.lineno}: {node.name}" for node in bare]


def _public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def uncommented_attributes(name: str, text: str) -> list[str]:
    """Private attributes without a comment beside or above, in classes that have many."""
    lines, found = text.splitlines(), []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef):
            continue
        made = [each for body in node.body if _is_init(body) for each in _private_attributes(body)]
        if len(made) <= MANY_ATTRIBUTES:
            continue
        for each in made:
            beside = lines[each.lineno - 1 : each.end_lineno]
            above = lines[each.lineno - 2].strip()
            if not (any("#" in line for line in beside) or above.startswith("#")):
                found.append(f"{name}:{each.lineno}: {node.name}: {beside[0].strip()}")
    return found


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _private_attributes(init: ast.stmt) -> list[ast.Assign | ast.AnnAssign]:
    made = []
    for node in ast.walk(init):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [each for target in targets for each in getattr(target, "elts", [target])]
            if any(isinstance(each, ast.Attribute) and each.attr.startswith("_") for each in flat):
                made.append(node)
    return made


def misused_words(name: str, text: str) -> list[str]:
    """Banned words, and words of the glossary where they have another meaning."""
    closed = {word for word, modules in ALLOWED.items() if name not in modules}
    banned = BANNED | closed | {f"{word}s" for word in closed}
    return [f"{name}:{line}: {word}" for line, part in prose(text) for word in sorted(words(part) & banned)]


def comments_per_100_lines(names: list[str]) -> float:
    """Of the modules together."""
    texts = [sources()[name] for name in names]
    comments = sum(token.type == tokenize.COMMENT for text in texts for token in tokens(text))
    return 100 * comments / sum(text.count("\n") for text in texts)


def test_modules_and_functions_are_small() -> None:
    """350 lines, 60 lines, 7 parameters."""
    assert sources()
    assert [fault for name, text in sources().items() for fault in long_modules(name, text)] == []
    assert [fault for name, tree in trees().items() for fault in large_functions(name, tree)] == []


def test_modules_of_the_page_are_small() -> None:
    """350 lines of up to 110 columns, as Python's."""
    modules = sorted((ROOT / "web" / "js").rglob("*.js"))
    assert modules
    for path in modules:
        text = path.read_text(encoding="utf-8")
        assert long_modules(path.name, text) == []
        assert [line for line in text.splitlines() if len(line) > MAX_COLUMNS] == [], path.name


def banned_in_comments(name: str, script: str) -> list[str]:
    """Banned words in the comments of a module of the page."""
    comments = re.sub(
        r"[^\n]*?(//[^\n]*|/\*.*?\*/)|[^\n]+", lambda found: found[1] or "", script, flags=re.DOTALL
    )
    return [f"{name}: {word}" for word in sorted(set(re.findall(r"[a-z]+", comments.lower())) & BANNED)]


def test_comments_of_the_page_use_no_banned_word() -> None:
    """As Python's; a word in the code, as of a sentence that is shown, is none of a comment."""
    modules = sorted((ROOT / "web" / "js").rglob("*.js"))
    assert [each for path in modules for each in banned_in_comments(path.name, path.read_text())] == []
    assert banned_in_comments("x", "let a = 1; // what it said\n") == ["x: said"]
    assert banned_in_comments("x", "/**\n * What is\n * told.\n */\n") == ["x: told"]
    assert banned_in_comments("x", 'show("news");\n') == []


def test_every_public_name_has_a_docstring() -> None:
    """Module, class, function, method."""
    assert [fault for name, tree in trees().items() for fault in undocumented(name, tree)] == []


def test_attributes_of_large_classes_are_explained() -> None:
    """Each by a comment beside or above it."""
    assert [fault for name, text in sources().items() for fault in uncommented_attributes(name, text)] == []


def test_words_mean_what_the_glossary_says() -> None:
    """In names, comments and docstrings."""
    assert [fault for name, text in sources().items() for fault in misused_words(name, text)] == []


def test_names_of_tests_use_no_banned_word() -> None:
    """A test's name says what is tested in the field's terms."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"def (test_\w+)\(", "".join(path.read_text() for path in files))
    assert len(names) > len(files)
    assert [name for name in names if words(name) & BANNED] == []


def test_names_that_were_replaced_are_gone() -> None:
    """No module speaks of them."""
    command = ["git", "grep", "-nwE", RENAMED, "--", "liqstream"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("part", COMMENTED)
def test_subtle_modules_are_commented(part: str) -> None:
    """At least three comments in a hundred lines."""
    names = [name for name in sources() if name == part or name.startswith(f"{part}/")]
    assert names, f"there is no liqstream/{part}"
    assert comments_per_100_lines(names) >= MIN_COMMENTS_PER_100_LINES


MANY = "\n".join(f"        self._a{number} = {number}" for number in range(7))


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (long_modules("a.py", "x\n" * 351), "a.py: 351 lines"),
        (large_functions("a.py", ast.parse("def f():\n" + "    x\n" * 60)), "f has 61 lines"),
        (
            large_functions("a.py", ast.parse("class A:\n def f(self, a, b, c, d, e, g, *, h, i): 0")),
            "8 para",
        ),
        (
            undocumented("a.py", ast.parse('"""A."""\nclass A:\n    """A."""\n    def f(self): 0')),
            "a.py:4: f",
        ),
        (uncommented_attributes("a.py", f"class A:\n    def __init__(self):\n{MANY}\n"), "self._a0 = 0"),
        (misused_words("a.py", "def has_heardAll(): 0\n"), "heard"),
        (misused_words("a.py", "# The news of it.\n"), "news"),
        (misused_words("a.py", 'def f():\n    """What was told."""\n'), "told"),
        (misused_words("a.py", "for tick in ticks: 0\n"), "ticks"),
    ],
)
def test_every_check_finds_its_fault(found: list[str], fault: str) -> None:
    """A check that finds nothing in a faulty module would hold nothing."""
    assert any(fault in each for each in found), found


def test_strings_users_see_are_no_prose_of_ours() -> None:
    """A key of the wire may be called what it is called."""
    assert misused_words("a.py", 'print("the news told")\n') == []
