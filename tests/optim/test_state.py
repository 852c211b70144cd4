"""State of optimizers: saved, loaded, and moved to where the parameters are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from optimizers import ALL, GOLDEN, node, parameters, run

from gradcore import TensorNode, optim
from gradcore.backends import backend_of, get


def through_a_file(state: dict[str, Any], backend: Any) -> dict[str, Any]:
    """Give the state as a checkpoint holds it: numbers through JSON, arrays as NumPy's."""
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


@pytest.mark.parametrize("make", ALL)
def test_float16_parameters_have_float32_states_in_files_too(backend, make):
    """Squares of small gradients, and most eps, are 0 in float16."""
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    more = {"momentum": 0.9} if make in (optim.SGD, optim.RMSprop) else {}
    values, slopes = np.ones(3, "float16"), np.array([0, 1e-4, 6e-8], "float16")

    def made(value: Any) -> tuple[TensorNode, Any]:
        p = TensorNode(backend.asarray(value))
        return p, make([p], **more)

    def step(p: TensorNode, optimizer: Any) -> Any:
        p.grad = backend.asarray(slopes)
        optimizer.step()
        return backend.to_numpy(p.value)

    p, first = made(values)
    assert np.isfinite(step(p, first)).all()
    assert p.dtype == backend.xp.float16
    file = through_a_file(first.state_dict(), backend)
    names = file["state"][0].keys() - {"step"}
    assert names
    assert {str(file["state"][0][name].dtype) for name in names} == {"float32"}
    q, second = made(backend.to_numpy(p.value).copy())
    second.load_state_dict(file)
    assert np.array_equal(step(p, first), step(q, second))
    for name in names:  # to the bit
        ours, theirs = (backend.to_numpy(o.state[0][name]) for o in (first, second))
        assert np.array_equal(ours, theirs)
    # States of float16, as they once were, go on in float32.
    old = {name: file["state"][0][name].astype("float16") for name in names}
    second.load_state_dict({**file, "state": [{**file["state"][0], **old}]})
    assert np.isfinite(step(q, second)).all()
    assert {str(backend.to_numpy(second.state[0][n]).dtype) for n in names} == {"float32"}


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
        (other.state_dict(), r"settings \['dampening', .*\], expected \['amsgrad', 'betas', "),
        (bad(settings={"lr": -1.0}), r"lr = -1.0, expected"),
        (bad(state=good["state"][:1]), "found 1 parameters, expected 2"),
        (
            bad(state=good["state"][::-1]),
            r"parameter 0: mean has shape \(1,\), expected \(2,\)",
        ),
        (bad(state=[{"step": 1}, {}]), r"parameter 0 has \['step'\], expected \['mean', 'squ"),
        (
            bad(state=[{**good["state"][0], "extra": p.value}, {}]),
            r"parameter 0 has \['extra', .*\], expected",
        ),
    ]
    one = good["state"][0]
    mean = one["mean"]
    cases += [
        (bad(state=[{**one, "velocity": mean}, {}]), r"parameter 0 has \[.*'velocity'\], expected"),
        (bad(settings={"lr": "fast"}), r"lr = 'fast', expected a number"),
        (bad(settings={"betas": [0.9]}), r"betas = \[0.9\], expected two numbers"),
        (bad(settings={"initial_lr": None}), r"lr = None, expected a number"),
        (bad(state=[{**one, "mean": "mean"}, {}]), r"parameter 0: mean is no dense array"),
        (bad(state=[{**one, "mean": mean * 1j}, {}]), r"mean is complex\d+ \(2,\), expected real"),
        (bad(state=[one, 3]), r"found \{.*, expected 'settings', a dictionary, and 'state'"),
        (bad(state=None), r"found \{.*, expected 'settings', a dictionary, and 'state'"),
        ({"state": []}, r"found \{'state': \[\]\}, expected 'settings'"),
        (None, r"found None, expected 'settings'"),
        *[
            (bad(state=[{**one, "step": x}, {}]), "parameter 0: step = .*, expected an integer of")
            for x in (-1, 2.5, "2", None, True)
        ],
    ]
    fresh = optim.Adam([p, q], lr=0.5)
    for state, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            fresh.load_state_dict(state)
        assert "\n" not in str(error.value)
        assert fresh.state == [{}, {}]
        assert fresh.lr == fresh.initial_lr == 0.5
