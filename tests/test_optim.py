"""Optimizers and schedules: against torch.optim, and what surrounds them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

from gradcore import Sum, TensorNode, namespace, optim
from gradcore.backends import Backend, backend_of, default, get, use_backend
from gradcore.backends.numpy import blocks

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("optim.json").read_text())
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
ALL = [optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad, optim.RMSprop]
ADAM: dict[str, Any] = {"corrections": (0.271, 0.0297), "betas": (0.9, 0.99), "eps": 1e-8}
KERNELS: list[tuple[str, list[str | None], dict[str, Any]]] = [  # with what is remembered
    ("sgd", [None], {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}),
    ("sgd", [None], {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1, "nesterov": True}),
    ("sgd", [None], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": True}),
    ("sgd", ["any"], {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.1, "nesterov": False}),
    *[
        ("adam", ["any", "positive"], {**ADAM, **options})
        for options in (
            {"weight_decay": 0.0, "decoupled": False},
            {"weight_decay": 0.1, "decoupled": False},
            {"weight_decay": 0.1, "decoupled": True},
        )
    ],
    ("adagrad", ["positive"], {"eps": 1e-8, "weight_decay": 0.0}),
    ("adagrad", ["positive"], {"eps": 1e-8, "weight_decay": 0.1}),
    *[
        ("rmsprop", memory, {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": momentum})
        for memory, momentum in (
            (["positive", None, None], 0.0),
            (["positive", None, "small"], 0.0),
            (["positive", None, None], 0.9),
            (["positive", "any", "small"], 0.9),
        )
    ],
]


def node(*values: float) -> TensorNode:
    """A parameter on the default backend, whose gradient is all ones."""
    p = TensorNode(default().asarray(list(values)))
    p.grad = namespace(p.value).ones_like(p.value)
    return p


def close(backend: Any, value: Any, expected: Any, tolerance: float) -> bool:
    expected = np.asarray(expected)
    limit = tolerance * (abs(expected) + abs(expected).max(initial=0))
    return bool(np.all(abs(backend.to_numpy(value) - expected) <= limit))


def run(optimizer: Any, backend: Any, dtype: str, gradients: list[Any]) -> None:
    for of_step in gradients:
        for p, gradient in zip(optimizer.parameters, of_step, strict=True):
            p.grad = backend.asarray(np.asarray(gradient), dtype)
        optimizer.step()


def parameters(backend: Any, dtype: str, values: list[Any]) -> list[TensorNode]:
    return [TensorNode(backend.asarray(np.asarray(value), dtype)) for value in values]


# -- The same numbers as torch ------------------------------------------------------------------


@pytest.mark.parametrize("row", range(0, len(GOLDEN["optimizers"]), 2))
def test_torchs_numbers(backend, dtype, row):
    name, settings, its_dtype, after = GOLDEN["optimizers"][row + (dtype == "float64")]
    assert its_dtype == dtype
    nodes = parameters(backend, dtype, GOLDEN["parameters"])
    optimizer = getattr(optim, name)(nodes, **settings)
    done = 0
    for steps, expected in after.items():
        run(optimizer, backend, dtype, GOLDEN["gradients"][done : int(steps)])
        done = int(steps)
        for p, value in zip(nodes, expected, strict=True):
            assert type(p.value) in backend.array_types
            assert p.value.dtype == backend.dtype(dtype)
            assert p.shape == np.shape(value)
            assert close(backend, p.value, value, TOLERANCE[dtype])


def test_golden_numbers_are_torchs():
    pytest.importorskip("torch")
    from golden import make

    assert len(GOLDEN["optimizers"]) == 2 * len(make.OPTIMIZERS)
    for (name, settings), mine in zip(make.OPTIMIZERS, GOLDEN["optimizers"][1::2], strict=True):
        history = make.trained(name, settings, "float64", GOLDEN["parameters"], GOLDEN["gradients"])
        assert mine[:3] == [name, settings, "float64"]
        for steps, values in mine[3].items():
            for value, expected in zip(values, history[int(steps) - 1], strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    for row, (*mine, history) in zip(make.SCHEDULES, GOLDEN["schedules"], strict=True):
        assert mine == list(row)
        np.testing.assert_allclose(history, make.scheduled(*row, make.STEPS), rtol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_against_torch(precision):
    pytest.importorskip("torch")
    from golden import make

    backend = get("numpy")
    values, gradients = make.numbers(1, 60, [(7, 5), (2, 3, 4), (1,)])
    for name, settings in make.OPTIMIZERS:
        nodes = parameters(backend, precision, values)
        run(getattr(optim, name)(nodes, **settings), backend, precision, gradients)
        expected = make.trained(name, settings, precision, values, gradients)[-1]
        for p, value in zip(nodes, expected, strict=True):
            assert close(backend, p.value, value, 2 * TOLERANCE[precision]), (name, settings)


@pytest.mark.parametrize("optimizer", ALL)
def test_defaults_are_torchs(optimizer):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.optim, optimizer.__name__)([torch.zeros(1, requires_grad=True)])
    for name, x in optimizer([node(1.0)]).settings.items():
        assert x == theirs.defaults[name], name


def test_centered_rmsprop_of_a_constant_gradient_stays_finite():
    # Where rounding makes the average square less than the square of the average.
    p = TensorNode(np.zeros(400, "float32"))
    optimizer = optim.RMSprop([p], alpha=0.5, centered=True, eps=1e-3)
    run(optimizer, get("numpy"), "float32", [[np.linspace(0.1, 3, 400)]] * 60)
    assert np.isfinite(p.value).all()


# -- Kernels: each override against the base definition -----------------------------------------


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0, kind: str | None = "any") -> Any:
    if kind is None:
        return None
    x = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    return {"any": x, "positive": x * x + 1, "small": x / 100}[kind]


@pytest.mark.parametrize(("kernel", "memory", "settings"), KERNELS)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (40, 11), (3, 4, 5), (1, 300)])
def test_kernels_are_the_base_definition(
    backend, dtype, kernel, memory, settings, shape, monkeypatch
):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    given = [drawn(shape, dtype, i, k) for i, k in enumerate(["any", "any", *memory])]
    base = [None if x is None else backend.asarray(x.copy()) for x in given]
    expected = getattr(Backend, kernel)(backend, *base, lr=0.1, **settings)
    ours = [None if x is None else backend.asarray(x.copy()) for x in given]
    results = getattr(backend, kernel)(*ours, lr=0.1, **settings)
    assert len(results) == len(expected) == len(memory) + 1
    for x, e in zip(results, expected, strict=True):
        assert (x is None) == (e is None)
        if x is not None:
            assert x.dtype == backend.dtype(dtype)
            assert close(backend, x, backend.to_numpy(e), 2e-7 if dtype == "float32" else 1e-15)
            assert x is not ours[1]
    assert np.array_equal(backend.to_numpy(ours[1]), given[1])  # the gradient
    assert not settings.get("momentum") or not any(
        np.shares_memory(backend.to_numpy(x), backend.to_numpy(ours[1]))
        for x in results
        if x is not None
    )


@pytest.mark.parametrize(("kernel", "memory", "settings"), KERNELS)
def test_numpy_kernels_of_any_layout(kernel, memory, settings, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    backend = get("numpy")
    given = [drawn((20, 30), "float64", i, k) for i, k in enumerate(["any", "any", *memory])]
    expected = getattr(Backend, kernel)(backend, *given, lr=0.1, **settings)
    for layout in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], read_only):
        arrays = [None if x is None else layout(x.copy()) for x in given]
        before = [None if x is None else x.copy() for x in arrays]
        results = getattr(backend, kernel)(*arrays, lr=0.1, **settings)
        for x, e in zip(results, expected, strict=True):
            assert x is None or np.allclose(x, e, rtol=1e-14, atol=1e-14)
        if layout is read_only:
            assert all(x is None or (x == b).all() for x, b in zip(arrays, before, strict=True))


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x


# -- Whose arrays are written to ----------------------------------------------------------------


def test_arrays_that_the_user_holds_stay_as_they_are(backend):
    for make in ALL:
        mine = backend.asarray([1.0, 2.0, 3.0])
        p, q = TensorNode(mine), TensorNode(mine)
        optimizer = make([p, q], lr=0.1)
        for step in range(3):
            snapshot, copy = p.value, backend.to_numpy(p.value).copy()
            view = p.value[1:]
            p.grad = backend.asarray([1.0, 1.0, 1.0])
            q.grad = backend.asarray([1.0, 1.0, -1.0])
            optimizer.step()
            assert np.array_equal(backend.to_numpy(mine), [1, 2, 3])
            assert np.array_equal(backend.to_numpy(snapshot), copy)
            assert np.array_equal(backend.to_numpy(view), copy[1:])
            assert (backend.to_numpy(p.value) < copy).all(), step
        assert backend.to_numpy(q.value)[2] > 3


def test_views_and_broadcast_and_read_only_arrays():
    whole = np.ones((4, 3))
    values = [whole[1], whole.T, np.broadcast_to(np.ones(3), (2, 3)), read_only(np.ones(3))]
    for make in ALL:
        for value in values:
            p = TensorNode(value)
            optimizer = make([p], lr=0.1)
            for _ in range(2):
                p.grad = np.ones(value.shape)
                optimizer.step()
            assert (p.value < 1).all()
            assert (value == 1).all()
            assert (whole == 1).all()


def test_an_update_is_in_place_where_nobody_looks():
    for make in ALL:
        p = TensorNode(np.ones(5))
        optimizer = make([p], lr=0.1)
        places = set()
        for _ in range(5):
            p.grad = np.ones(5)
            optimizer.step()
            places.add(p.value.__array_interface__["data"][0])
        assert len(places) == 1, make
        assert (p.grad == 1).all()


def test_a_graph_still_to_be_used_keeps_its_values():
    for make in ALL:
        p = TensorNode(np.asarray([3.0, 4.0]))
        optimizer = make([p], lr=0.1)
        first, second = Sum.do_forward(p * 1.0), Sum.do_forward(p * p)
        first.backward()
        optimizer.step()
        optimizer.zero_grad()
        second.backward()
        assert np.array_equal(p.grad, [6.0, 8.0]), make


# -- What surrounds the update ------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
def test_only_parameters_with_a_gradient_are_updated():
    for make in ALL:
        p, q = node(1.0), node(1.0)
        q.zero_grad()
        optimizer = make((x for x in (p, q, p)), lr=0.1, weight_decay=0.1)
        assert optimizer.parameters == [p, q]
        optimizer.step()
        assert float(p.value[0]) < 1
        assert float(q.value[0]) == 1
        assert optimizer.state[1] == {}
        optimizer.zero_grad()
        assert not p.has_grad
        optimizer.step()
        assert optimizer.state[0].get("step", 1) == 1


def test_once_also_where_a_parameter_is_repeated():
    p = node(1.0)
    optim.SGD([p, p], lr=0.5).step()
    assert float(p.value[0]) == 0.5


def test_a_gradient_with_a_graph():
    p = TensorNode([3.0])
    Sum.do_forward(p * p).backward(create_graph=True)
    optim.SGD([p], lr=0.5).step()
    assert type(p.value) in default().array_types
    assert float(p.value[0]) == 0.0


def test_training_needs_no_garbage_collector():
    with no_garbage():
        p = TensorNode(np.ones(3))
        optimizer = optim.Adam([p])
        optim.StepLR(optimizer, 3)
        del p, optimizer


def test_settings_become_pythons_numbers():
    p = node(1.0, 2.0)
    optimizer = optim.SGD([p], lr=np.float64(0.1), momentum=np.asarray(0.9))
    assert [type(x) for x in optimizer.settings.values()] == [float, float, float, float, bool]
    optimizer.lr = np.float64(0.2)
    assert type(optimizer.lr) is float
    optimizer.step()
    assert p.value.dtype == np.float32


def test_a_change_of_dtype_is_an_error(backend):
    p = node(1.0, 2.0)
    optimizer = optim.Adam([p])
    optimizer.step()
    if backend.device is not None and "no_float64" in str(backend.device):
        return
    optimizer.state[0]["mean"] = backend.asarray([1.0, 1.0], "float64")
    p.value = backend.asarray([1.0, 2.0], "float32")
    if backend.name == "numpy":  # which writes into an array that keeps its dtype
        optimizer.step()
        assert p.value.dtype == np.float32
    else:
        with pytest.raises(TypeError, match=r"^Adam: parameter 0 is float32 \(2,\), but would"):
            optimizer.step()


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (optim.SGD, {"lr": -0.1}, "SGD: lr = -0.1, expected a number of at least 0"),
        (optim.SGD, {"lr": float("nan")}, "SGD: lr = nan, expected"),
        (optim.SGD, {"momentum": -1}, "SGD: momentum = -1, expected"),
        (optim.SGD, {"weight_decay": -1}, "SGD: weight_decay = -1, expected"),
        (optim.SGD, {"nesterov": True}, "SGD: nesterov=True with momentum = 0.0 and"),
        (
            optim.SGD,
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "SGD: nesterov=True with momentum = 0.9 and dampening = 0.1",
        ),
        (optim.Adam, {"lr": -1}, "Adam: lr = -1"),
        (optim.Adam, {"betas": (0.9, 1.0)}, r"Adam: betas = \(0.9, 1.0\), expected two numbers"),
        (optim.Adam, {"betas": (-0.1, 0.9)}, r"Adam: betas = \(-0.1, 0.9\), expected two numbers"),
        (optim.AdamW, {"eps": -1e-8}, "AdamW: eps = -1e-08"),
        (optim.AdamW, {"weight_decay": -1e-8}, "AdamW: weight_decay = -1e-08"),
        (optim.Adagrad, {"lr_decay": -1}, "Adagrad: lr_decay = -1"),
        (optim.Adagrad, {"initial_accumulator_value": -1}, "Adagrad: initial_acc.* = -1"),
        (optim.RMSprop, {"alpha": -1}, "RMSprop: alpha = -1"),
        (optim.RMSprop, {"momentum": -1}, "RMSprop: momentum = -1"),
    ],
)
def test_settings_out_of_range(make, settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make([node(1.0)], **settings)


def test_settings_that_are_no_numbers():
    for settings in ({"lr": None}, {"lr": (0.1,)}, {"lr": "fast"}, {"betas": 0.9}, {"betas": [1]}):
        with pytest.raises(TypeError, match=r"^Adam: \w+ = .*, expected (a|two) number"):
            optim.Adam([node(1.0)], **settings)
    optimizer = optim.Adam([node(1.0)])
    with pytest.raises(ValueError, match="lr = -1"):
        optimizer.lr = -1
    assert optimizer.lr == 1e-3


def test_what_is_no_parameter():
    p = node(1.0)
    with pytest.raises(ValueError, match=r"^SGD: there are no parameters"):
        optim.SGD([])
    with pytest.raises(TypeError, match=r"^SGD: parameters is one TensorNode.*write \[node\]"):
        optim.SGD(p)
    with pytest.raises(TypeError, match=r"^SGD: parameter 1 is a ndarray, expected a TensorNode"):
        optim.SGD([p, np.ones(3)])
    with pytest.raises(TypeError, match=r"^Adam: parameter 0 is a tuple"):
        optim.Adam([("w", p)])
    with pytest.raises(ValueError, match=r"^Adam: parameter 1 has requires_grad=False"):
        optim.Adam([p, TensorNode([1.0], requires_grad=False)])
    with pytest.raises(ValueError, match=r"^Adam: parameter 0 was computed, by Multiply"):
        optim.Adam([p * 2.0])


# -- State --------------------------------------------------------------------------------------


def through_a_file(state: dict[str, Any], backend: Any) -> dict[str, Any]:
    """As a checkpoint would have it: numbers by way of JSON, arrays as NumPy's."""
    plain = json.loads(json.dumps(state, default=lambda _: None))
    for loaded, of_one in zip(plain["state"], state["state"], strict=True):
        arrays = {name: x for name, x in of_one.items() if name != "step"}
        loaded.update({name: backend.to_numpy(x).copy() for name, x in arrays.items()})
    return plain


