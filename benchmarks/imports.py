"""Read from the source which file of a repository imports which. Nothing is run.

Imports inside functions count too; those under `TYPE_CHECKING` don't.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

__all__ = ["arrows", "imports", "sources"]


def sources(root: Path, *folders: str) -> list[str]:
    """List the Python files in these folders, as paths from the root."""
    found = (path for folder in folders for path in (root / folder).rglob("*.py"))
    return sorted(path.relative_to(root).as_posix() for path in found)


@cache
def imports(root: Path, file: str) -> list[tuple[int, str]]:
    """List line and absolute name of each import that runs; of `from a import b`, `a.b`."""
    package = list(Path(file).parent.parts)
    if package[:1] == ["backends"]:
        package.insert(0, "gradcore")
    nodes = list(ast.walk(ast.parse((root / file).read_text("utf-8"))))
    for_types = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If)
        and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in nodes:
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute("." * node.level + (node.module or ""), package)
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                function = ast.unparse(node.func).rpartition(".")[2]
                if function in ("import_module", "__import__"):
                    found.append((node.lineno, _absolute(name.value, package)))
    return sorted(found)


def _absolute(name: str, package: list[str]) -> str:
    """Give the whole name of a module: in the package a.b, `..c` is a.c."""
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    start = package[: len(package) - level + 1] if level else []
    return ".".join([*start, *([rest] if rest else [])])


@cache
def _target(root: Path, name: str) -> str | None:
    """Find the file that `import name` reads, where it is one of gradcore or of the benchmarks."""
    parts = name.split(".")
    if parts[:2] == ["gradcore", "backends"]:
        parts = parts[1:]
    elif parts[0] not in ("gradcore", "benchmarks"):
        return None
    where = root / parts[0]
    for part in parts[1:]:
        if (where / f"{part}.py").is_file():
            return (where / f"{part}.py").relative_to(root).as_posix()
        if not (where / part).is_dir():
            break
        where /= part
    return (where / "__init__.py").relative_to(root).as_posix()


def arrows(root: Path, *folders: str) -> dict[str, dict[str, int]]:
    """Give for each file the files that it imports, and the first line that does."""
    found: dict[str, dict[str, int]] = {}
    for file in sources(root, *folders):
        found[file] = {}
        for line, name in imports(root, file):
            there = _target(root, name)
            if there not in (None, file):
                found[file].setdefault(there, line)
    return found
