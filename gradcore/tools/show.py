"""Show a computation graph and its backward pass in a web page: one file, which needs no network.

This file collects what the page shows, in a dictionary that is written as JSON; the folder `page/`
has the page, which reads it.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..backends import backend_of
from ..engine.arrays import NUMBER_TYPES, conj, describe, flat, is_complex, is_node, value_of
from ..engine.hooks import watching
from ..graph import Op, OpNode, TensorNode, backpropagate
from ..ops.unary import OfInput, OfOutput
from .alive import bytes_of, memory
from .folding import Folding, Key
from .formulas import FORMULAS
from .outline import outline
from .pictures import FEW, Picture, image_side, picture

__all__ = ["show"]

VANISHED = 1e-7  # gradients of which no element is larger count as vanished
_CELLS = 1_500_000  # how many elements of large arrays are kept, of all arrays together


def show(loss: TensorNode, path: str | Path | None = None) -> Path:
    """Write a web page in which the graph of a loss and its backward pass are seen, op by op.

    The page shows each op's inputs, outputs and gradients, its formula and source, what it saved,
    and how much memory the graph holds; and it marks where the first NaN, the first infinity and
    the first vanishing gradient arise. The page is one file, and needs no network.

    The gradients come from a backward pass of its own, which goes through the hooks of nodes, as
    all passes do. The pass changes no `.grad`, and the graph stays as it was: call `show` before
    `loss.backward()`, or after `loss.backward(retain_graph=True)`. Values are those of the
    moment: call `show` before `optimizer.step()`.

    Args:
        loss: a real node of one element.
        path: the file to write, whose name ends in .html. `None`: write a temporary file, and show
            it in the notebook, or in the browser where there is a screen; else print where it is.

    Returns:
        The path of the file.

    Raises:
        TypeError: `loss` is not a node.
        ValueError: `loss` has more than one element, is complex, or no op computed it; or the name
            of the file ends otherwise.
        RuntimeError: an earlier backward pass released the graph.

    Example:
        >>> x = TensorNode([1.0, 2.0], name="x")
        >>> path = gradcore.show((x * x).sum(), "loss.html")
        >>> path.name
        'loss.html'
    """
    if not isinstance(loss, TensorNode):
        raise TypeError(f"show: expected a node, such as a loss, not {type(loss).__name__}")
    if loss.size != 1 or is_complex(loss.value):
        advice = "show starts from a real scalar; sum first, as in show(x.sum())"
        raise ValueError(f"show: the node is {describe(loss)}, and {advice}")
    if loss.source is None or not loss.requires_grad:
        problem = "no op computed this node from one that requires a gradient"
        raise ValueError(f"show: {problem}; call the model outside of no_grad(), and show its loss")
    if path is not None and Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"show: {str(path)!r} must end in .html, as in show(loss, 'loss.html')")
    text = _page(_Collected(loss).data())
    if path is not None:
        path = Path(path)
        path.write_text(text, "utf-8")
        return path.resolve()
    import tempfile

    handle, name = tempfile.mkstemp(prefix="gradcore-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    if not _open(Path(name), text):
        print(f"show: wrote {name}; open this file in a browser")
    return Path(name)


def _page(data: dict[str, Any]) -> str:
    """Put the data, the styles and the program into the page."""
    folder = Path(__file__).parent / "page"
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    page = (folder / "show.html").read_text("utf-8")
    for name in ("show.css", "graph.js", "arrays.js", "show.js"):
        page = page.replace(f"/* {name} */", (folder / name).read_text("utf-8"))
    return page.replace('{"show": "data"}', text.replace("<", "\\u003c"))


def _open(path: Path, text: str) -> bool:
    """Show the page in the notebook that runs, or else in a browser, where there is a screen. Say
    whether it is shown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        from html import escape

        frame = 'style="width: 100%; height: 46rem; border: 0" title="Backprop, seen"'
        page = f'<iframe srcdoc="{escape(text)}" {frame}></iframe>'
        sys.modules["IPython"].display.display({"text/html": page}, raw=True)
        return True
    if sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        import webbrowser  # which finds browsers in a terminal, too, where there is no screen

        return webbrowser.open(path.as_uri())
    return False