@pytest.mark.parametrize("row", range(0, len(GOLDEN["optimizers"]), 2))
def test_resumed_steps_are_the_same_bits(backend, row):
    name, settings, dtype, _ = GOLDEN["optimizers"][row]
    make, gradients = getattr(optim, name), GOLDEN["gradients"]
    nodes = parameters(backend, dtype, GOLDEN["parameters"])
    optimizer = make(nodes, **settings)
    schedule = optim.StepLR(optimizer, 3)
    for i in range(10):
        if i == 5:
            state = optimizer.state_dict()
            file = through_a_file(state, backend)
            values = [backend.to_numpy(p.value).copy() for p in nodes]
        run(optimizer, backend, dtype, [gradients[i]])
        schedule.step()
    assert all(  # a snapshot
        np.array_equal(backend.to_numpy(x), loaded[key])
        for of_one, loaded in zip(state["state"], file["state"], strict=True)
        for key, x in of_one.items()
        if key != "step"
    )
    again = parameters(backend, dtype, values)
    resumed = make(again, lr=123.0)
    second = optim.StepLR(resumed, 3)
    resumed.load_state_dict(file)
    second.load_state_dict({"steps": 5})
    assert resumed.initial_lr == optimizer.initial_lr
    for i in range(5, 10):
        run(resumed, backend, dtype, [gradients[i]])
        second.step()
    assert resumed.settings == optimizer.settings
    for p, q in zip(nodes, again, strict=True):
        assert np.array_equal(backend.to_numpy(p.value), backend.to_numpy(q.value))


