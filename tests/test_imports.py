"""The direction of imports, read from the source: a module knows the layers below it and no others."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From below to above. A name stands for the module or package in lib/; a layer may import itself and those
# before it. A new file in lib/ gets its place here.
LAYERS = [
    ["errors", "registry", "files", "allocator"],
    ["anatomy", "joint_format", "conversion", "skeleton", "geometry"],
    ["angles", "angle_*", "hands", "body", "body_*", "smpl_*", "mesh_target"],
    [
        *["config", "config_*", "legacy"],
        *[
            "engine",
            "checkpoint",
            "checkpoint_formats",
            "shipped",
            "weight_file",
            "training_state",
            "training_loop",
            "run_folder",
            "tracking",
            "metrics",
            "draw",
        ],
    ],
    ["data", "model"],
    ["pose_result"],
    [
        "evaluate",
        "evaluation_set",
        "run_formats",
        "training_step",
        "mesh_evaluation",
        "mesh_report",
        "report",
        "ergo",
    ],
    ["comparison", "judging"],
    ["wild"],
]
STRANGERS = [("data", "model")]  # of one layer, but never import each other
SEE_THE_CONFIG = ("config", "config_*")  # everything else takes named arguments

SOURCES = sorted((ROOT / "lib").rglob("*.py"))
EVERY_SOURCE = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())


def module_name(path: Path) -> str:
    """lib.data.motion of lib/data/motion.py, lib.data of lib/data/__init__.py."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path) for path in SOURCES}


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of the imported modules; ``from lib import x`` counts as lib.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def part(module: str) -> str | None:
    """First name below lib: data of lib.data.motion; None outside lib and for lib itself."""
    names = module.split(".")
    return names[1] if names[0] == "lib" and len(names) > 1 else None


def layer(name: str) -> int:
    for number, patterns in enumerate(LAYERS):
        if any(fnmatch(name, pattern) for pattern in patterns):
            return number
    raise AssertionError(f"lib/{name} has no layer: give it one in {Path(__file__).name}")


@EVERY_SOURCE
def test_imports_point_downwards(path: Path):
    own = part(module_name(path))
    if own is None:
        return
    for module in imports(ast.parse(path.read_text())):
        other = part(module)
        if other is None:
            assert module.split(".")[0] not in {
                "tools",
                "tests",
                *(script.stem for script in ROOT.glob("*.py")),
            }
            continue
        assert layer(other) <= layer(own), f"{own} must not import lib.{other}"
        for pair in STRANGERS:
            assert {own, other} != set(pair), f"{own} must not import lib.{other}"
        if other in ("config", "legacy"):
            assert any(fnmatch(own, pattern) for pattern in SEE_THE_CONFIG), f"{own} must not see the config"


@EVERY_SOURCE
def test_no_star_imports_and_no_prints(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}: star import"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}: print in the library"


def test_joint_formats_need_no_torch():
    """Everything that the skeleton imports, directly or not."""
    paths = {module_name(path): path for path in SOURCES}
    seen, waiting = set(), ["lib.skeleton"]
    while waiting:
        module = waiting.pop()
        assert module.split(".")[0] != "torch"
        if module in paths and module not in seen:
            seen.add(module)
            waiting += imports(ast.parse(paths[module].read_text()))
    assert len(seen) > 1


def test_no_module_imports_itself_through_others():
    """Imports that run when a module is loaded: not those inside functions or for type checkers alone."""
    graph = {}
    for path in SOURCES:
        running = [node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.If)]
        top = ast.Module([node for node in running if isinstance(node, ast.Import | ast.ImportFrom)], [])
        graph[module_name(path)] = {module for module in imports(top) if module in MODULES}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("from lib.data import motion", ["lib.data.motion"]),
        ("from lib.data.motion import Motion", ["lib.data.motion"]),
        ("from lib import metrics, skeleton", ["lib.metrics", "lib.skeleton"]),
        ("import lib.model.loss as loss", ["lib.model.loss"]),
        ("def f():\n    from lib import engine", ["lib.engine"]),
    ],
)
def test_the_reading_of_imports(line: str, expected: list[str]):
    assert list(imports(ast.parse(line))) == expected
