"""Use gradcore as a typed program does: `mypy --strict` passes, and the program runs."""

import tempfile
from pathlib import Path
from typing import Any

import numpy

import gradcore
import gradcore.autograd.numpy as anp
import gradcore.autograd.numpy.random as npr
import gradcore.linalg
import gradcore.numpy as np
import gradcore.special
from gradcore import TensorNode, array_api, grad, namespace, nn, optim
from gradcore.autograd import elementwise_grad, hessian_vector_product, value_and_grad
from gradcore.autograd import grad as autograd_grad
from gradcore.autograd.extend import defvjp, primitive
from gradcore.autograd.misc.flatten import flatten
from gradcore.autograd.misc.optimizers import adam
from gradcore.autograd.scipy import special as autograd_special
from gradcore.autograd.scipy.special import gammaln, logsumexp
from gradcore.autograd.scipy.stats import norm
from gradcore.autograd.test_util import check_grads
from gradcore.data import DataLoader
from gradcore.distributions import Normal, kl_divergence
from gradcore.linalg import vector_norm
from gradcore.numpy import fft, random
from gradcore.special import erf, gammainc, log_ndtr


def loss(x: TensorNode) -> TensorNode:
    y = x.sum() + x.mean(axis=0).std() + x.T.reshape(-1).astype(np.float64).max()
    y += (x.clip(0.0, 1.0) @ x.transpose()).trace() + x.detach().numpy().sum()
    y += np.sin(x).sum() + np.linalg.norm(x) + np.where(x > 0, x, -x).sum()
    y += numpy.sum(numpy.exp(x)) + gradcore.linalg.trace(x) + vector_norm(x)
    y += np.sum(gradcore.special.ndtr(x) + erf(x) + log_ndtr(x) + gammainc(x, x))
    y += np.fft.rfft(x).real.sum() + np.einsum("ij->", x) + fft.fft(x).imag.sum()
    y += (
        gradcore.sum(gradcore.exp(x), 0)[0] + gradcore.topk(x, 2).values.sum() + x.softmax(-1)[0, 0]
    )
    y += gradcore.linalg.solve_triangular(x.tril() + 1.0, x.view(3, 3), upper=False).float().sum()
    z: TensorNode = x * 2.0
    z[0] = z[1, ::-1]
    z -= 1.0
    parts = [row.sum() for row in z]
    value = y.detach()
    print(f"{y:.3f}", len(z), z.detach().tolist(), float(value), round(value, 2), value.item())
    return array_api.sum(y) + sum(parts)


a = np.array([1.0, 2.0], dtype=np.float32)
b = np.linspace(0, np.pi, 5)[np.newaxis] + np.arange(5) + random.randn(5)
np.add.at(a, 0, 1.0)
print(grad(loss)(np.ones((3, 3))), namespace(a).sum(a), np.add.reduce(a), b.shape)


@primitive
def cube(x: Any) -> Any:
    return x**3


defvjp(cube, lambda _, x: lambda g: g * 3 * x**2)


def f(x: Any) -> Any:
    y = anp.tanh(x) ** 2 + cube(x) + autograd_special.ndtr(x) + norm.logpdf(x, 0.0, 1.0)
    return anp.sum(y + gammaln(x)) + logsumexp(x)


print(autograd_grad(f)(anp.ones(3)), value_and_grad(f)(1.0), elementwise_grad(f)(anp.ones(2)))
print(hessian_vector_product(f)(anp.ones(3), npr.randn(3)))
check_grads(f, modes=["rev"], order=2)(1.0)
flat, unflatten = flatten({"a": anp.ones(3)})
print(unflatten(adam(lambda x, _: x, flat, num_iters=3)))


class Tagger(nn.Module):
    def __init__(self, words: int, tags: int) -> None:
        self.embedding = nn.Embedding(words, 8)
        self.lstm = nn.LSTM(8, 16, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, tags))

    def forward(self, x: Any) -> TensorNode:
        y, (h, c) = self.lstm(self.embedding(x))
        assert h.shape == c.shape
        scores: TensorNode = self.head(self.norm(y))
        return scores


words = numpy.arange(60).reshape(12, 5) % 7
model = Tagger(7, 3)
optimizer = optim.AdamW(
    [
        {"params": model.embedding.parameters(), "lr": 1e-2},
        {"params": [*model.lstm.parameters(), *model.norm.parameters(), *model.head.parameters()]},
    ],
    lr=1e-3,
)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
loader = DataLoader((words, words % 3), batch_size=4, shuffle=True)
for x, targets in loader:
    scores = model(x)
    error = nn.CrossEntropyLoss()(scores.swapaxes(1, 2), targets)
    error.backward()
    norm_of_all = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    scheduler.step()
    print(f"{error:.2f}", float(norm_of_all), scheduler.get_last_lr())
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "state.safetensors"
    gradcore.save(path, {"model": model, "optimizer": optimizer, "epoch": 1})
    print(gradcore.load(path, into={"model": model, "optimizer": optimizer})["epoch"])

best = gradcore.gather(TensorNode(numpy.eye(3)), 1, numpy.asarray([[0], [1], [2]]))
prior = Normal(0.0, 1.0)
posterior = Normal(TensorNode([0.5, -0.5]), 2.0)
sample = posterior.rsample((4,))
evidence = prior.log_prob(sample).sum() - kl_divergence(posterior, prior).sum()
print(gradcore.sum(best), evidence.shape, gradcore.summary(model, words[:4]).trainable)
attention = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32), 2)
print(attention(np.ones((5, 2, 16), dtype=np.float32)).shape, optimizer)
