"""The page of a graph and its backward pass: what it is given, and the page in a browser."""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Op, Sum, TensorNode, nn, show
from gradcore.backends import Backend
from gradcore.tools.pictures import picture

Data = dict[str, Any]


def shown(loss: TensorNode, tmp_path: Path) -> Data:
    """Show a loss; give what the page reads."""
    text = show(loss, tmp_path / "page.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def value(data: Data, name: str) -> Data:
    return next(value for value in data["values"] if value["name"] == name)


def numbers(picture: Data, *shape: int) -> np.ndarray:
    return np.array(picture["numbers"], float).reshape(shape)


def leaf(name: str, *numbers: Any) -> TensorNode:
    return TensorNode(np.array(numbers, "float64"), name=name)


def small() -> tuple[TensorNode, TensorNode, TensorNode]:
    """Give the loss sum(2 sigmoid(x @ w)), x and w."""
    x, w = leaf("x", [1.0, -2.0], [3.0, 0.5]), leaf("w", [0.5, -0.25], [0.1, 0.3])
    h = gradcore.sigmoid(x @ w)
    h.name = "h"
    return Sum.do_forward(h * 2.0), x, w


class MLP(nn.Module):
    def __init__(self) -> None:
        self.layer1 = nn.Linear(16, 8)
        self.layer2 = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.layer2(gradcore.relu(self.layer1(x)))


def chain(n: int) -> TensorNode:
    """Give a chain of n ops and a sum, with one parameter."""
    h, w = leaf("x", *[[0.5, -0.5]] * 2), leaf("w", [1.0, 0.5], [-0.5, 1.0])
    for _ in range(n // 2):
        h = gradcore.tanh(h @ w)
    return Sum.do_forward(h)


# -- What the page is given -----------------------------------------------------------------------


def test_values_and_gradients_are_those_of_a_backward_pass(tmp_path: Path) -> None:
    loss, x, w = small()
    h = loss.source.inputs[0].source.inputs[0]
    data = shown(loss, tmp_path)
    loss.backward(retain_graph=True)
    for node in (x, w, h):
        seen = value(data, node.name)
        assert np.allclose(numbers(seen["value"], 2, 2), node.value, rtol=1e-4)
        assert np.allclose(numbers(seen["gradient"], 2, 2), node.grad, rtol=1e-4)
    assert [op["op"] for op in data["ops"]] == ["MatrixMultiply", "Sigmoid", "Multiply", "Sum"]
    assert data["backward"] == [3, 2, 1, 0]
    assert data["ops"][2]["inputs"][1] == "2.0"
    assert ["a", "float64 (2, 2), the input a itself"] in data["ops"][0]["saved"]
    assert data["kinds"][0]["formulas"] == [
        "y = a @ b",
        "ga = go @ bᵀ,  gb = aᵀ @ go",
    ]


def test_what_an_op_saves_is_described(tmp_path: Path) -> None:
    x, rnn = np.ones((2, 3, 4), "f"), nn.GRU(4, 5)
    (saved,) = [op["saved"] for op in shown(Sum.do_forward(rnn(x)[0]), tmp_path)["ops"][:-1]][-1:]
    assert dict(saved)["inputs"].startswith("float32 (2, 3, 4), float32 (3, 5), ")


def test_grads_and_the_graph_stay_as_they_were(tmp_path: Path) -> None:
    loss, x, w = small()
    x.grad = np.full((2, 2), 7.0)
    show(loss, tmp_path / "page.html")
    assert not w.has_grad
    assert (x.grad == 7.0).all()
    loss.backward()
    assert w.has_grad


def test_a_graph_can_be_shown_after_a_pass_that_retains_it(tmp_path: Path) -> None:
    loss, x, _ = small()
    loss.backward(retain_graph=True)
    seen = value(shown(loss, tmp_path), "x")
    assert np.allclose(numbers(seen["gradient"], 2, 2), x.grad, rtol=1e-4)


def test_a_gradient_is_the_sum_over_all_uses(tmp_path: Path) -> None:
    x = leaf("x", 1.0, 2.0)
    data = shown(Sum.do_forward(x * x + 3.0 * x), tmp_path)
    assert value(data, "x")["gradient"]["numbers"] == [5.0, 7.0]


def test_what_needs_no_gradient_has_none(tmp_path: Path) -> None:
    x, c = leaf("x", 1.0, 2.0), TensorNode(np.ones(2), name="c", requires_grad=False)
    data = shown(Sum.do_forward(x * c), tmp_path)
    assert value(data, "c")["kind"] == "data"
    assert "gradient" not in value(data, "c")


def test_hooks_are_gone_through_as_in_any_pass(tmp_path: Path) -> None:
    x = leaf("x", 1.0, 2.0)
    x.register_hook(lambda g: 10.0 * g)
    assert value(shown(Sum.do_forward(2.0 * x), tmp_path), "x")["gradient"]["numbers"] == [20.0] * 2


def test_several_outputs_and_complex_numbers(tmp_path: Path) -> None:
    x, z = leaf("x", [2.0, 1.0], [1.0, 3.0]), TensorNode(np.array([3.0 + 4.0j]), name="z")
    q, r = gradcore.linalg.qr(x)
    data = shown(Sum.do_forward(q) + Sum.do_forward(r) + Sum.do_forward(abs(z)), tmp_path)
    assert len(data["ops"][0]["outputs"]) == 2
    assert value(data, "z")["value"]["numbers"] == [5.0]
    assert value(data, "z")["value"]["of"] == "absolute values"


def test_a_file_that_no_browser_opens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"loss.txt' must end in .html"):
        show(small()[0], tmp_path / "loss.txt")
    assert not list(tmp_path.iterdir())


def test_values_come_to_the_host_from_every_backend(backend: Backend, tmp_path: Path) -> None:
    model = MLP()
    x = backend.asarray(np.ones((4, 16), "float32"))
    targets = backend.asarray(np.array([0, 1, 2, 0]))
    data = shown(gradcore.cross_entropy(model(x), targets), tmp_path)
    assert data["backend"] == backend.name
    assert value(data, "layer2.b")["gradient"]["numbers"]
    assert data["memory"][-1] > 0


def test_an_op_of_the_users_has_its_own_text_though_it_is_named_as_another(tmp_path: Path) -> None:
    class Square(Op):
        """The root, in truth."""

        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context["y"] = x**0.5
            return context["y"]

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return 0.5 * go / context["y"]

    x = leaf("x", 1.0, 4.0)
    data = shown(Sum.do_forward(gradcore.ops.Square.do_forward(Square.do_forward(x))), tmp_path)
    kinds = [data["kinds"][op["kind"]] for op in data["ops"][:2]]
    assert [kind["doc"] for kind in kinds] == ["The root, in truth.", "x²."]
    assert [kind["formulas"] is None for kind in kinds] == [True, False]


def test_other_passes_through_the_graph_are_not_taken_for_this_one(tmp_path: Path) -> None:
    x = leaf("x", 1.0, 2.0)
    h, calls = x * 2.0, []

    def hook(_: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            show(loss, tmp_path / "other.html")

    h.register_hook(hook)
    loss = Sum.do_forward(h * h)
    data = shown(loss, tmp_path)
    assert data["backward"] == [2, 1, 0]
    assert value(data, "x")["gradient"]["numbers"] == [8.0, 16.0]


# -- Modules and repetitions ----------------------------------------------------------------------


def test_modules_are_groups_with_their_names(tmp_path: Path) -> None:
    model = MLP()
    data = shown(gradcore.cross_entropy(model(np.ones((4, 16), "f")), [0, 1, 2, 0]), tmp_path)
    assert [g["name"] for g in data["groups"]] == [
        "MLP",
        "layer1: Linear(16, 8)",
        "layer2: Linear(8, 3)",
    ]
    assert data["groups"][0]["parts"] == [-2, 1, -3]


def test_a_graph_of_5000_ops_is_divided_into_few_parts(tmp_path: Path) -> None:
    data = shown(chain(5000), tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 6e6
    assert len(data["ops"]) == 5001
    assert all(len(parts) <= 48 for parts in [data["tree"], *[g["parts"] for g in data["groups"]]])
    assert "20 × (MatrixMultiply, Tanh)" in [g["name"] for g in data["groups"]]  # noqa: RUF001
    inside = [
        part for parts in [data["tree"], *[g["parts"] for g in data["groups"]]] for part in parts
    ]
    assert sorted(part for part in inside if part >= 0) == list(range(5001))


# -- What goes wrong ------------------------------------------------------------------------------


def test_nan_and_infinity_are_marked_where_they_begin(tmp_path: Path) -> None:
    x = leaf("x", 1.0, 0.0, -1.0)
    with np.errstate(all="ignore"):
        data = shown(Sum.do_forward(gradcore.exp(gradcore.log(x * 1.0)) + 1.0), tmp_path)
    found = {f["kind"]: f["step"] for f in data["findings"]}
    assert found["NaN in values"] == found["infinity in values"] == 1
    assert value(data, "x")["value"].get("nan") is None
    assert data["values"][data["ops"][1]["outputs"][0]]["value"]["nan"] == 1


def test_nan_that_only_backward_makes_is_marked_there(tmp_path: Path) -> None:
    class Bad(Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x + 0.0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return go * np.nan

    x = leaf("x", 1.0, 2.0)
    data = shown(Sum.do_forward(Bad.do_forward(x * 2.0) * 3.0), tmp_path)  # Bad is op 1 of 0 to 3
    assert [(f["kind"], f["step"]) for f in data["findings"]] == [("NaN in gradients", 4 + 2)]


def test_nan_in_a_number_is_marked_where_an_op_takes_it(tmp_path: Path) -> None:
    (found,) = shown(Sum.do_forward(leaf("x", 1.0) + math.nan), tmp_path)["findings"]
    assert found["text"] == "NaN was there before the first op: in the number nan, which Add takes"


def test_a_vanishing_gradient_is_marked_where_it_begins(tmp_path: Path) -> None:
    h = leaf("x", 0.5)
    for _ in range(20):
        h = gradcore.sigmoid(h)
    data = shown(Sum.do_forward(h), tmp_path)
    (found,) = data["findings"]
    at = data["backward"][found["step"] - 21]
    sizes = dict(zip(data["backward"], data["largest"], strict=True))
    assert found["kind"] == "vanishing gradient"
    assert sizes[at] > 1e-7 >= sizes[at - 1]


def test_a_parameter_alone_without_gradient_is_no_finding(tmp_path: Path) -> None:
    """As a bias before BatchNorm; but a gradient that does not go on to earlier ops is one."""
    x, w = leaf("x", 0.0), leaf("w", 1.0)
    assert shown(Sum.do_forward(x * w), tmp_path)["findings"] == []
    w.value = np.zeros(1)
    (found,) = shown(Sum.do_forward((x + 1.0) * w), tmp_path)["findings"]
    assert found["text"].startswith(
        "A gradient vanishes in Multiply: the largest element given is 0"
    )


def test_gradients_without_elements_do_not_vanish(tmp_path: Path) -> None:
    x = TensorNode(np.ones((0, 3)), name="x")
    assert shown(Sum.do_forward(x * 2.0) + leaf("y", 1.0).sum(), tmp_path)["findings"] == []


def test_gradients_that_cancel_do_not_vanish(tmp_path: Path) -> None:
    h = leaf("x", 1.0, 2.0) * 3.0
    data = shown(Sum.do_forward(h * 2.0 - h * 2.0), tmp_path)
    assert data["largest"][-1] == 0.0
    assert data["findings"] == []


def test_masks_of_minus_infinity_are_no_finding(tmp_path: Path) -> None:
    mask = np.array([0.0, -np.inf])
    x = TensorNode(np.array([[1.0, 2.0]]), name="x")
    data = shown(Sum.do_forward(gradcore.softmax(x + mask) * np.array([1.0, 2.0])), tmp_path)
    assert [f for f in data["findings"] if "infinity" in f["kind"]] == []


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: np.ones(2), TypeError, "expected a node, such as a loss, not ndarray"),
        (
            lambda: leaf("x", 1.0, 2.0) * 2.0,
            ValueError,
            "float64 (2,), and show starts from a real",
        ),
        (lambda: leaf("x", 1.0), ValueError, "no op computed this node"),
    ],
)
def test_errors_say_what_to_do(make: Any, error: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=re.escape(text)) as raised:
        show(make(), tmp_path / "page.html")
    assert "\n" not in str(raised.value)


def test_a_released_graph_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    loss, *_ = small()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"released this graph; call show\(loss\) before loss.b"):
        show(loss, tmp_path / "page.html")


