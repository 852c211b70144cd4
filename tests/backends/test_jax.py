"""The JAX backend: its 64 bits, its devices, indices out of range, arrays that stay as they are,
and functions that `jax.jit` traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from small_network import network, trained

import gradcore
from gradcore import TensorNode, optim
from gradcore.backends import Backend, backend_of, get, use_backend

jax = pytest.importorskip("jax")


@contextmanager
def bits(of_64: bool) -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", of_64)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def on_jax() -> Iterator[Backend]:
    with bits(False), use_backend("jax:cpu") as backend:
        yield backend


def test_choosing_jax_leaves_its_64_bits_as_they_are() -> None:
    for on in (False, True):
        with bits(on), use_backend("jax"):
            TensorNode([1.0])
            assert jax.config.jax_enable_x64 == on


@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_no_number_of_64_bits_becomes_one_of_32(on_jax: Backend, kind: str) -> None:
    xp = on_jax.xp
    x, host = on_jax.asarray([1.0]), np.ones(2, kind)
    for make in (
        lambda: on_jax.asarray(host),
        lambda: on_jax.asarray([1.0], kind),
        lambda: TensorNode([1.0]).astype(kind),
        lambda: xp.zeros(2, dtype=xp.float64),
        lambda: xp.astype(x, on_jax.dtype(kind)),
    ):
        with pytest.raises(TypeError, match=r"64 bits are on; set JAX_ENABLE_X64=1, or call"):
            make()
    with bits(True):
        assert on_jax.asarray(host).dtype == kind


@pytest.mark.parametrize("kind", [np.float64, np.dtype("complex128"), "float64"])
def test_no_function_of_numpys_gives_32_bits_to_who_asks_for_64(on_jax: Backend, kind: Any) -> None:
    xp, x = gradcore.numpy, on_jax.asarray([1.0, 2.0])
    for make in (
        lambda: xp.zeros(3, dtype=kind),
        lambda: xp.eye(2, dtype=kind),
        lambda: xp.array([1.0], kind),
        lambda: xp.linspace(0, 1, 3, dtype=kind),
        lambda: xp.arange(3, dtype=kind),
        lambda: xp.ones_like(x, dtype=kind),
        lambda: xp.sum(x, dtype=kind),
        lambda: xp.add(x, x, dtype=kind),
        lambda: xp.astype(x, kind),
    ):
        with pytest.raises(TypeError, match="set JAX_ENABLE_X64=1"):
            make()
    for made in (xp.zeros(3), xp.eye(2), xp.array([1.0]), xp.mean(on_jax.asarray([1, 2]))):
        assert str(made.dtype) == "float32"  # nobody asks for float64, nor in the next line
    assert (
        str(xp.zeros(3, dtype=float).dtype) == str(xp.sin(on_jax.asarray([1])).dtype) == "float32"
    )


def test_integers_become_those_of_32_bits_if_these_hold_them(on_jax: Backend) -> None:
    labels = on_jax.asarray(np.array([3, 2**31 - 1]))
    assert str(labels.dtype) == "int32"
    np.testing.assert_array_equal(on_jax.to_numpy(labels), [3, 2**31 - 1])
    with pytest.raises(OverflowError, match="JAX has no int64 unless its 64 bits are on"):
        on_jax.asarray(np.array([2**31]))


def test_an_unknown_device_is_an_error_that_names_those_there_are() -> None:
    for name in ("nonsense", "cpu:700", "7"):
        with pytest.raises(ValueError, match=f"jax: no device '{name}'; this machine has .*cpu"):
            get("jax", name)
    assert get("jax:cpu").device == jax.devices("cpu")[0]
    assert get("jax", jax.devices("cpu")[0]).describe_device() == "CPU"


def test_what_the_device_tells(on_jax: Backend) -> None:
    assert f"jax {jax.__version__}; 64 bits off" in on_jax.describe_library()
    assert on_jax.environment() == {"GRADCORE_BACKEND": "jax:cpu"}
    assert (on_jax.used_memory(), on_jax.describe_memory()) == (0, "")
    with pytest.raises(ValueError, match="set XLA_PYTHON_CLIENT_MEM_FRACTION"):
        on_jax.limit_memory(10**9)


def test_an_old_jax_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get("jax").problem() is None
    monkeypatch.setattr(jax, "__version__", "0.4.38")
    assert "jax 0.4.38 is older than" in str(get("jax").problem())


def test_an_index_that_jax_would_clamp_is_an_error(on_jax: Backend) -> None:
    x = TensorNode([1.0, 2.0, 3.0])
    for key in (3, -4, (..., 3), np.int64(3)):
        with pytest.raises(IndexError, match="out of bounds for axis 0 with size 3"):
            x[key]
    y = x * 1.0
    with pytest.raises(IndexError, match="out of bounds"):
        y[3] = 0.0
    for key in (on_jax.asarray([0, 3]), [0, -4], (..., on_jax.asarray([3]))):
        with pytest.raises(IndexError, match="out of range; expected -3 to 2"):
            x[key]
        with pytest.raises(IndexError, match="out of range; expected -3 to 2"):
            y[key] = 0.0
    with pytest.raises(IndexError, match="3 is out of range; expected"):
        gradcore.take(x, on_jax.asarray([0, 3]), axis=0)
    with pytest.raises(IndexError, match="out of range"):
        gradcore.cross_entropy(TensorNode([[1.0, 2.0]]), on_jax.asarray([2]))


def test_what_numpy_shares_does_not_change_with_it(on_jax: Backend) -> None:
    host = np.ones(1000, "float32")
    x = on_jax.asarray(host)
    host += 1
    assert float(x.sum()) == 1000
    assert not on_jax.to_numpy(x).flags.writeable


def test_errors_are_of_numpys_kinds(on_jax: Backend) -> None:
    a, b = TensorNode(np.ones((2, 3))), TensorNode(np.ones((2, 2)))  # of NumPy: float64
    with use_backend("jax"):
        a, b = (TensorNode(on_jax.asarray(x.value, "float32")) for x in (a, b))
    with pytest.raises(ValueError, match=r"Add: .*could not be broadcast.*sizes must be equal"):
        a + b
    for call in (lambda: a @ b, lambda: gradcore.reshape(a, (4,)), lambda: gradcore.concat([a, b])):
        with pytest.raises(ValueError, match=r"(MatrixMultiply|Reshape|Concat): "):
            call()
    full = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4 bytes.")
    assert isinstance(on_jax.error(full), MemoryError)


@pytest.mark.parametrize("of_64", [False, True])
def test_the_random_bits_are_numpys_for_numbers_and_traced_keys(of_64: bool) -> None:
    with bits(of_64):
        backend, numpy = get("jax"), get("numpy")
        for key in (0, 2**63 - 1):
            expected = numpy.to_numpy(numpy.random_bits(key, 21))
            np.testing.assert_array_equal(backend.to_numpy(backend.random_bits(key, 21)), expected)
            pair = np.array([key], "<u8").view("<u4")
            keys = [pair, np.uint64(key)] if of_64 else [pair]
            for k in keys:
                found = jax.jit(lambda k: backend.random_bits(k, 21))(k)
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("make", [partial(optim.SGD, momentum=0.9), optim.Adam])
def test_a_network_trains_as_on_numpy(make: Any) -> None:
    with bits(False):
        np.testing.assert_allclose(trained("jax", make), trained("numpy", make), rtol=2e-5)


def test_a_pass_can_be_traced_and_gives_the_same(on_jax: Backend) -> None:
    model = network().eval()
    labels = on_jax.asarray([0, 1])
    parameters = list(model.parameters())

    def gradients(values: list[Any], x: Any) -> list[Any]:
        before = [p.value for p in parameters]
        for p, value in zip(parameters, values, strict=True):
            p.value = value
        loss = gradcore.cross_entropy(model(x), labels)  # labels are an array, and no tracer
        assert backend_of(loss.value) is backend_of(labels)
        assert loss.value.device is (None if isinstance(x, jax.core.Tracer) else x.device)
        loss.backward()
        found = [p.grad for p in parameters]
        for p, value in zip(parameters, before, strict=True):
            p.value, p.grad = value, None
        return found

    values = [p.value for p in parameters]
    x = on_jax.asarray(np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype("float32"))
    for plain, traced in zip(gradients(values, x), jax.jit(gradients)(values, x), strict=True):
        np.testing.assert_allclose(plain, traced, rtol=1e-4, atol=1e-6)


def test_a_schedule_of_momentum_compiles_few_programs(on_jax: Backend) -> None:
    from gradcore.backends.jax import compiled

    compiled.forget()
    p = TensorNode([1.0, 2.0])
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5)
    for k in range(40):
        optimizer.param_groups[0]["momentum"] = 0.5 + k / 100
        optimizer.param_groups[0]["lr"] = 0.1 + k / 100
        p.grad = on_jax.asarray([1.0, 1.0])
        optimizer.step()
    assert max(map(len, compiled._programs.values())) == compiled.MOST


def test_a_captured_step_writes_over_what_nobody_else_holds_and_over_nothing_else(
    on_jax: Backend,
) -> None:
    p, x = TensorNode([1.0, 2.0]), on_jax.asarray([1.0, 1.0])

    @gradcore.capture
    def step(x: Any) -> None:
        p.value = p.value + x

    for _ in range(3):
        step(x)
    place = p.value.unsafe_buffer_pointer()
    step(x)
    assert p.value.unsafe_buffer_pointer() == place
    held = p.value
    step(x)
    assert held.unsafe_buffer_pointer() == place != p.value.unsafe_buffer_pointer()
    assert not held.is_deleted()
    np.testing.assert_array_equal(held, [5.0, 6.0])
    np.testing.assert_array_equal(p.value, [6.0, 7.0])
    view = TensorNode(p.value)  # another node of this array
    step(x)
    np.testing.assert_array_equal(view.value, [6.0, 7.0])
    np.testing.assert_array_equal(p.value, [7.0, 8.0])


def test_keys_that_are_arrays_in_a_captured_step(on_jax: Backend) -> None:
    from gradcore.backends.registry import BACKEND_OF_TYPE

    for kind in [kind for kind in BACKEND_OF_TYPE if issubclass(kind, jax.core.Tracer)]:
        del BACKEND_OF_TYPE[kind]  # as in a new process, where a key is the first tracer met
    x = TensorNode([1.0, 2.0, 3.0])

    def parts(i: Any) -> tuple[TensorNode, TensorNode]:
        chosen, y = x[i], x * 1.0
        y[i] = 0.0
        return chosen.sum(), y.sum()

    step = gradcore.capture(parts)
    for _ in range(3):
        assert [float(y) for y in step(on_jax.asarray([0, -1]))] == [4.0, 2.0]
    assert step.is_recorded
    for which in (0, 1):
        y = step(on_jax.asarray([0, 3]))[which]
        with pytest.raises(IndexError, match="3 is out of range; expected -3 to 2"):
            float(y)