def test_state_goes_to_the_parameters_backend_and_dtype():
    strict = get("strict", "device1")
    p = TensorNode(strict.asarray([1.0, 2.0]))
    q = TensorNode(np.asarray([1.0, 2.0]))
    first, second = optim.Adam([q]), optim.Adam([p])
    q.grad = np.ones(2)
    first.step()
    second.load_state_dict(first.state_dict())
    mean = second.state[0]["mean"]
    assert backend_of(mean) is backend_of(p.value)
    assert (mean.dtype, mean.device) == (p.value.dtype, p.value.device)
    p.grad = strict.asarray([1.0, 1.0])
    second.step()


@pytest.mark.usefixtures("backend")
def test_a_parameter_never_updated_has_no_state():
    p, q = node(1.0), node(1.0)
    q.zero_grad()
    for make in ALL:
        first, second = make([p, q]), make([p, q])
        first.step()
        assert first.state_dict()["state"][1] == {}
        second.load_state_dict(first.state_dict())
        assert second.state[1] == {}


def test_a_state_that_does_not_fit():
    p, q = node(1.0, 2.0), node(1.0)
    optimizer = optim.Adam([p, q])
    optimizer.step()
    good = optimizer.state_dict()

    def bad(**changes: Any) -> dict[str, Any]:
        settings = {**good["settings"], **changes.pop("settings", {})}
        return {"settings": settings, "state": changes.pop("state", good["state"])}

    other = optim.SGD([p, q], momentum=0.9)
    cases = [
        (other.state_dict(), r"settings \['dampening', .*\], expected \['betas', "),
        (bad(settings={"lr": -1.0}), r"lr = -1.0, expected"),
        (bad(state=good["state"][:1]), "found 1 parameters, expected 2"),
        (
            bad(state=good["state"][::-1]),
            r"found of parameter 0 mean of shape \(1,\), expected \(2,\)",
        ),
        (bad(state=[{"step": 1}, {}]), r"of parameter 0 \['step'\], expected \['mean', 'squ"),
        (
            bad(state=[{**good["state"][0], "extra": p.value}, {}]),
            r"of parameter 0 \['extra', .*\], expected",
        ),
    ]
    fresh = optim.Adam([p, q], lr=0.5)
    for state, message in cases:
        with pytest.raises(ValueError, match=message):
            fresh.load_state_dict(state)
        assert fresh.state == [{}, {}]
        assert fresh.lr == fresh.initial_lr == 0.5