# -- Memory ---------------------------------------------------------------------------------------


def test_memory_grows_in_forward_and_ends_with_leaves_and_their_gradients(tmp_path: Path) -> None:
    x = TensorNode(np.ones(1000), name="x")
    h = gradcore.sin(gradcore.exp(gradcore.tanh(x)))
    data = shown(Sum.do_forward(h), tmp_path)
    kilo = [round(b / 8000) for b in data["memory"]]
    assert kilo[:4] == [2, 3, 4, 4]  # x and one more in each step
    assert max(kilo) == 5
    assert kilo[-1] == 4  # x, its gradient, that of tanh's output, and the output that it saved


def test_showing_leaves_nothing_behind(tmp_path: Path) -> None:
    gc.collect()
    loss, *_ = small()
    show(loss, tmp_path / "page.html")
    gc.disable()
    try:
        ref = list(loss.source.refs)
        del loss
        assert ref[0]() is None
    finally:
        gc.enable()


# -- Pictures -------------------------------------------------------------------------------------


def test_large_arrays_are_sampled_and_statistics_are_of_all_elements() -> None:
    x = np.arange(1000.0 * 500).reshape(1000, 500)
    x[1, 1] = np.nan  # which the sample leaves out
    seen = picture(x, cells=1000)
    rows, columns = seen["rows"], seen["columns"]
    assert 800 < rows * columns < 1100
    assert seen["nan"] == 1
    assert seen["greatest"] == pytest.approx(499999.0, rel=1e-4)
    codes = np.frombuffer(base64.b64decode(seen["codes"]), "uint8").reshape(rows, columns)
    step, across = seen["steps"]
    there = seen["low"] + codes / 252 * (seen["high"] - seen["low"])
    assert np.abs(there - x[::step, ::across]).max() <= 500_000 / 126


