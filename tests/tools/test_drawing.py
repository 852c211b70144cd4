"""Drawings of graphs."""
# ruff: noqa: RUF001, RUF003 (the sign in "Block × 12")

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import edges, frames, labels, shapes

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
    assert found.count(("a", "Multiply")) == 2  # one edge for each use
    assert ("b", "Multiply") in found
    assert ("3", "Multiply") in found
    assert found.count(("Multiply", "")) == found.count(("", "Add")) == 2
    assert ("Add", "y") in found
    assert len(found) == 9


def test_shapes_are_on_the_edges() -> None:
    """Shapes stand on the edges from leaves to ops, and from an op to its result."""
    y = x("x", (2, 3)) @ x("w", (3, 4))
    dot = draw(Sum.do_forward(y * y)).dot
    product = ("MatrixMultiply", "(2, 4)")
    leaves = [("MatrixMultiply", "(2, 3)"), ("MatrixMultiply", "(3, 4)")]
    assert sorted(shapes(dot)) == sorted([product, *leaves, ("Multiply", "(2, 4)")])
    assert not any("(" in label for label in labels(dot).values())


def test_op_with_several_outputs_and_several_roots() -> None:
    first, second = ops.Unstack.do_forward(x(shape=(2, 3)), axis=0)
    dot = draw([first * 2, second]).dot
    assert edges(dot).count(("Unstack", "")) == shapes(dot).count(("Unstack", "(3,)")) == 2
    assert dot.count("#f9cfc0") == 2


def test_unusual_dtype_is_shown() -> None:
    y = Sum.do_forward(x() * x()) + np.ones((), "int64")
    assert ("Add", "int64") in shapes(draw(y).dot)
    assert "float32" not in draw(y).dot


def test_node_without_graph() -> None:
    assert list(labels(draw(x("alone")).dot).values()) == [r"alone\n(2,)"]


def test_names_are_escaped() -> None:
    dot = draw(x('a"b\\c\nd<e>&lt;é\0') * 2).dot
    assert r'label="a\"b\\c\nd<e>&amp;lt;é�"' in dot


def test_modules_are_frames() -> None:
    model = MLP()
    loss = logceloss(model(np.ones((7, 6), "float32")), np.zeros(7, int))
    loss.name = "loss"
    dot = draw(loss).dot
    assert frames(dot) == ["MLP", "layer1: Linear(6, 5)", "layer2: Linear(5, 4)"]
    assert {("BatchMM", "(5, 6)"), ("BatchMM", "(1, 5)"), ("BatchMM", "(4, 5)")} <= {*shapes(dot)}
    assert "loss" in labels(dot).values()
    inside = dot[dot.index('"layer1') : dot.index('"layer2')].partition("}")[0]
    assert sorted(labels(inside).values()) == ["BatchMM", "b", "w"]


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
    assert "Sin × 8 in parallel" in draw(y, max_ops=3).dot


@pytest.mark.parametrize("shared", [True, False])
def test_what_repetitions_share_is_outside_of_their_frame(shared: bool) -> None:
    w, y = x("w"), x("x")
    for _ in range(50):
        y = ops.Sin.do_forward(y) * (w if shared else x("w"))
    dot = draw(y).dot
    assert frames(dot) == ["× 50"]
    inside = labels(dot[dot.index("subgraph") :].partition("}")[0]).values()
    assert {"Sin", "Multiply"} < {*inside}
    assert ("w" in inside) is not shared


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
    squares = [line for line in after.splitlines() if "shape=box" in line]
    assert squares == [line for line in before.splitlines() if "shape=box" in line]
    assert {"x", "w", ""} <= set(labels(after).values())
    assert {("BatchMM", "(7, 6)"), ("BatchMM", "(5, 6)")} <= {*shapes(after)}


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
    with pytest.raises(TypeError, match="draw: expected nodes"):
        draw(nodes)


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.dot, \.gv, \.svg and \.png"):
        draw(x(), tmp_path / "graph.pdf")
    with pytest.raises(ValueError, match="direction = 'up'"):
        draw(x(), direction="up")


def test_dot_file_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    drawing = draw(x("é"), tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text("utf-8") == str(drawing)
    with pytest.raises(RuntimeError, match=r"install.*\.dot"):
        draw(x(), tmp_path / "graph.svg")
    assert drawing._repr_mimebundle_() == {"text/plain": drawing.dot}


@needs_dot
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_graphviz_takes_it(tmp_path: Path, direction: str) -> None:
    y = nn.Sequential(*[Block() for _ in range(9)])(x('a"\\<&lt;\n\0é', (1, 3)))
    for limit in (3, 10, None):
        drawing = draw(y, tmp_path / "graph.png", max_ops=limit, direction=direction)
        assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in drawing._repr_mimebundle_()["image/svg+xml"]