# -- Schedules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", range(len(GOLDEN["schedules"])))
def test_torchs_schedules(row):
    name, parts, history = GOLDEN["schedules"][row]
    optimizer = getattr(optim, name)([node(1.0)], lr=0.1)
    it = built(optimizer, parts)
    ours = []
    for _ in history:
        momentum = optimizer.settings.get("momentum", optimizer.settings.get("betas", [None])[0])
        ours.append([optimizer.lr] if momentum is None else [optimizer.lr, momentum])
        it.step()
    np.testing.assert_allclose(ours, history, rtol=1e-12, atol=1e-16)
    assert all(type(x) in (float, bool, tuple) for x in optimizer.settings.values())


def built(optimizer: optim.Optimizer, parts: list[Any]) -> optim.LRScheduler:
    milestones = [x for x in parts if isinstance(x, int)]
    rest = [x for x in parts if not isinstance(x, int)]
    schedules = [
        getattr(optim, name)(optimizer, **arguments)
        for name, arguments in zip(rest[::2], rest[1::2], strict=True)
    ]
    if len(schedules) == 1:
        return schedules[0]
    return optim.SequentialLR(optimizer, schedules, milestones)


@pytest.mark.parametrize("row", range(len(GOLDEN["schedules"])))
def test_resumed_schedules(row):
    name, parts, history = GOLDEN["schedules"][row]
    first, second = (getattr(optim, name)([node(1.0)], lr=0.1) for _ in range(2))
    one, other = built(first, parts), built(second, parts)
    for _ in range(9):
        one.step()
    if row % 2:
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(len(history) - 10):
        assert second.settings == first.settings
        one.step()
        other.step()


