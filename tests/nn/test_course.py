"""Models and training loops as the course library has them."""

from __future__ import annotations

import numpy as np
from modules import same

import gradcore
from gradcore import TensorNode, manual_seed, optim


class CourseMLP(gradcore.Module):
    """The model of the course's experiments/train_mlp.py."""

    def __init__(self, input_size, output_size, hidden_mult=4):
        super().__init__()
        hidden_size = hidden_mult * input_size
        self.layer1 = gradcore.Linear(input_size, hidden_size)
        self.layer2 = gradcore.Linear(hidden_size, output_size)

    def forward(self, input):  # noqa: A002
        assert len(input.size()) == 2
        hidden = gradcore.sigmoid(self.layer1(input))
        return gradcore.logsoftmax(self.layer2(hidden))

    def parameters(self):
        return self.layer1.parameters() + self.layer2.parameters()


def test_the_courses_training_loop(backend):
    manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = rng.normal(size=(60, 2)) + 2 * y[:, None]
    xtrain, ytrain = backend.asarray(x, "float32"), backend.asarray(y)
    mlp = CourseMLP(input_size=2, output_size=2)
    assert len(mlp.parameters()) == 4
    losses = []
    for _ in range(15):
        cl = 0.0
        for fr in range(0, 60, 16):
            to = min(fr + 16, 60)
            batch = gradcore.TensorNode(value=xtrain[fr:to, :])
            loss = gradcore.logceloss(mlp(batch), ytrain[fr:to])
            cl += loss.value
            loss.backward()
            for parm in mlp.parameters():
                parm.value -= 0.05 * parm.grad
            loss.zero_grad()
            loss.clear()
        losses.append(float(cl) / 60)
    assert not any(p.has_grad for p in mlp.parameters())
    assert losses[-1] < 0.5 * losses[0]
    assert len(mlp.state_dict()) == 4


def test_ops_share_contexts_as_the_courses_tests_do(backend):
    x = backend.asarray([[0.0, 1.0], [4.0, 0.0], [9.0, 0.0]])
    go = backend.asarray([0.125, 1.125, 2.125])
    context = {}
    gradcore.RowMax.forward(context, x)
    found = backend.to_numpy(gradcore.RowSum.backward(context, go))
    np.testing.assert_array_equal(found, [[0.125] * 2, [1.125] * 2, [2.125] * 2])


def test_sgd_is_the_courses_update(backend):
    manual_seed(0)
    first, second = CourseMLP(3, 2), CourseMLP(3, 2)
    second.load_state_dict(first.state_dict())
    optimizer = optim.SGD(second.parameters(), lr=0.1)
    x = backend.asarray(np.random.default_rng(0).normal(size=(8, 3)), "float32")
    t = backend.asarray(np.arange(8) % 2)
    for _ in range(5):
        for mlp in (first, second):
            gradcore.logceloss(mlp(TensorNode(x)), t).backward()
        for parm in first.parameters():
            parm.value -= 0.1 * parm.grad
        optimizer.step()
        first.zero_grad()
        optimizer.zero_grad()
    assert same(first.state_dict(), second.state_dict())
