"""Run PyTorch's own inputs for its modules and optimizers through gradcore.nn and gradcore.optim.

    python tests/search/torch_modules.py                 the modules and the optimizers
    python tests/search/torch_modules.py --only Linear   some

A module of gradcore gets the state of PyTorch's (`load_torch_state_dict`); results and gradients,
of the inputs and of the parameters, and the state after a call are compared, in training and
outside of it. An optimizer makes some steps with the same gradients; parameters are compared, and
then settings that PyTorch refuses are tried. DIFFERENT and LEFT_OUT say why what differs does.
Needs `pip install expecttest hypothesis` beside PyTorch.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]
    import program  # noqa: F401

import numpy as np
import torch
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_optimizers import optim_db

from gradcore import TensorNode, array_api, gelu, nn, optim, relu
from gradcore.tools.command_line import Parser

__all__ = ["DIFFERENT", "LEFT_OUT"]

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
STEPS = 6

FUNCTIONS = {torch.nn.functional.gelu: gelu, torch.nn.functional.relu: relu}

# What gradcore lacks: the module, words of gradcore's error, and the reason.
LEFT_OUT: list[tuple[str, str, str]] = [
    ("", "expected (N, ", "no batch"),
    ("LBFGS", "missing 1 required positional argument: 'closure'", "steps without a closure"),
    ("Muon", "only supports 2D", "steps of what is no matrix"),
]

# Why some inputs differ: the module or optimizer, words of the problem, and the reason.
DIFFERENT: list[tuple[str, str, str]] = [
    ("", "cannot have duplicate", "PyTorch warns of a parameter twice; gradcore steps it once"),
    ("CTCLoss", "gradient of input", "PyTorch's has the gradient of log_softmax in it"),
    ("Adam", "both floats or both", "an array of one number is a number"),
    ("Adam", "as a Tensor is not supported", "an array of one number is a number"),
    ("Adam", "lr as Tensor doesn't work", "an array of one number is a number"),
    (
        "ASGD",
        "parameter: [",
        "PyTorch keeps the rate in float32, gradcore in the parameter's dtype",
    ),
    ("Adafactor", "does not support complex", "gradcore refuses it in the first step"),
]


def _array(x: Any) -> Any:
    if callable(x) and x in FUNCTIONS:
        return FUNCTIONS[x]
    return x.numpy(force=True).copy() if isinstance(x, torch.Tensor) else x


def _layer(x: Any, dtype: str) -> Any:
    """Make of a layer of PyTorch's, which a stack is made of copies of, one of gradcore's."""
    if not isinstance(x, torch.nn.TransformerEncoderLayer):
        return x
    return nn.TransformerEncoderLayer(
        x.self_attn.embed_dim, x.self_attn.num_heads, x.linear1.out_features, x.dropout.p,
        FUNCTIONS[x.activation], x.norm1.eps, x.self_attn.batch_first, x.norm_first,
        x.linear1.bias is not None, dtype,
    )  # fmt: skip


def _unequal(what: str, ours: Any, theirs: Any) -> str:
    x, y = np.asarray(ours), _array(theirs)
    if x.shape != y.shape:
        return f"{what}: shape {x.shape}, expected {y.shape}"
    tolerance = TOLERANCE.get(str(y.dtype), 0.0)
    scale = float(np.abs(y[np.isfinite(y)]).max(initial=0))
    if not np.allclose(x, y, tolerance, tolerance * max(scale, 0.1), equal_nan=True):
        return f"{what}: {x.ravel()[:4]}, expected {y.ravel()[:4]}"
    return ""


# -- Modules --------------------------------------------------------------------------------------


def compare_module(twin: type, ours: type, given: Any, dtype: str, training: bool) -> str:
    """Say what differs: nothing, a problem, or "left out: " with the reason."""
    args, settings = given.constructor_input.args, dict(given.constructor_input.kwargs)
    kind = getattr(torch, dtype)
    module = twin(*args, **settings).to(kind).train(training)
    settings = {"axis" if k == "dim" else k: _array(x) for k, x in settings.items()}
    settings = {k: x for k, x in settings.items() if k not in ("device", "dtype")}
    parameters = inspect.signature(ours).parameters
    if "dtype" in parameters:
        settings["dtype"] = dtype
    unknown = sorted(settings.keys() - parameters.keys())
    if unknown:
        return f"left out: no setting {', '.join(unknown)}"
    inputs, options = given.forward_input.args, dict(given.forward_input.kwargs)
    if "input" in options:  # which gradcore calls x
        inputs = *inputs, options.pop("input")
    mine = ours(*[_layer(x, dtype) for x in map(_array, args)], **settings)
    nn.load_torch_state_dict(mine, dict(module.state_dict()))
    mine.train(training)

    results = _flat(module(*inputs, **options))
    weights = [torch.linspace(-1, 1, y.numel(), dtype=kind).reshape(y.shape) for y in results]
    given = _flat((*inputs, *options.values()))
    leaves = [x for x in given if isinstance(x, torch.Tensor) and x.requires_grad]
    names = [name for name, p in module.named_parameters()]
    total = sum((y * w).sum() for y, w in zip(results, weights, strict=True))
    asked = [*leaves, *module.parameters()]
    found = torch.autograd.grad(total, asked, allow_unused=True, materialize_grads=True)

    nodes = {id(x): TensorNode(_array(x)) for x in leaves}
    ys = _flat(mine(
        *[_mapped(x, nodes) for x in inputs],
        **{name: _mapped(x, nodes) for name, x in options.items()},
    ))  # fmt: skip
    problems = [_unequal("value", y.value, z) for y, z in zip(ys, results, strict=True)]
    if problem := next(filter(None, problems), ""):
        return problem
    sum(array_api.sum(y * _array(w)) for y, w in zip(ys, weights, strict=True)).backward()
    gradients = [nodes[id(x)].grad for x in leaves]
    gradients += [mine.get_parameter(name).grad for name in names]
    for name, x, expected in zip([*["input"] * len(leaves), *names], gradients, found, strict=True):
        x = np.zeros(expected.shape) if x is None else np.asarray(x).reshape(expected.shape)
        problem = problem or _unequal(f"gradient of {name}", x, expected)
    after = nn.torch_state_dict(mine)
    for name, expected in module.state_dict().items():
        if name in after:
            problem = problem or _unequal(f"{name} afterwards", after[name], expected)
    return problem


def _flat(y: Any) -> list[Any]:
    """List the results of a module: one, or several, of which some may be tuples or `None`."""
    if isinstance(y, tuple):
        return [part for entry in y for part in _flat(entry)]
    return [] if y is None else [y]


def _mapped(x: Any, nodes: dict[int, TensorNode]) -> Any:
    if isinstance(x, tuple):
        return tuple([_mapped(entry, nodes) for entry in x])
    return nodes.get(id(x), _array(x))


def modules() -> Iterator[tuple[str, str, str]]:
    """Compare all modules: give name, settings and problem of each input."""
    for info in module_db:
        name = info.module_cls.__name__
        ours = getattr(nn, name, None)
        if ours is None:
            continue
        for dtype in ("float32", "float64"):
            for training in (True, False):
                torch.manual_seed(0)
                for given in info.module_inputs_func(
                    info, "cpu", getattr(torch, dtype), requires_grad=True, training=training
                ):
                    settings = given.constructor_input.kwargs
                    try:
                        problem = compare_module(info.module_cls, ours, given, dtype, training)
                    except Exception as error:
                        problem = f"{type(error).__name__}: {str(error)[:200]}"
                    yield name, f"{given.constructor_input.args} {settings}", problem


# -- Optimizers -----------------------------------------------------------------------------------


def compare_optimizer(twin: type, ours: type, settings: dict[str, Any], dtype: str) -> str:
    """Make some steps with gradients that are equal; say what differs."""
    if lacks := _lacks(ours, settings):
        return f"left out: no setting {', '.join(lacks)}"
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(s).astype(dtype) for s in [(), (3,), (2, 4)]]
    tensors = [torch.tensor(x, requires_grad=True) for x in starts]
    nodes = [TensorNode(x.copy()) for x in starts]
    theirs = twin(tensors, **settings)
    mine = ours(nodes, **{name: _number(x) for name, x in settings.items()})
    for _ in range(STEPS):
        for tensor, node in zip(tensors, nodes, strict=True):
            gradient = np.asarray(rng.standard_normal(tensor.shape)).astype(dtype)
            tensor.grad, node.grad = torch.tensor(gradient), gradient.copy()
        theirs.step()
        mine.step()
    problems = [_unequal("parameter", n.value, t) for n, t in zip(nodes, tensors, strict=True)]
    return next(filter(None, problems), "")


def _lacks(ours: type, settings: dict[str, Any]) -> list[str]:
    """List the settings that an optimizer lacks; some take without effect how to compute."""
    names = {*inspect.signature(ours).parameters}
    names |= {"foreach", "fused", "capturable"} if "unused" in names else {*()}
    return sorted(settings.keys() - names)


def _number(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return tuple(map(_number, x))
    return x.numpy().copy() if isinstance(x, torch.Tensor) else x


def optimizers() -> Iterator[tuple[str, str, str]]:
    """Compare all optimizers: give name, settings and problem of each input."""
    for info in optim_db:
        name = info.optim_cls.__name__
        ours = getattr(optim, name, None)
        if ours is None:
            continue
        for dtype in ("float32", "float64"):
            for given in info.optim_inputs_func(device="cpu", dtype=getattr(torch, dtype)):
                try:
                    problem = compare_optimizer(info.optim_cls, ours, given.kwargs, dtype)
                except Exception as error:
                    problem = f"{type(error).__name__}: {str(error)[:200]}"
                yield name, given.desc, problem
        for refused in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
            given = refused.optimizer_error_input
            yield name, given.desc, _refusal(ours, given)


def _refusal(ours: type, given: Any) -> str:
    """Try what PyTorch refuses."""
    if lacks := _lacks(ours, given.kwargs):
        return f"left out: no setting {', '.join(lacks)}"
    nodes: dict[int, TensorNode] = {}

    def converted(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return nodes.setdefault(id(x), TensorNode(_array(x)))
        if isinstance(x, dict):
            return {k: converted(v) for k, v in x.items()}
        return type(x)(map(converted, x)) if isinstance(x, list | tuple) else x

    parameters = converted(given.params) if given.params is not None else [TensorNode(np.ones(2))]
    try:
        ours(parameters, **{name: _number(x) for name, x in given.kwargs.items()})
    except (ValueError, TypeError):
        return ""
    except Exception as error:
        return f"raw {type(error).__name__}: {error}"
    return f"accepted, but PyTorch refuses: {given.desc}"


def main() -> int:
    parser = Parser(
        description="Run PyTorch's inputs of modules and optimizers.",
        examples={"python tests/search/torch_modules.py --only Linear": "some of them"},
    )
    parser.add_argument("--only", default="", help="names that contain this")
    args = parser.parse_args()
    differ = 0
    for what, found in (("modules", modules()), ("optimizers", optimizers())):
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        names = set()
        for name, settings, problem in found:
            if args.only not in name:
                continue
            names.add(name)
            kind, reason = _kind(name, problem)
            counts[kind] += 1
            if reason:
                reasons[f"{kind}: {name}: {reason}"] += 1
            elif problem:
                print(f"{name} {settings}: {problem}")
        for reason, n in sorted(reasons.items()):
            print(f"{n} {reason}")
        print(f"{len(names)} {what}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
        differ += counts["differ"]
    return differ > 0


def _kind(name: str, problem: str) -> tuple[str, str]:
    """Say whether an input agrees, is left out, is explained, or differs; and the reason."""
    if not problem:
        return "agree", ""
    if problem.startswith("left out: "):
        return "left out", problem.removeprefix("left out: ")
    for kind, table in (("left out", LEFT_OUT), ("explained", DIFFERENT)):
        for start, words, reason in table:
            if name.startswith(start) and words in problem:
                return kind, reason
    return "differ", ""


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sys.exit(main())
