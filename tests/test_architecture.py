"""The tree against docs/architecture.md and the house rules."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("tfrecords", "scn_tf", "export")
# Which room may import which, from docs/architecture.md.
ARROWS = {
    "tfrecords": {"tfrecords"},
    "scn_tf": {"scn_tf", "tfrecords"},
    "export": {"export", "scn_tf", "tfrecords"},
}
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
# Plain dataclasses and protocols: their users' tests are their tests.
WITHOUT_TEST = {
    "backbone",
    "consumer",
    "errors",
    "image_record",
    "proposals",
    "source",
}


def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of our own modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = ROOT / node.module.replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").exists()
                suffix = f".{alias.name}" if is_module else ""
                names.add(node.module + suffix)
    return {name for name in names if name.split(".")[0] in ROOMS}


def dotted(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_follow_the_arrows(path):
    room = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        target = name.split(".")[0]
        if target == "export" and dotted(path) == "scn_tf.stages":
            continue
        assert target in ARROWS[room], f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("name", ["saved_model", "hub_layer", "replicas"])
def test_consumers_that_are_not_ours_know_nothing_of_us(name):
    path = ROOT / "export" / "consumers" / f"{name}.py"
    names = {dotted.rsplit(".", 1)[0] for dotted in imports(path)}
    assert names == {"export.consumers"}


def test_imports_have_no_cycle():
    graph = {dotted(path): imports(path) for path in MODULES}
    done, pending = set(), []

    def visit(name: str) -> None:
        assert name not in pending, f"cycle: {pending} -> {name}"
        if name in done:
            return
        pending.append(name)
        for target in graph.get(name, ()):
            visit(target)
        done.add(pending.pop())

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_is_short_and_has_few_public_names(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    public = [
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    ]
    assert len(public) <= 7, public


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 60, f"{node.name}: {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_signatures_are_annotated(path):
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for scope in (tree, *classes):
        for node in scope.body:
            public = isinstance(node, ast.FunctionDef)
            if public and not node.name.startswith("_"):
                assert node.returns is not None, node.name


def listed(room: str) -> list[str]:
    """Modules, and packages with a slash, of a room's lists on the page.

    A line of them is "    NAMES  what they are"; those inside of a package
    have two more spaces, and what goes on from the line above has many.
    """
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.split(f"\n### {room}\n")[1].split("\n##")[0]
    package, names = "", []
    for indent, text in re.findall("^( {4}| {6})([^ ].*)", section, re.M):
        inside = package if len(indent) == 6 else ""
        column = re.split(" {2,}", text)[0]
        if column.endswith("/"):
            package = column
        names += [inside + name for name in column.split(", ")]
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_the_page_names_every_module_and_nothing_else(room):
    there = {
        f"{path.parent.relative_to(ROOT / room)}/"
        if path.stem == "__init__"
        else str(path.relative_to(ROOT / room).with_suffix(""))
        for path in MODULES
        if path.is_relative_to(ROOT / room)
    }
    names = listed(room)
    assert not there - {"./", *names}, "not named in docs/architecture.md"
    assert not set(names) - there, "named there, and gone"
    assert len(set(names)) == len(names)


def test_main_is_short():
    lines = (ROOT / "scn_tf" / "main.py").read_text().splitlines()
    assert len(lines) <= 120


def test_every_module_has_a_test_file():
    tests = {path.stem for path in (ROOT / "tests").glob("test_*.py")}
    missing = [
        dotted(path)
        for path in MODULES
        if path.stem not in WITHOUT_TEST | {"__init__"}
        and f"test_{path.stem}" not in tests
    ]
    assert not missing


def test_one_training_step_can_be_read_in_six_files():
    step = ("step", "pair_model", "head", "losses", "inputs", "batches")
    lines = [
        len((ROOT / "scn_tf" / f"{name}.py").read_text().splitlines())
        for name in step
    ]
    assert sum(lines) <= 900