def test_images_of_the_data_are_pictures_and_so_are_weights_over_pixels(tmp_path: Path) -> None:
    x = TensorNode(np.random.default_rng(0).random((5, 784)), name="x", requires_grad=False)
    w = TensorNode(np.ones((3, 784)), name="w")
    data = shown(Sum.do_forward(x @ w.T), tmp_path)
    seen = value(data, "x")["value"]
    assert (seen["tiles"], seen["rows"], seen["columns"], seen["colours"]) == (5, 28, 28, 1)
    assert value(data, "w")["value"]["image"]
    coloured = picture(np.random.default_rng(0).random((2, 3, 32, 32)), 8192, data=True)
    assert (coloured["tiles"], coloured["rows"], coloured["colours"]) == (2, 32, 3)


def test_nan_and_infinity_have_codes_of_their_own() -> None:
    x = np.zeros((10, 10))
    x[0, :3] = np.nan, np.inf, -np.inf
    assert base64.b64decode(picture(x)["codes"])[:4] == bytes([255, 254, 253, 126])


def test_sums_of_the_largest_numbers_do_not_overflow() -> None:
    seen = picture(1.7e308 * np.array([[1.0] * 50, [1.0] * 49 + [-1.0]]))
    assert seen["mean"] == pytest.approx(1.7e308 * 0.98)
    assert base64.b64decode(seen["codes"])[-2:] == bytes([252, 0])