def test_a_learning_rate_set_by_hand_is_what_schedules_scale():
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    schedule = optim.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()
    assert optimizer.lr == 0.05
    optimizer.lr = 1.0
    schedule.step()
    assert optimizer.lr == 0.25


def test_one_cycle_at_its_ends():
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    for pct_start in (0.0, 0.1, 0.3, 1.0):  # 0.1 * 10 - 1 = 0: at the top from the start
        schedule = optim.OneCycleLR(optimizer, 1.0, 10, pct_start, div_factor=10.0)
        rates = [optimizer.lr]
        for _ in range(9):
            schedule.step()
            rates.append(optimizer.lr)
        assert max(rates) <= 1.0
        assert min(rates) >= 1e-5 * 0.999
        assert pct_start < 0.1 or 1.0 in rates
        schedule.step()
        assert optimizer.lr == rates[-1]
        with pytest.raises(ValueError, match=r"OneCycleLR: step 11, but total_steps = 10"):
            schedule.step()
    optim.OneCycleLR(optimizer, 1.0, 1).step()


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (optim.StepLR, {"step_size": 0}, "StepLR: step_size = 0, expected"),
        (optim.LinearLR, {"start_factor": 0}, "LinearLR: start_factor = 0, expected"),
        (optim.LinearLR, {"start_factor": 1.1}, "LinearLR: start_factor = 1.1, expected"),
        (optim.LinearLR, {"end_factor": -0.1}, "LinearLR: end_factor = -0.1, expected"),
        (optim.LinearLR, {"total_iters": 0}, "LinearLR: total_iters = 0, expected"),
        (optim.CosineAnnealingLR, {"T_max": 0}, "CosineAnnealingLR: T_max = 0, expected"),
        (optim.CosineAnnealingLR, {"T_max": 1, "eta_min": -1}, "CosineAnnealingLR: eta_min = -1"),
        (optim.OneCycleLR, {"max_lr": 1, "total_steps": 0}, "OneCycleLR: total_steps = 0"),
        (optim.OneCycleLR, {"max_lr": -1, "total_steps": 9}, "OneCycleLR: max_lr = -1"),
        (
            optim.OneCycleLR,
            {"max_lr": 1, "total_steps": 9, "pct_start": 2},
            "OneCycleLR: pct_start = 2, expected 0 to 1",
        ),
        (
            optim.OneCycleLR,
            {"max_lr": 1, "total_steps": 9, "anneal_strategy": "cosine"},
            "OneCycleLR: anneal_strategy = 'cosine', expected 'cos' or 'linear'",
        ),
        (optim.SequentialLR, {"schedulers": [], "milestones": []}, r"SequentialLR: milestones = "),
    ],
)
def test_schedules_out_of_range(make, arguments, message):
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    with pytest.raises(ValueError, match=f"^{message}"):
        make(optimizer, **arguments)
    assert optimizer.lr == 0.1


