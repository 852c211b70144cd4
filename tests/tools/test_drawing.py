"""Drawings of graphs."""
# ruff: noqa: RUF001, RUF003 (the sign in "Block × 12")

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import edges, frames, labels, legend, styles

from gradcore import Linear, Module, Sum, TensorNode, draw, logceloss, logsoftmax, nn, ops, sigmoid

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")


def x(name: str | None = None, shape: tuple[int, ...] = (2,), **options: Any) -> TensorNode:
    return TensorNode(np.ones(shape, "float32"), name=name, **options)


class MLP(Module):
    def __init__(self) -> None:
        self.layer1 = Linear(6, 5)
        self.layer2 = Linear(5, 4)

    def forward(self, x: Any) -> Any:
        return logsoftmax(self.layer2(sigmoid(self.layer1(x))))


class Block(Module):
    def __init__(self, size: int = 3) -> None:
        self.linear = Linear(size, size)
        self.relu = nn.Relu()

    def forward(self, x: Any) -> Any:
        return x + self.relu(self.linear(x))


def test_ops_and_values() -> None:
    a, b = x("a"), x("b")
    y = a * a + b * 3
    y.name = "y"
    found = edges(draw(y).dot)
    assert found.count((r"a\n(2,)", "Multiply")) == 2  # one edge for each use
    assert (r"b\n(2,)", "Multiply") in found
    assert ("3", "Multiply") in found
    assert found.count(("Multiply", "(2,)")) == found.count(("(2,)", "Add")) == 2
    assert ("Add", r"y\n(2,)") in found
    assert len(found) == 9


def test_each_kind_of_value_has_a_colour_a_border_and_a_word_in_the_legend() -> None:
    model = MLP()
    model.layer2.b.requires_grad = False
    dot = draw(model(x("in", (7, 6))) * np.ones((1, 4), "float32")).dot
    found = styles(dot)
    kinds = [r"w\n(5, 6)", r"b\n(1, 4)", r"in\n(7, 6)", "[[1.0, 1.0, 1.0, 1.0]]", "(7, 5)"]
    assert [("peripheries=2" in found[kind], "dashed" in found[kind]) for kind in kinds] == [
        (True, False), (True, True), (False, False), (False, True), (False, False)
    ]  # fmt: skip
    without_colours = {re.sub('fillcolor="[^"]*"', "", found[kind]) for kind in kinds}
    assert len(without_colours) == len(kinds), "shapes and borders alone tell the kinds apart"
    expected = ["parameter", "frozen parameter", "input", "constant", "op", "computed value"]
    assert legend(dot) == [*expected, "drawn node"]


@pytest.mark.parametrize(
    ("constant", "shown"),
    [
        (0.3535533905932737, "0.3536"),
        (2.0, "2.0"),
        (-1e-12, "-1e-12"),
        (np.float32(0.1) * np.ones((), "float32"), "0.1"),
        (np.array([[1.5, 2.25]], "float32"), "[[1.5, 2.25]]"),
        (np.array([1, 2]), "[1, 2] int64"),
        (np.zeros((3, 2), "float32"), "(3, 2)"),
        (np.zeros((0, 2), "float32"), "[]"),
        (TensorNode(np.float32([4.0, 5.0]), requires_grad=False), "[4.0, 5.0]"),
        (TensorNode(np.float32([4.0, 5.0]), name="c", requires_grad=False), r"c\n(2,)"),
    ],
)
def test_a_constant_shows_its_value_or_its_shape(constant: Any, shown: str) -> None:
    dot = draw(x("x", (1, 2)) * constant).dot
    assert shown in labels(dot).values()
    assert "dashed" in styles(dot)[shown]


def test_shapes_are_in_the_labels_of_values() -> None:
    """On edges, shapes would cross the frames of modules."""
    dot = draw(MLP()(x("x", (7, 6)))).dot
    assert "label" not in "".join(line for line in dot.splitlines() if "->" in line)
    assert {r"x\n(7, 6)", "(5, 6)", "(7, 5)", "(7, 4)"} <= {*labels(dot).values()}


def test_op_with_several_outputs_and_several_roots() -> None:
    first, second = ops.Unstack.do_forward(x(shape=(2, 3)), axis=0)
    dot = draw([first * 2, second]).dot
    assert edges(dot).count(("Unstack", "(3,)")) == 2
    assert dot.count("penwidth") == 2


def test_unusual_dtype_is_shown() -> None:
    y = Sum.do_forward(x() * x()) + np.ones((), "int64")
    assert "1 int64" in labels(draw(y).dot).values()
    assert "float32" not in draw(y).dot


