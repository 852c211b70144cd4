"""Sequential, and lists and dictionaries of modules and parameters."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, nn


def linears(n: int) -> list[nn.Linear]:
    return [nn.Linear(2, 2, bias=False) for _ in range(n)]


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def test_a_sequential_of_named_modules() -> None:
    model = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 1), act=nn.ReLU(), norm=nn.GELU()))
    assert names(model) == ["conv.w", "conv.b"]
    assert model.conv is model[0]
    assert model.get_parameter("conv.weight") is model.conv.w
    assert list(model) == [model.conv, model.act, model.norm] == list(model.layers)
    model.norm = nn.Tanh()  # the attribute is what is called
    assert model[-1] is model.norm
    assert len(model) == 3
    model.add_module("head", nn.Linear(2, 2))
    assert model[-1] is model.head
    del model.act
    assert list(model) == [model.conv, model.norm, model.head]


def test_a_sequential_that_changes() -> None:
    a, b, c, d = linears(4)
    model = nn.Sequential(a, b)
    assert model.append(c) is model
    assert model.insert(0, d) is model
    assert list(model) == [d, a, b, c]
    assert names(model) == ["0.w", "1.w", "2.w", "3.w"]
    model[1] = gradcore.relu
    assert names(model) == ["0.w", "2.w", "3.w"]
    del model[0]
    assert names(model) == ["1.w", "2.w"]
    assert list(model) == [gradcore.relu, b, c]
    assert model.pop(-1) is c
    assert list(model.extend([d, c])) == [gradcore.relu, b, d, c]
    del model[1:3]
    assert list(model) == [gradcore.relu, c]
    assert list(model + nn.Sequential(a)) == [gradcore.relu, c, a]
    x = TensorNode(np.ones((1, 2), "float32"))
    assert (model(x).value == c(gradcore.relu(x)).value).all()


def test_a_slice_of_a_sequential_keeps_its_names() -> None:
    a, b, c = linears(3)
    part = nn.Sequential(a, b, c)[1:]
    assert names(part) == ["1.w", "2.w"]
    assert list(part) == [b, c]
    assert list(part.append(a)) == [b, c, a]
    assert len(names(part)) == 3


def test_a_class_made_from_sequential_may_have_other_attributes() -> None:
    class Block(nn.Sequential):
        def __init__(self, n: int) -> None:
            super().__init__(nn.Linear(n, n), nn.ReLU())
            self.out_channels, self.norm_layer, self.kind = n, nn.BatchNorm2d, {"a": n}

    model = Block(3)
    assert len(model) == 2
    assert len(model.eval()) == 2
    assert model(TensorNode(np.ones((1, 3), "float32"))).shape == (1, 3)
    assert type(model[:1]) is nn.Sequential
    again = copy.deepcopy(model)
    assert names(again) == ["0.w", "0.b"]
    assert again.out_channels == 3
    assert names(pickle.loads(pickle.dumps(model[:1]))) == ["0.w", "0.b"]


def test_a_list_of_modules() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(linears(2))
            self.blocks.append(nn.Linear(2, 2, bias=False))

    net = Net()
    assert names(net) == ["blocks.0.w", "blocks.1.w", "blocks.2.w"]
    first, second, third = net.blocks
    assert net.blocks[-1] is third
    part = net.blocks[1:]
    assert type(part) is nn.ModuleList
    assert names(part) == ["0.w", "1.w"]
    net.blocks += [first]
    assert len(net.blocks) == 4
    net.blocks.insert(1, third)
    assert list(net.blocks) == [first, third, second, third, first]
    assert second in net.blocks
    net.eval()
    assert not second.training
    with pytest.raises(NotImplementedError, match="ModuleList has no method forward"):
        net.blocks(1)


def test_a_dictionary_of_modules() -> None:
    a, b = linears(2)
    choices = nn.ModuleDict({"conv": a, "lrelu": nn.LeakyReLU()})
    choices["other"] = b
    assert list(choices) == list(choices.keys()) == ["conv", "lrelu", "other"]
    assert choices["conv"] is choices.conv is a
    assert "other" in choices
    assert names(choices) == ["conv.w", "other.w"]
    assert choices.pop("other") is b
    del choices["conv"]
    assert [type(x) for x in choices.values()] == [nn.LeakyReLU]
    choices.update([("x", a)])
    assert dict(choices.items())["x"] is a
    choices.clear()
    assert len(choices) == 0


def test_lists_and_dictionaries_of_parameters() -> None:
    node = TensorNode([1.0])
    net = nn.Module()
    net.list = nn.ParameterList([node, np.ones(2)])
    net.dict = nn.ParameterDict({"left": node, "right": [1.0, 2.0]})
    assert names(net) == ["list.0", "list.1", "dict.right"]
    assert net.list[0] is node is net.dict["left"]
    assert net.dict.right.requires_grad
    net.list.append(TensorNode([3.0]))
    assert len(net.list) == len(list(net.list)) == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.ModuleList([1]), TypeError, "0 is a int, expected a Module"),
        (lambda: nn.ModuleDict({"a": gradcore.relu}), TypeError, "a is a function, expected"),
        (lambda: nn.Sequential({"a": gradcore.relu}), TypeError, "a is a function, expected"),
        (lambda: nn.ModuleDict({"keys": nn.ReLU()}), KeyError, "has an attribute 'keys'"),
        (lambda: nn.ModuleDict({"a.b": nn.ReLU()}), KeyError, "'a.b', expected a word"),
        (lambda: nn.ModuleDict({"": nn.ReLU()}), KeyError, "'', expected a word"),
        (lambda: nn.Sequential({"forward": nn.ReLU()}), KeyError, "an attribute 'forward'"),
        (lambda: nn.Sequential(nn.ReLU())[1], IndexError, "no entry 1; it has 1"),
        (lambda: nn.ModuleList(linears(2)).insert(3, nn.ReLU()), IndexError, "inserted at 3 of 2"),
        (lambda: nn.Sequential(nn.ReLU()).append(3), TypeError, "is a int, expected a module or"),
        (lambda: nn.ModuleDict()["a"], KeyError, "a"),
    ],
)
def test_refusals(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