def test_schedules_that_do_not_fit_together():
    optimizer, other = (optim.SGD([node(1.0)], lr=0.1) for _ in range(2))
    parts = [optim.LinearLR(optimizer), optim.StepLR(optimizer, 3), optim.StepLR(other, 3)]
    with pytest.raises(ValueError, match=r"milestones = \[5, 3\], expected ascending"):
        optim.SequentialLR(optimizer, [*parts[:2], parts[1]], [5, 3])
    with pytest.raises(ValueError, match=r"schedulers\[1\] = .* expected one of the same"):
        optim.SequentialLR(optimizer, parts[::2], [5])
    adagrad = optim.Adagrad([node(1.0)])
    with pytest.raises(ValueError, match="expected False, as Adagrad has no momentum"):
        optim.OneCycleLR(adagrad, 1.0, 10)
    for state in ({}, {"steps": -1}, {"step": 3}):
        with pytest.raises(ValueError, match=r"^StepLR.load_state_dict: found"):
            parts[1].load_state_dict(state)


def test_a_subclass_needs_an_update_alone():
    class Sign(optim.Optimizer):
        def update(self, parameters, gradients, states):  # noqa: ARG002
            signs = [namespace(g).sign(g) for g in gradients]
            return [p - self.lr * s for p, s in zip(parameters, signs, strict=True)]

    p = node(1.0, 2.0)
    Sign([p], lr=0.5).step()
    assert p.value.tolist() == [0.5, 1.5]
    scalar = TensorNode(np.asarray(1.0))
    scalar.grad = np.asarray(3.0)
    Sign([scalar], lr=0.5).step()
    assert type(scalar.value) is np.ndarray  # and not one of NumPy's scalars
    assert scalar.value == 0.5
    with pytest.raises(NotImplementedError, match="Optimizer has no method update"):
        optim.Optimizer([p], lr=1).step()
    with pytest.raises(NotImplementedError, match="LRScheduler has no method settings"):
        optim.LRScheduler(SimpleNamespace(settings={}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            lambda ps, gs: ps[0] - gs[0],
            r"gave array.*, expected the new values of all .* in a list",
        ),
        (lambda ps, gs: [ps[0] - gs[0]], r"gave shapes \[\(2, 2\)\], .* \[\(2, 2\), \(2, 2\)\]"),
        (lambda ps, gs: [p.sum() for p in ps], r"gave shapes \[\(\), \(\)\]"),  # noqa: ARG005
    ],
)
def test_what_update_gives_is_checked(given, words):
    class Wrong(optim.Optimizer):
        def update(self, parameters, gradients, states):  # noqa: ARG002
            return given(parameters, gradients)

    with use_backend("numpy"):
        parameters = [TensorNode(np.ones((2, 2))) for _ in range(2)]
        with pytest.raises(ValueError, match=rf"(?s)^Wrong.update: {words}"):
            stepped(Wrong(parameters, lr=0.5))
        assert all(p.value.tolist() == [[1, 1], [1, 1]] for p in parameters)


def test_a_subclass_may_give_each_parameter_a_rate():
    class Layerwise(optim.SGD):
        def lr_for(self, parameter):
            return super().lr_for(parameter) * (10.0 if parameter.ndim == 1 else 1.0)

    parameters = [TensorNode(np.ones(shape)) for shape in ((1, 1), (1,))]
    stepped(Layerwise(parameters, lr=0.01))
    assert [float(p.value.sum()) for p in parameters] == pytest.approx([0.99, 0.9])


def stepped(optimizer):
    """One step of gradients of 1."""
    for p in optimizer.parameters:
        Sum.do_forward(p).backward()
    optimizer.step()