def test_node_without_graph() -> None:
    assert list(labels(draw(x("alone")).dot).values()) == [r"alone\n(2,)"]


def test_names_are_escaped() -> None:
    dot = draw(x('a"b\\c\nd<e>&lt;é\0') * 2).dot
    assert r'label="a\"b\\c\nd<e>&amp;lt;é�\n(2,)"' in dot


def test_modules_are_frames() -> None:
    model = MLP()
    loss = logceloss(model(np.ones((7, 6), "float32")), np.zeros(7, int))
    loss.name = "loss"
    dot = draw(loss).dot
    assert frames(dot) == ["MLP", "layer1: Linear(6, 5)", "layer2: Linear(5, 4)"]
    assert r"loss\n()" in labels(dot).values()
    inside = dot[dot.index('"layer1') : dot.index('"layer2')].partition("}")[0]
    assert sorted(labels(inside).values()) == ["BatchMM", r"b\n(1, 5)", r"w\n(5, 6)"]


def test_module_that_was_let_go_has_its_class_as_name() -> None:
    y = MLP()(x(shape=(7, 6)))
    assert frames(draw(y).dot) == ["MLP", "Linear", "Linear"]


def test_only_what_a_module_computed_is_in_it() -> None:
    before = x(shape=(1, 3)) * 2
    dot = draw(Block()(before) + 1).dot
    inside = dot[dot.index('"Block') :]
    assert "Multiply" not in labels(inside).values()
    assert list(labels(dot).values()).count("Add") == 2
    assert list(labels(inside).values()).count("Add") == 1


def test_a_module_that_returns_its_input_is_not_around_it() -> None:
    class Same(Module):
        def __init__(self, w: Any) -> None:
            self.w = w

        def forward(self, x: Any) -> Any:
            return x

    w = x("w")
    assert frames(draw(Same(w)(w * 2) + 1).dot) == []


def test_blocks_are_folded() -> None:
    blocks = nn.Sequential(*[Block() for _ in range(12)])
    y = blocks(x("x", (1, 3))) * 2
    dot = draw(y, max_ops=3).dot
    assert {r"Block × 12\n12 parameters each", "Multiply"} <= set(labels(dot).values())
    opened = draw(y, max_ops=10).dot
    assert frames(opened) == ["Sequential", "Block × 12", "linear: Linear(3, 3)"]
    boxed = draw(y, max_ops=1).dot
    assert labels(boxed)["n0"] == r"Sequential\n144 parameters"
    assert "×" not in draw(y, max_ops=None).dot


def test_other_blocks_are_not_folded_with_them() -> None:
    model = nn.Sequential(Block(), Block(), Linear(3, 4), Block(4), Block(4), Block(4))
    dot = draw(model(x(None, (1, 3))), max_ops=4).dot
    boxes = {label.partition("\\n")[0] for label in labels(dot).values()}
    assert {"Block × 2", "Block × 3"} < boxes
    assert not any("Block × 5" in box for box in boxes)


@pytest.mark.parametrize(("n", "pattern"), [(998, 1), (300, 2), (100, 5)])
def test_patterns_are_folded(n: int, pattern: int) -> None:
    y = x("x")
    for _ in range(n):
        for op in (ops.Sin, ops.Cos, ops.Negative, ops.Sin, ops.Tanh)[:pattern]:
            y = op.do_forward(y)
    dot = draw(y).dot
    assert len(edges(dot)) == 2 * pattern
    assert f"× {n}" in dot


def test_beside_one_another_is_not_after_one_another() -> None:
    a = x("a")
    y = ops.Concat.do_forward(*[ops.Sin.do_forward(a) for _ in range(8)])
    found = edges(draw(y, max_ops=3).dot)
    assert found.count(("(2,)", "Concat")) == 1, "one edge for the eight values that look alike"
    assert (r"a\n(2,)", "Sin × 8 in parallel") in found


@pytest.mark.parametrize("shared", [True, False])
def test_what_repetitions_share_is_outside_of_their_frame(shared: bool) -> None:
    w, y = x("w"), x("x")
    for _ in range(50):
        y = ops.Sin.do_forward(y) * (w if shared else x("w"))
    dot = draw(y).dot
    assert frames(dot) == ["× 50"]
    inside = labels(dot[dot.index("subgraph") :].partition("}")[0]).values()
    assert {"Sin", "Multiply"} < {*inside}
    assert (r"w\n(2,)" in inside) is not shared


