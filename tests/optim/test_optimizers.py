"""Optimizers: torch.optim's numbers, whose arrays they write to, settings, and subclasses."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from comparing import no_garbage
from optimizers import ALL, GOLDEN, TOLERANCE, is_close, node, parameters, read_only, run

from gradcore import Sum, TensorNode, namespace, optim
from gradcore.backends import default, get, use_backend
from gradcore.replay.recording import HostWork

NAMES = [
    *("SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "NAdam", "RAdam", "Adamax", "Adadelta"),
    *("Rprop", "ASGD", "Adafactor", "Muon", "LBFGS"),
]

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
            assert isinstance(p.value, backend.array_types)
            assert p.value.dtype == backend.dtype(dtype)
            assert p.shape == np.shape(value)
            assert is_close(backend, p.value, value, TOLERANCE[dtype])


def test_golden_numbers_are_torchs():
    pytest.importorskip("torch")
    from golden import optim as golden

    assert len(GOLDEN["optimizers"]) == 2 * len(golden.OPTIMIZERS)
    for (name, settings), mine in zip(golden.OPTIMIZERS, GOLDEN["optimizers"][1::2], strict=True):
        history = golden.trained(
            name, settings, "float64", GOLDEN["parameters"], GOLDEN["gradients"]
        )
        assert mine[:3] == [name, settings, "float64"]
        for steps, values in mine[3].items():
            for value, expected in zip(values, history[int(steps) - 1], strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    for row, (*mine, history) in zip(golden.SCHEDULES, GOLDEN["schedules"], strict=True):
        assert mine == list(row)
        np.testing.assert_allclose(history, golden.scheduled(*row, golden.STEPS), rtol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_against_torch(precision):
    pytest.importorskip("torch")
    from golden import optim as golden

    backend = get("numpy")
    values, gradients = golden.numbers(1, 60, [(7, 5), (2, 3, 4), (1,)])
    for name, settings in golden.OPTIMIZERS:
        nodes = parameters(backend, precision, values)
        run(getattr(optim, name)(nodes, **settings), backend, precision, gradients)
        expected = golden.trained(name, settings, precision, values, gradients)[-1]
        for p, value in zip(nodes, expected, strict=True):
            assert is_close(backend, p.value, value, 2 * TOLERANCE[precision]), (name, settings)


@pytest.mark.parametrize("name", sorted({*optim.__all__} & {*NAMES}))
def test_settings_order_and_defaults_are_torchs(name):
    torch = pytest.importorskip("torch")
    optimizer, twin = getattr(optim, name), getattr(torch.optim, name)
    p, t = TensorNode(np.ones((2, 2))), torch.zeros((2, 2), requires_grad=True)
    for key, x in optimizer([p]).settings.items():
        assert x == twin([t]).defaults[key], key
    ours, theirs = ([*inspect.signature(kind).parameters] for kind in (optimizer, twin))
    unused = {"foreach", "fused", "capturable", "differentiable"}
    positional = [key for key in theirs if key not in unused][: len(ours)]
    assert positional[:6] == [*ours[: len(positional)]][:6]
    assert {*theirs} - {*ours} <= unused | {"params"}
    with pytest.raises(TypeError, match=rf"^{name}.*(no setting|unexpected).*learning_rate"):
        optimizer([p], learning_rate=0.1)
    if "unused" in ours:
        optimizer([p], foreach=True, differentiable=False)
        with pytest.raises(TypeError, match=rf"^{name}: differentiable = True"):
            optimizer([p], differentiable=True)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("adjust", [None, "match_rms_adamw"])
def test_muon_is_torchs_without_its_rounding_to_bfloat16(backend, monkeypatch, nesterov, adjust):
    torch = pytest.importorskip("torch")
    rng, settings = np.random.default_rng(0), {"nesterov": nesterov, "adjust_lr_fn": adjust}
    starts = [rng.normal(size=shape).astype("float32") for shape in ((6, 4), (3, 7))]
    nodes = [TensorNode(backend.asarray(x)) for x in starts]
    twins = [torch.tensor(x, requires_grad=True) for x in starts]
    ours, theirs = optim.Muon(nodes, lr=0.1, **settings), torch.optim.Muon(twins, 0.1, **settings)
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    for _ in range(8):
        for p, t in zip(nodes, twins, strict=True):
            gradient = rng.normal(size=p.shape).astype("float32")
            p.grad, t.grad = backend.asarray(gradient), torch.tensor(gradient)
        ours.step()
        theirs.step()
    for p, t in zip(nodes, twins, strict=True):
        np.testing.assert_allclose(backend.to_numpy(p.value), t.detach().numpy(), 1e-4, 2e-5)


def test_lion_is_the_papers(backend, dtype):
    rng = np.random.default_rng(0)
    x, m, b1, b2, lr, decay = rng.normal(size=5), 0.0, 0.9, 0.99, 0.1, 0.5
    p = TensorNode(backend.asarray(x, dtype))
    optimizer = optim.Lion([p], lr=lr, weight_decay=decay)
    for _ in range(10):
        g = rng.normal(size=5)
        p.grad = backend.asarray(g, dtype)
        optimizer.step()
        x = x - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * x)
        m = b2 * m + (1 - b2) * g
    np.testing.assert_allclose(backend.to_numpy(p.value), x, rtol=1e-5)


def test_what_matrices_and_real_numbers_are_for():
    vector, number = TensorNode(np.ones(3)), TensorNode(np.ones((2, 2), "complex128"))
    with pytest.raises(
        ValueError, match=r"^Muon: parameter 0 is float64 \(3,\), expected a matrix"
    ):
        optim.Muon([vector])
    with pytest.raises(TypeError, match=r"^Muon: a parameter is complex128 .* expected real"):
        optim.Muon([number])
    number.grad = np.ones((2, 2), "complex128")
    with pytest.raises(TypeError, match=r"^Adafactor: a parameter is complex128 .* expected real"):
        optim.Adafactor([number]).step()


def test_centered_rmsprop_of_a_constant_gradient_stays_finite():
    # Rounding can make the average of the squares less than the square of the average.
    p = TensorNode(np.zeros(400, "float32"))
    optimizer = optim.RMSprop([p], alpha=0.5, centered=True, eps=1e-3)
    run(optimizer, get("numpy"), "float32", [[np.linspace(0.1, 3, 400)]] * 60)
    assert np.isfinite(p.value).all()


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


def test_a_step_being_captured_is_no_other_holder():
    """It holds the arrays because replays write into them."""

    class InPlace(optim.Optimizer):
        def update(self, parameters, gradients, states):  # noqa: ARG002
            for p, g in zip(parameters, gradients, strict=True):
                p -= self.lr * g
            return parameters

    with use_backend("numpy"):
        p = TensorNode(np.ones(3))
        optimizer = InPlace([p], lr=0.5)
        recorded = {p: p.value}
        p.grad = np.ones(3)
        with HostWork(recorded).active():
            optimizer.step()
        assert p.value is recorded[p]
        optimizer.step()  # outside of a recording, the dictionary is another holder
        assert p.value is not recorded[p]
        assert recorded[p].tolist() == [0.5, 0.5, 0.5]


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
        more = {} if make is optim.Rprop else {"weight_decay": 0.1}
        optimizer = make((x for x in (p, q, p)), lr=0.1, **more)
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
    assert isinstance(p.value, default().array_types)
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
    assert [type(x) for x in optimizer.settings.values()] == [*[float] * 4, bool, bool]
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
        (optim.SGD, {"lr": float("inf")}, "SGD: lr = inf, expected"),
        (optim.SGD, {"momentum": -1}, "SGD: momentum = -1, expected"),
        (optim.SGD, {"dampening": float("nan")}, "SGD: dampening = nan, expected"),
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
        (optim.RMSprop, {"alpha": 1.5}, "RMSprop: alpha = 1.5, expected a number from 0 to 1"),
        (optim.RMSprop, {"eps": float("nan")}, "RMSprop: eps = nan, expected"),
        (optim.RMSprop, {"momentum": -1}, "RMSprop: momentum = -1"),
        (optim.NAdam, {"momentum_decay": -1}, "NAdam: momentum_decay = -1, expected"),
        (optim.Adadelta, {"rho": 1.5}, "Adadelta: rho = 1.5, expected a number from 0 to 1"),
        (optim.Rprop, {"etas": (0.5, 0.9)}, r"Rprop: etas = \(0.5, 0.9\), expected one between"),
        (
            optim.Adafactor,
            {"beta2_decay": 0.1},
            "Adafactor: beta2_decay = 0.1, expected a number up",
        ),
        (optim.Adafactor, {"d": 0.5}, "Adafactor: d = 0.5, expected a number of at least 1"),
        (optim.Adafactor, {"eps": (-1, 0)}, "Adafactor: eps = -1, expected"),
        (
            optim.LBFGS,
            {"line_search_fn": "wolfe"},
            "LBFGS: line_search_fn = 'wolfe', expected None",
        ),
        (optim.LBFGS, {"max_iter": -1}, "LBFGS: max_iter = -1, expected an integer"),
    ],
)
def test_settings_out_of_range(make, settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make([node(1.0)], **settings)


def test_settings_that_are_no_numbers():
    for settings in ({"lr": None}, {"lr": (0.1,)}, {"lr": "fast"}, {"lr": "0.1"}, {"lr": 1j},
                     {"betas": 0.9}, {"betas": [1]}, {"betas": "01"}):  # fmt: skip
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
        optim.Adam([(p, "w")])
    with pytest.raises(ValueError, match=r"^Adam: parameter 1 has requires_grad=False"):
        optim.Adam([p, TensorNode([1.0], requires_grad=False)])
    with pytest.raises(ValueError, match=r"^Adam: parameter 0 was computed, by Multiply"):
        optim.Adam([p * 2.0])


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
        optim.LRScheduler(optim.SGD([p]))


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
