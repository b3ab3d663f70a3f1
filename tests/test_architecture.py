"""The form of the package: what may import what, and how long things may be."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("architecture")  # one process parses all files

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "incremental"

#: A folder imports from those before it, and from itself.
FOLDERS = [
    "exceptions",
    "_compat",
    "_data",
    "_planning",
    "_engines",
    "_learning",
    "_summaries",
    "_pipelines",
    "_scoring",
    "_estimator",
]
#: Within the engines: `open` knows both, each knows the base.
ENGINES = [["budget"], ["base", "execute"], ["local", "cluster"], ["scan"], ["open"]]

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in FILES
}


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(file: Path) -> set[str]:
    """Return the modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            module = node.module or ""
            inside = {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inside or {module}
    return found & MODULES.keys()


@cache
def imports() -> dict[str, set[str]]:
    """Return the modules of the package that each of them imports."""
    return {name: imported(file) for name, file in MODULES.items()}


def test_the_imports_are_seen():
    assert sum(map(len, imports().values())) > 50


def test_no_module_imports_itself_by_way_of_others():
    # `incremental` itself only exports: whoever imports a part of it imports it, too.
    below = {name: {i for i in found if i != "incremental"} for name, found in imports().items()}
    list(TopologicalSorter(below).static_order())  # raises CycleError


def folder_of(module: str) -> str:
    return module.removeprefix("incremental.").partition(".")[0]


def test_a_folder_imports_only_those_before_it():
    wrong = [
        f"{name} imports {other}"
        for name, found in imports().items()
        for other in found
        if folder_of(name) in FOLDERS and folder_of(other) in FOLDERS
        if FOLDERS.index(folder_of(other)) > FOLDERS.index(folder_of(name))
    ]
    assert wrong == []


def test_every_private_folder_has_its_place():
    private = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name.startswith("_")}
    assert private - {"__pycache__"} == {f for f in FOLDERS if (PACKAGE / f).is_dir()}


def test_only_open_knows_which_engines_there_are():
    level = {part: i for i, parts in enumerate(ENGINES) for part in parts}
    wrong = []
    for name, found in imports().items():
        for other in found:
            if not other.startswith("incremental._engines."):
                continue
            target = other.split(".")[2]
            if name.startswith("incremental._engines."):
                own = name.split(".")[2]
                if own != target and level[target] >= level[own]:
                    wrong.append(f"{name} imports {other}")
            elif target not in ("base", "open"):
                wrong.append(f"{name} imports {other}")
    assert wrong == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_has_at_most_300_lines_and_a_function_40_without_its_docstring(file):
    assert file.read_text(encoding="utf-8").count("\n") <= 300
    for node in ast.walk(tree_of(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = node.body[0]
            n = node.end_lineno - node.lineno + 1
            if documented:
                n -= docstring.end_lineno - docstring.lineno + 1
            assert n <= 40, f"{node.name} has {n} lines"


def test_no_file_of_tests_has_more_than_500_lines():
    long = [f.name for f in (ROOT / "tests").rglob("*.py") if f.read_text().count("\n") > 500]
    assert long == []


#: Underscored names that are the public protocol of somebody: NumPy's, scikit-learn's, Python's.
OF_OTHERS = re.compile(
    r"\b(?:dask|distributed|sklearn|pandas|numpy|concurrent|joblib)\b[\w.]*\._\w"
)


def private_imports(file: Path) -> list[str]:
    found = []
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [n for n in names if not n.startswith("incremental") and "._" in n]
    return found


def private_attributes(file: Path) -> list[str]:
    """Return underscored attributes that no class of the package defines."""
    tree = tree_of(file)
    return [
        f"{ast.unparse(node)} in line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own_names()
    ]


@cache
def own_names() -> set[str]:
    """Return the underscored names that the package defines itself."""
    found = set()
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return {name for name in found if name.startswith("_")}


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.name != "_compat.py"],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_private_names_of_others_are_in_compat_only(file):
    assert private_imports(file) == []
    assert private_attributes(file) == []
    # By its text, too: getattr(x, "_private").
    quoted = re.findall(
        r"""(?:getattr|hasattr|setattr)\([^()]*,\s*f?["'](_[a-z]\w*)["']""", file.read_text()
    )
    assert [name for name in quoted if name not in own_names()] == []


def test_compat_gives_a_reason_for_each_private_name():
    text = (PACKAGE / "_compat.py").read_text()
    assert private_imports(PACKAGE / "_compat.py")
    for node in tree_of(PACKAGE / "_compat.py").body:
        if isinstance(node, ast.FunctionDef):
            assert ast.get_docstring(node), f"{node.name} needs a reason"
        if not isinstance(node, ast.ImportFrom) or node.module.startswith("incremental"):
            continue
        if "._" in f"{node.module}.{node.names[0].name}":
            before = text.splitlines()[node.lineno - 2]
            assert before.startswith("#"), f"line {node.lineno} of _compat.py needs a reason"