def test_a_notebook_shows_a_small_view() -> None:
    loss, x, _ = small()
    loss.backward()
    x.name = "<x>"
    html = x._repr_html_()
    assert "<script" not in html
    assert "&lt;x&gt;" in html
    assert html.count("<td") == 8  # value and gradient
    assert "source Sum" in loss._repr_html_()
    large = TensorNode(np.ones((30, 40)))._repr_html_()
    assert "data:image/png;base64," in large
    assert 'alt="value: heat map of 30 by 40 elements' in large
    assert "no elements" in TensorNode(np.ones((0, 2)))._repr_html_()


# -- The file -------------------------------------------------------------------------------------


def test_without_a_path_a_temporary_file_is_opened_in_the_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    path = show(small()[0])
    assert path.suffix == ".html"
    assert opened == [path.as_uri()]


def test_in_a_notebook_the_page_stands_below_the_cell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    displayed: list[str] = []
    show_bundle = lambda bundle, **_: displayed.append(bundle["text/html"])  # noqa: E731
    fake: Any = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=1), display=SimpleNamespace(display=show_bundle)
    )
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = show(small()[0])
    (html,) = displayed
    assert html.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert unescape(html.split('"')[1]) == path.read_text("utf-8")


def test_names_cannot_end_the_program(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script> \ud800 \u2028"
    data = shown(Sum.do_forward(leaf(name, 1.0, 2.0) * 2.0), tmp_path)
    assert value(data, name)["kind"] == "parameter"


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    text = show(small()[0], tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"@import|url\((?!#)|fetch\(|import\(", text)
    assert len(text) < 80_000


def test_without_a_screen_the_path_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    path = show(small()[0])
    assert capsys.readouterr().out == f"show: wrote {path}; open this file in a browser\n"


# -- In a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    found = os.environ.get("GRADCORE_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not found:
        pytest.skip("no Chromium was found; GRADCORE_CHROMIUM may name its program")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Give a function that shows a loss in a page, offline. At the end there must be no errors in
    the console."""
    contexts, said = [], []

    def open_page(loss: TensorNode, width: int = 1280, **options: Any) -> Any:
        path = show(loss, tmp_path / "page.html")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            offline=True,
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def trained() -> tuple[TensorNode, nn.Module]:
    model = MLP()
    rng = np.random.default_rng(0)
    x = TensorNode(rng.normal(size=(4, 16)).astype("f"), name="x", requires_grad=False)
    return gradcore.cross_entropy(model(x), [0, 1, 2, 0]), model


def test_keys_step_forward_and_backward(opened: Any) -> None:
    page = opened(small()[0])
    said = page.locator("#step")
    assert said.inner_text() == "Step 1 of 8, forward: MatrixMultiply, output (2, 2)"
    page.keyboard.press("ArrowRight")
    assert said.inner_text().startswith("Step 2 of 8, forward: Sigmoid")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert said.inner_text().startswith("Step 1 of 8")
    page.keyboard.press("End")
    assert said.inner_text() == "Step 8 of 8, backward: MatrixMultiply, gradient (2, 2)"
    assert "ga = go @ bᵀ" in page.locator(".formula .now").inner_text()
    assert page.locator(".gradient td").count() == 12
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('step').textContent.startsWith('Step 3')")
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_the_slider_and_the_boxes_go_to_steps(opened: Any) -> None:
    page = opened(small()[0])
    page.locator("#slider").fill("6")
    assert page.locator("#step").inner_text().startswith("Step 7 of 8, backward: Sigmoid")
    page.locator("#slider").press("ArrowRight")
    assert page.locator("#step").inner_text().startswith("Step 8 of 8")
    box = page.locator(".box.op", has_text="Sigmoid")
    assert box.inner_text().split() == "Sigmoid 1 / (1 + e⁻ˣ) (2, 2)".split()  # noqa: SIM905
    box.click()
    assert page.locator("#step").inner_text().startswith("Step 7 of 8, backward: Sigmoid")
    page.locator(".box.parameter", has_text="w").click()
    assert page.locator("#title").inner_text().startswith("w")
    assert page.locator("#panel .gradient td").count() == 4


def test_modules_unfold_with_enter_and_by_a_click(opened: Any) -> None:
    loss, _model = trained()
    page = opened(loss)
    box = page.get_by_role("button", name="layer1: Linear(16, 8)")
    assert box.get_attribute("aria-expanded") == "false"
    assert page.locator(".box", has_text="BatchMM").count() == 0
    box.focus()
    page.keyboard.press("Enter")
    assert page.locator(".box", has_text="BatchMM").count() == 1
    assert page.locator(".box.parameter").count() == 2
    assert page.evaluate("document.activeElement.className") == "head"
    page.keyboard.press("ArrowDown")
    assert "parameter" in page.evaluate("document.activeElement.className")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.locator(".box", has_text="BatchMM").count() == 0
    page.locator("#unfold").click()
    assert page.locator(".box", has_text="BatchMM").count() == 2
    page.locator("#fold").click()
    assert page.locator(".box.module").count() == 1


def test_all_is_reached_by_tab_and_focus_is_seen(opened: Any) -> None:
    loss, _model = trained()
    page = opened(loss)
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        at = "document.activeElement"
        reached.add(page.evaluate(f"{at}.id || {at}.className || {at}.tagName"))
        if page.evaluate(f"{at} !== document.body"):
            assert page.evaluate(f"getComputedStyle({at}).outlineStyle") != "none"
    assert {"next", "play", "last", "slider", "unfold", "fold", "follow", "SUMMARY"} <= reached
    assert any(name.startswith("box") for name in reached)


def test_what_goes_wrong_is_announced_and_one_press_away(opened: Any) -> None:
    with np.errstate(all="ignore"):
        page = opened(Sum.do_forward(gradcore.log(leaf("x", -1.0, 2.0)) * 2.0))
        page.get_by_role("button", name="NaN begins in Log").click()
    assert page.locator("#step").inner_text().endswith("NaN begins in Log, whose output is (2,).")
    assert page.locator(".box .badge").inner_text() == "! NaN"
    assert page.locator("#panel .alarm").count() == 1


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1280, "dark")])
def test_the_page_has_no_serious_fault_of_accessibility(
    opened: Any, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    loss, _model = trained()
    page = opened(loss, width, color_scheme=scheme)
    page.locator("#unfold").click()
    page.keyboard.press("End")
    found = axe.run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_5000_ops_open_in_two_seconds_and_step(opened: Any) -> None:
    page, times = opened(chain(5000)), []
    for _ in range(3):  # the machine may be busy
        page.reload()
        times.append(page.evaluate("performance.getEntriesByName('ready')[0].startTime"))
    assert min(times) < 2000
    page.keyboard.press("End")
    assert page.locator("#step").inner_text().startswith("Step 10002 of 10002, backward: Matrix")
    page.locator("#follow").check()
    assert page.locator(".box.now b").inner_text() == "MatrixMultiply"


def test_the_page_fits_when_the_window_becomes_narrow(opened: Any) -> None:
    loss, _model = trained()
    page = opened(loss)
    beside = "document.getElementById('panel').getBoundingClientRect().left"
    assert page.evaluate(beside) > 500
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate(beside) < 50
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
