"""All code in README.md, CONTRIBUTING.md and docs/ runs, and prints and draws what the page shows.

The blocks of a page run one after the other, in one namespace; `print(x)  # 1` must print 1. Those
that begin with `# name.py` are files: of a package, if one is pyproject.toml, which pip installs in
the end, and whose tests run; else of programs, which run each in a process of its own. What stands
after `<!-- not run: REASON -->` does not run, but its flags are checked.
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from drawn import texts
from runs import call

import gradcore

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- not run: (.+?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    place: str
    why_not: str | None
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(BLOCK.findall(text)), page
    return [
        Block(f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, m.start()) + 1}", *m.groups())
        for m in BLOCK.finditer(text)
    ]


ALL = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # where a page sets it, that ends here
    names: dict[str, Any] = {"__name__": "__main__"}
    package: dict[str, str] = {}
    for block in blocks(page):
        if block.why_not:
            continue
        if named := re.match(r"# (\w+\.\w+)\n", block.code):
            package[named[1]] = block.code
            continue
        assert block.language == "python", f"{block.place}: nothing runs this; say why not"
        code = block.code.replace('.svg"', '.dot"')
        try:
            with gradcore.use_backend("numpy"):
                if ">>> " in code:
                    session(code, names, block.place)
                else:
                    exec(compile(code, block.place, "exec"), names)
        except ModuleNotFoundError as error:
            pytest.skip(f"{block.place}: {error}")
        promised = " ".join(re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE))
        assert words(capsys.readouterr().out) == words(promised), block.place
    for drawn in tmp_path.glob("*.dot"):
        same_picture(drawn, page.with_name(f"{drawn.stem}.svg"))
    if "pyproject.toml" in package:
        install_and_test(page, package, tmp_path)
    else:
        for name, code in package.items():
            run_program(name, code, tmp_path)


def words(text: str) -> list[str]:
    """Give the printed words, however the numbers of an array are spaced."""
    return re.sub(r"(?<=\[)\s+|\s+(?=\])", "", text).split()


def session(code: str, names: dict[str, Any], place: str) -> None:
    test = doctest.DocTestParser().get_doctest(code, names, place, None, None)
    complaints: list[str] = []
    doctest.DocTestRunner().run(test, out=complaints.append, clear_globs=False)
    names.update(test.globs)
    assert not complaints, "".join(complaints)


def same_picture(drawn: Path, picture: Path) -> None:
    """The texts in the picture are those that are drawn."""
    shown = re.findall(r"<text.*?>(.*?)</text>", picture.read_text("utf-8"))
    dot = drawn.read_text("utf-8")
    assert sorted(text.strip() for text in shown) == sorted(texts(dot)), picture


def run_program(name: str, code: str, folder: Path) -> None:
    """The program prints what its calls of `print` promise, in their order."""
    (folder / name).write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GRADCORE_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert words(done.stdout) == words(" ".join(promised)), name


def install_and_test(page: Path, package: dict[str, str], folder: Path) -> None:
    """The package is installed from the page's files alone; `doctor` says of its backend what the
    page shows, and the package's tests pass."""
    for need in ("pip", "setuptools"):  # an environment without them has another installer
        if find_spec(need) is None:
            pytest.skip(f"no {need} here")
    files, site = folder / "package", folder / "site"
    files.mkdir()
    for name, text in package.items():
        (files / name).write_text(text)

    def run(*arguments: str, **variables: str) -> str:
        paths = os.pathsep.join([str(site), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=files,
            env={**os.environ, "PYTHONPATH": paths, **variables},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # As `pip install .`, but into a folder, and without a network.
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    run("pip", "install", "-q", *alone, "--target", str(site), ".", PIP_NO_CACHE_DIR="1")
    (backend,) = tomllib.loads(package["pyproject.toml"])["project"]["entry-points"][
        "gradcore.backends"
    ]
    shown = "".join(block.code for block in blocks(page) if block.language == "text")
    lines = re.findall(rf"^  {backend} .*$", shown, re.MULTILINE)
    told = run("gradcore", "doctor", GRADCORE_BACKEND=backend)
    assert len(lines) == 2
    assert all(line in told for line in lines), told
    tests = [name for name in package if name.startswith("test_")]
    assert "2 passed" in run("pytest", "-W", "error", *tests)


def test_few_blocks_are_not_run() -> None:
    """Commands that take long, or that need a network; and of Python what needs GPUs or JAX."""
    for block in ALL:
        if block.why_not and block.language == "python":
            assert "GPU" in block.why_not or "JAX" in block.why_not, block.place


COMMANDS = [
    pytest.param(name, shlex.split(flags, comments=True), id=f"{block.place}: {name}")
    for block in ALL
    for name, flags in re.findall(r"python examples/(\w+)\.py(.*)", block.code)
]


@pytest.mark.parametrize(("name", "flags"), COMMANDS)
def test_commands_have_flags_that_exist(
    name: str, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("_torch"):
        pytest.importorskip("torch")
    example = importlib.import_module(name)
    monkeypatch.setattr(example, "run", lambda *_, **__: 0)
    assert call(example, *flags) == 0


# -- More of the README --------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/how-to/gpu.md"])
def test_first_example_runs_where_numpys_arrays_are_refused(page: str) -> None:
    """As on a GPU, which a newcomer with CuPy computes on without a word said."""
    pytest.importorskip("array_api_strict")
    here = [block for block in ALL if block.place.startswith(f"{page}:")]
    with gradcore.use_backend("strict"):
        exec(next(block.code for block in here if block.language == "python"), {})


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_paths_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for path in re.findall(r"`((?:gradcore|backends|examples|tests|docs)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\((?!http)([^)#]*)[^)]*\)", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", text):
        assert (ROOT / path).exists(), path
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    site, source = urls["Documentation"], urls["Source"].removeprefix("https://")
    for name in re.findall(rf"{site}([\w/-]*)\.html", text):
        assert list(DOCS.glob(f"{name}.*")), name
    for path in re.findall(
        rf"{source}(?:/blob)?/main/([\w./-]+)", text.replace("raw.githubusercontent", "github")
    ):
        assert (ROOT / path).exists(), path
