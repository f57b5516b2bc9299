"""Sizes of files and functions, and words that must not be committed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_TUNED_KERNEL = 100  # with the factory around it: to divide it would cost it registers
# Paths of one particular machine, and requests that would leave the learner's.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~])/(?:work|home/\w+|root|Users/\w+)/"),
    "a temporary folder": re.compile(r"(?<![\w.])/tmp/"),
    "a package mirror": re.compile(r"registry = \"(?!https://pypi\.org/simple\")|file://"),
    "a network, not a net": re.compile(r"\bneural nets?\b", re.IGNORECASE),
    "unfinished work": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
    "a notebook's output": re.compile(r'"output_type"\s*:'),
}
THIS = Path(__file__).name


def tracked(root: Path, *patterns: str) -> list[Path]:
    """Files that git knows, so that nothing of the user's own is looked at."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := root / name).is_file()]


@pytest.fixture(scope="module")
def sources(request) -> dict[str, str]:
    """Path -> text of every Python file of the package, the tests and the benchmarks."""
    root = request.getfixturevalue("root")
    folders = ("labkit", "tests", "benchmarks", ".ci")
    return {str(p.relative_to(root)): p.read_text("utf-8") for p in tracked(root, *folders) if p.suffix == ".py"}


def long_functions(text: str, most: int = MOST_LINES_OF_A_FUNCTION) -> list[tuple[str, int]]:
    """(name, lines) of every function in `text` that is longer than `most` lines, its docstring included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    sizes = [(f.name, f.end_lineno - f.lineno + 1) for f in functions]
    return [(name, size) for name, size in sizes if size > most]


def class_depths(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Class -> how many of our own classes stand above it."""
    bases = {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def depth(name: str) -> int:
        return max((1 + depth(base) for base in bases[name] if base in bases and base != name), default=0)

    return {name: depth(name) for name in bases}


def test_no_file_is_too_long(sources):
    sizes = {name: text.count("\n") + 1 for name, text in sources.items()}
    assert not {name: size for name, size in sizes.items() if size > MOST_LINES_OF_A_FILE}


def test_no_function_is_too_long(sources):
    most = {name: MOST_LINES_OF_A_TUNED_KERNEL for name in sources if name.startswith("labkit/kernels/tuned/")}
    found = {name: long_functions(text, most.get(name, MOST_LINES_OF_A_FUNCTION)) for name, text in sources.items()}
    assert not {name: long for name, long in found.items() if long}


def test_no_class_hierarchy_is_deeper_than_one_level(sources):
    trees = {name: ast.parse(text) for name, text in sources.items() if name.startswith("labkit")}
    assert not {name: depth for name, depth in class_depths(trees).items() if depth > 1}


def test_long_functions_are_found():
    assert long_functions("def f():\n    x = 1\n    return x\n", most=2) == [("f", 3)]


def test_deep_classes_are_found():
    tree = ast.parse("class A: pass\nclass B(A): pass\nclass C(B): pass")
    assert class_depths({"file": tree}) == {"A": 0, "B": 1, "C": 2}


def test_nothing_committed_names_one_machine(root):
    bad = []
    for path in tracked(root):
        if path.name == THIS or path.suffix in (".png", ".gz", ".bin", ".ttf"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for what, pattern in FORBIDDEN.items():
            bad += [f"{path.relative_to(root)}: {what}: {match[0]}" for match in pattern.finditer(text)]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("text", ["see /work/main", "/tmp/x", "# TODO later", "two Neural Nets", "file:///opt/wheels"])
def test_forbidden_words_are_found(text):
    assert any(pattern.search(text) for pattern in FORBIDDEN.values())


def test_ruff_is_content(root):
    for command in (["check"], ["format", "--check"]):
        ran = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=root, capture_output=True, timeout=60)
        assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()


def test_each_dependency_has_its_reason(root):
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]
    lines = [line for line in block.splitlines() if line.strip()]
    assert lines and all(re.search(r'",\s+# \w', line) for line in lines)


def test_conda_takes_python_and_pip_only(root):
    text = (root / "environment.yml").read_text(encoding="utf-8")
    names = re.findall(r"^ +- ([^#\n]+?)\s*(?:#.*)?$", text, re.MULTILINE)
    assert names == ["conda-forge", "nodefaults", "python>=3.11,<3.15", "pip", "pip:", "-e .[dev]"]


def test_top_level_is_the_houses(root):
    allowed = {"notebooks", "labkit", "datasets", "tests", "benchmarks", ".ci", "README.md", "environment.yml"}
    allowed |= {"pyproject.toml", "uv.lock", "Makefile", ".gitignore", ".gitattributes", "LICENSE"}
    assert {path.relative_to(root).parts[0] for path in tracked(root)} <= allowed