class _Collected:
    """What the page shows of a graph, and of a backward pass through it.

    Attributes:
        graph: the ops, and the modules that they are in.
        number: the place of each op in the order of the forward pass.
        kinds: the classes of the ops, numbered.
        gradients: by key of a value, the picture of its gradient.
        steps: by the number of an op, in the order of the backward pass, the largest element of its
            outputs' gradients, and that of the gradient that its backward gave to each input.
    """

    def __init__(self, loss: TensorNode) -> None:
        self.loss = loss
        self.graph = graph = Folding([loss])
        if any(op.context is None for op in graph.ops):
            problem = "an earlier backward pass released this graph"
            advice = "call show(loss) before loss.backward(), or loss.backward(retain_graph=True)"
            raise RuntimeError(f"show: {problem}; {advice}")
        self.number = {op: i for i, op in enumerate(graph.ops)}
        self.kinds = {op: k for k, op in enumerate(dict.fromkeys(node.op for node in graph.ops))}
        keys = [key for inputs in graph.inputs for key in inputs] + [*graph.things]
        self.things = {
            key: graph.things[key]
            for key in dict.fromkeys(keys)
            if type(graph.things[key]) not in NUMBER_TYPES
        }
        self.index = {key: n for n, key in enumerate(self.things)}
        self.cells = max(64, min(16384, _CELLS // (2 * len(self.things))))
        self.few = FEW if len(self.things) <= 1000 else 16
        data = [x for key, x in self.things.items() if key[0] < 0 and not _wants_gradient(x)]
        self.sides = {side**2: side for x in data if (side := image_side(tuple(x.shape)))}
        self.values = {key: self._picture(x, key) for key, x in self.things.items()}
        self.gradients: dict[Key, Picture] = {}
        self.steps: dict[int, tuple[float, dict[int, float]]] = {}
        self._run_backward()

    def _picture(self, x: Any, key: Key) -> Picture:
        """Make the picture of a value, or of the gradient of the value with this key."""
        x, thing = value_of(x), self.things[key]
        data = key[0] < 0 and not _wants_gradient(thing)
        side = self.sides.get(x.shape[-1], 0) if len(x.shape) == 2 else 0
        return picture(x, self.cells, side, self.few, data)

    # -- The backward pass --------------------------------------------------------------------

    def _run_backward(self) -> None:
        """Run a backward pass that keeps the graph and gives its gradients to nodes of its own."""
        leaves = [key for key, x in self.things.items() if key[0] < 0 and _wants_gradient(x)]
        into = {self.things[key]: TensorNode(self.things[key].value) for key in leaves}
        one = backend_of(self.loss.value).xp.ones_like(self.loss.value)
        with watching(self):
            backpropagate([(self.loss, one)], retain=True, create=False, into=into)
        for key in leaves:
            copy = into[self.things[key]]
            if copy.has_grad:
                self.gradients[key] = self._picture(conj(copy.grad), key)

    def after_forward(self, op: type[Op], inputs: Any, outputs: Any) -> None:
        """Do nothing: an op that a backward applies is not of this graph."""

    def before_backward(self, opnode: OpNode) -> None:
        """Do nothing."""

    def after_recomputing(self, call: Any, values: Any) -> None:
        """Do nothing."""

    def after_backward(self, opnode: OpNode, gos: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Note the gradients of an op's outputs, which are complete, and the size of those that its
        backward gave."""
        i = self.number.get(opnode)
        if i is None:  # of a graph inside, as that of `checkpoint`, or of another thread
            return
        for k, go in enumerate(gos):
            if go is not None and (i, k) in self.things:
                self.gradients[i, k] = self._picture(conj(go), (i, k))
        asked = enumerate(zip(opnode.inputs, gradients, strict=True))
        given = {
            k: _largest(g) for k, (x, g) in asked if g is not None and g.size and _wants_gradient(x)
        }
        largest = max((_largest(go) for go in gos if go is not None), default=0.0)
        self.steps[i] = largest, given

    # -- What the page reads ------------------------------------------------------------------

    def data(self) -> dict[str, Any]:
        """Collect all that the page shows."""
        names = [opnode.op.__name__ for opnode in self.graph.ops]
        groups, tree = outline(self.graph.paths, names)
        return {
            "loss": self.loss.name or "loss",
            "backend": backend_of(self.loss.value).name,
            "values": [self._value(key) for key in self.things],
            "ops": [self._op(i) for i in range(len(self.graph.ops))],
            "kinds": [_kind(op) for op in self.kinds],
            "groups": groups,
            "tree": tree,
            "backward": [*self.steps],
            "largest": [
                float(f"{x:.3g}") if math.isfinite(x) else str(x) for x, _ in self.steps.values()
            ],
            "memory": memory(self.graph, self.loss, [*self.steps], self.gradients),
            "findings": self._findings(),
            "vanished": VANISHED,
        }

    def _value(self, key: Key) -> dict[str, Any]:
        """Describe a value: a node's, or a constant array."""
        x = self.things[key]
        kind = "data" if key[0] < 0 else "result"
        if key[0] < 0 and _wants_gradient(x):
            kind = "parameter"
        result = {
            "name": self._name(x) or ("loss" if x is self.loss else ""),
            "kind": kind,
            "shape": list(x.shape),
            "dtype": str(value_of(x).dtype).rpartition(".")[2],
            "bytes": bytes_of(value_of(x)),
            "value": self.values[key],
        }
        if key in self.gradients:
            result["gradient"] = self.gradients[key]
        return result

    def _op(self, i: int) -> dict[str, Any]:
        """Describe an op: its inputs by name, its outputs, and what it saved."""
        opnode, graph = self.graph.ops[i], self.graph
        inputs = [
            repr(graph.things[key]) if key not in self.index else self.index[key]
            for key in graph.inputs[i]
        ]
        outputs = [self.index[i, y.index] for y in opnode.outputs if (i, y.index) in self.index]
        names = _input_names(opnode.op, len(inputs))
        saved = [
            [key, self._saved(opnode, x, names)]
            for key, x in (opnode.context or {}).items()
            if not key.startswith("_")
        ]
        return {
            "op": opnode.op.__name__,
            "kind": self.kinds[opnode.op],
            "inputs": inputs,
            "names": names,
            "outputs": outputs,
            "saved": saved,
        }

    def _saved(self, opnode: Any, x: Any, names: list[str]) -> str:
        """Say what an entry of the context is."""
        if not hasattr(x, "dtype"):
            arrays = [describe(value_of(e)) for e in flat([x]) if hasattr(e, "dtype")]
            text = ", ".join(arrays) or repr(x)
            return text if len(text) <= 80 else f"{text[:77]}..."
        text = describe(x)
        for name, a in zip(names, opnode.arrays, strict=False):
            if a is x:
                return f"{text}, the input {name} itself"
        if any(y.value is x for y in opnode.outputs):
            return f"{text}, the output itself"
        return f"{text}, {bytes_of(x):,} bytes"

    # -- NaN, infinity, and gradients that vanish ---------------------------------------------

    def _findings(self) -> list[dict[str, Any]]:
        """Find the steps at which the first NaN, infinity and vanishing gradient arise."""
        found: dict[str, dict[str, Any]] = {}

        def note(kind: str, step: int, text: str) -> None:
            found.setdefault(kind, {"kind": kind, "step": step, "text": text})

        for i, opnode in enumerate(self.graph.ops):
            name, inputs = opnode.op.__name__, self.graph.inputs[i]
            outputs = [(i, k) for k in range(len(opnode.refs)) if (i, k) in self.things]
            for word, kind in (("nan", "NaN"), ("infinite", "infinity")):
                begins, what = kind[0].upper() + kind[1:], f"{kind} in values"
                before = [key for key in inputs if self._has(key, word)]
                for key in before:  # infinite constants, as masks are, are no fault
                    x = self.graph.things[key]
                    if key[0] < 0 and (kind == "NaN" or _wants_gradient(x)):
                        text = f"{begins} was there before the first op: in {self._label(key)}"
                        note(what, i, f"{text}, which {name} takes")
                made = [key for key in outputs if self._has(key, word)]
                if made and not before:
                    shape = tuple(self.things[outputs[0]].shape)
                    note(what, i, f"{begins} begins in {name}, whose output is {shape}")
        for step, (i, (incoming, given)) in enumerate(self.steps.items(), len(self.graph.ops)):
            name = self.graph.ops[i].op.__name__
            if not math.isnan(incoming) and any(map(math.isnan, given.values())):
                note("NaN in gradients", step, f"NaN begins in the backward of {name}")
            if not math.isinf(incoming) and math.inf in given.values():
                note("infinity in gradients", step, f"Infinity begins in the backward of {name}")
            small = [k for k, g in given.items() if g <= VANISHED]
            onward = [k for k in small if self.graph.inputs[i][k][0] >= 0]
            # A parameter alone may have none, as a bias before BatchNorm.
            if incoming > VANISHED and (onward or len(small) == len(given) > 0):
                text = f"the largest element given is {min(given[k] for k in small):.2g}"
                text = f"A gradient vanishes in {name}: {text}, of gradients up to {incoming:.2g}"
                note("vanishing gradient", step, text)
        return list(found.values())

    def _name(self, x: Any) -> str:
        """Name a node: as its user did, or by its place in a module."""
        return getattr(x, "name", None) or self.graph.names.get(id(x), "")

    def _label(self, key: Key) -> str:
        """Say what an input of an op is."""
        x = self.graph.things[key]
        if key not in self.index:
            return f"the number {x}"
        return f"{self._name(x) or 'an input'} {tuple(x.shape)}"

    def _has(self, key: Key, word: str) -> bool:
        """Whether a value has NaN ("nan") or infinities ("infinite")."""
        if key in self.values:
            return word in self.values[key]
        x = self.graph.things[key]
        return x != x if word == "nan" else abs(x) == math.inf


def _wants_gradient(x: Any) -> bool:
    """Whether x is a node that requires a gradient."""
    return is_node(x) and x.requires_grad


def _largest(x: Any) -> float:
    """Find the largest absolute value; NaN and infinity count as larger than all numbers."""
    xp = backend_of(x).xp
    if not math.prod(x.shape):
        return 0.0
    return float(xp.max(xp.abs(x)))


@lru_cache(1000)
def _input_names(op: type[Op], n: int) -> list[str]:
    """List the names of an op's inputs in the signature of its forward: b, b of `*b` are b0, b1."""
    names: list[str] = []
    for parameter in list(inspect.signature(op.forward).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = n - len(names)
            names += [f"{parameter.name}{k if rest > 1 else ''}" for k in range(rest)]
        else:
            names.append(parameter.name)
    return [*names, *[f"input {k}" for k in range(len(names), n)]][:n]


def _kind(op: type[Op]) -> dict[str, Any]:
    """Describe an op's class: what it does, its formulas, and the source of both its functions."""
    functions: list[Any] = [op.forward, op.backward]
    if issubclass(op, OfInput | OfOutput) and "function" in op.forward.__code__.co_freevars:
        functions = [op.function, op.gradient]  # of which unary.py makes the two
    doc = inspect.cleandoc(vars(op).get("__doc__") or "").partition("\n\n")[0]
    return {
        "doc": " ".join(doc.split()),
        "formulas": FORMULAS.get(op.__name__) if op.__module__.startswith("gradcore.") else None,
        "file": op.__module__.replace(".", "/") + ".py",
        "source": [_source(function) for function in functions],
    }


def _source(function: Any) -> list[Any] | None:
    """Give the number of the first line and the text of a function, where its file is at hand."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    return [first, textwrap.dedent("".join(lines)).rstrip()]