def test_what_has_no_pattern_is_cut() -> None:
    y = x("x")
    for i in range(300):
        y = (ops.Sin, ops.Cos, ops.Tanh)[(i * i * i // 7) % 3].do_forward(y)
    assert len(labels(draw(y, max_ops=20).dot)) <= 2 * 21 + 1
    assert " more" in draw(y, max_ops=20).dot


def test_the_same_ops_put_together_otherwise_are_no_pattern() -> None:
    made = [x("x")]
    for i in range(12):
        made.append(made[-1] + made[i * i // 12])
    assert "Add × 12" not in draw(made[-1], max_ops=3).dot
    assert draw(made[-1], max_ops=10).dot.count('"Add ×') <= 3


def test_20_000_ops() -> None:
    y = x("x")
    for _ in range(20_000):  # Python would recurse 1,000 times
        y = ops.Negative.do_forward(y)
    assert "Negative × 20,000" in draw(y).dot


def test_released_graph() -> None:
    model = MLP()
    loss = logceloss(model(x("x", (7, 6))), np.zeros(7, int))
    before = draw(loss).dot
    loss.backward()
    after = draw(loss).dot
    assert frames(after) == frames(before)
    squares = [line for line in after.splitlines() if "shape=box, style=filled" in line]
    assert squares == [line for line in before.splitlines() if "shape=box, style=filled" in line]
    assert {r"x\n(7, 6)", r"w\n(5, 6)", ""} <= set(labels(after).values())


def test_module_that_holds_its_output_is_freed() -> None:
    """The records of module calls, which drawings use, close no reference cycle."""
    import gc
    import weakref

    model = MLP()
    model.last = model(x(None, (7, 6)))
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("nodes", [np.ones(2), 3, None, [x(), 1], []])
def test_not_a_node(nodes: Any) -> None:
    with pytest.raises(TypeError, match=r"draw: nodes: expected .* call draw\(loss"):
        draw(nodes)


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.pdf, \.png, \.dot or \.gv; call it graph\.svg"):
        draw(x(), tmp_path / "graph.jpeg")
    with pytest.raises(ValueError, match=r"gradcore\.show\(loss, path\) writes \.html"):
        draw(x(), "loss.html")
    with pytest.raises(ValueError, match="direction = 'up'"):
        draw(x(), direction="up")
    assert list(tmp_path.iterdir()) == []


def test_without_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .dot file needs nothing; else the hint says how to install it, in a notebook too."""
    monkeypatch.setenv("PATH", "")
    drawing = draw(x("é"), tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text("utf-8") == str(drawing)
    hint = r"apt install.*dnf install.*brew install.*winget install.*gradcore\.show\(loss, .*\.html"
    with pytest.raises(RuntimeError, match=f"draw: .pdf needs Graphviz.*{hint}"):
        draw(x(), tmp_path / "graph.pdf")
    assert re.search(hint, drawing._repr_mimebundle_()["text/plain"])


@needs_dot
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_graphviz_takes_it(tmp_path: Path, direction: str) -> None:
    y = nn.Sequential(*[Block() for _ in range(9)])(x('a"\\<&lt;\n\0é', (1, 3)))
    for limit in (3, 10, None):
        for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
            path = tmp_path / f"graph.{kind}"
            drawing = draw(y, path, max_ops=limit, direction=direction)
            assert path.read_bytes().startswith(start)
        assert "</svg>" in drawing._repr_mimebundle_()["image/svg+xml"]


@needs_dot
def test_no_text_crosses_a_frame() -> None:
    """Each text is inside of each frame, or outside."""
    svg = draw(nn.Sequential(MLP(), nn.LayerNorm(4))(x("data", (7, 6))))._picture("svg").decode()
    boxes = re.findall(r'class="cluster">.*?d="M(.*?)"', svg, re.DOTALL)
    assert len(boxes) >= 4
    for text, middle, at in _texts(svg):
        half = 3.3 * len(text)
        for box in boxes:
            points = [tuple(map(float, p.split(","))) for p in re.split("[C ]", box)]
            left, right = min(px for px, _ in points), max(px for px, _ in points)
            top, bottom = min(py for _, py in points), max(py for _, py in points)
            across = not (top < at < bottom) or middle + half < left or middle - half > right
            assert across or left < middle - half < middle + half < right, text


def _texts(svg: str) -> list[tuple[str, float, float]]:
    """The texts of ops and values: each with the place of its middle."""
    found = re.findall(r'<text text-anchor="middle" x="(.*?)" y="(.*?)".*?>(.*?)</text>', svg)
    return [(text, float(px), float(py)) for px, py, text in found]


def test_a_drawing_at_the_prompt_says_how_to_see_it() -> None:
    drawing = draw(TensorNode([1.0], name="x") * 2.0)
    assert repr(drawing).endswith(".save('graph.svg') writes a picture>")
    assert str(drawing) == drawing.dot
