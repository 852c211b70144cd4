"""The models and losses of the examples in PyTorch, with the names of gradcore's weights."""

from __future__ import annotations

from functools import partial
from math import pi
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
F = torch.nn.functional
nn = torch.nn


class VAE(nn.Module):
    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        self.encode = nn.Linear(784, hidden)
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decode1, self.decode2 = nn.Linear(latent, hidden), nn.Linear(hidden, 784)

    def loss(self, x: Any, eps: Any) -> Any:
        h = F.relu(self.encode(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + eps * torch.exp(0.5 * log_variance)
        logits = self.decode2(F.relu(self.decode1(z)))
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return reconstruction - 0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())


class Solution(nn.Module):
    def __init__(self, width: int, viscosity: float) -> None:
        super().__init__()
        sizes = [(2, width), (width, width), (width, width), (width, 1)]
        self.layers = nn.ModuleList([nn.Linear(m, n) for m, n in sizes])
        self.viscosity = viscosity

    def forward(self, x: Any, t: Any) -> Any:
        h = torch.stack([x, t], 1)
        for layer in self.layers[:-1]:
            h = torch.tanh(layer(h))
        return t * (1 - x * x) * self.layers[-1](h)[:, 0] - torch.sin(pi * x)

    def loss(self, x: Any, t: Any) -> Any:
        x, t = x.clone().requires_grad_(), t.clone().requires_grad_()
        u = self(x, t)
        slope = partial(torch.autograd.grad, create_graph=True)
        u_x, u_t = slope(u.sum(), (x, t))
        (u_xx,) = slope(u_x.sum(), x)
        return ((u_t + u * u_x - self.viscosity * u_xx) ** 2).mean()


class Player(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.policy1, self.policy2 = nn.Linear(4, hidden), nn.Linear(hidden, 2)
        self.value1, self.value2 = nn.Linear(4, hidden), nn.Linear(hidden, 1)

    def loss(self, states: Any, right: Any, returns: Any, going: Any) -> Any:
        expected = self.value2(torch.tanh(self.value1(states)))[:, 0]
        choice = torch.distributions.Categorical(
            logits=self.policy2(torch.tanh(self.policy1(states)))
        )
        taken = choice.log_prob(right.long())
        losses = (expected - returns) ** 2 - taken * (returns - expected.detach())
        return (losses * going).sum() / going.sum()


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)
        self.conv1, self.norm1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Any) -> Any:
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class UNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        enlarge = partial(nn.ConvTranspose2d, kernel_size=2, stride=2)
        self.down1, self.down2 = Block(3, width), Block(width, 2 * width)
        self.bottom = Block(2 * width, 4 * width)
        self.enlarge2, self.up2 = enlarge(4 * width, 2 * width), Block(4 * width, 2 * width)
        self.enlarge1, self.up1 = enlarge(2 * width, width), Block(2 * width, width)
        self.out = nn.Conv2d(width, 11, 1)

    def loss(self, images: Any, masks: Any) -> Any:
        full = self.down1((images.double() - 127.5) / 127.5)
        half = self.down2(F.max_pool2d(full, 2))
        h = self.enlarge2(self.bottom(F.max_pool2d(half, 2)))
        h = self.enlarge1(self.up2(torch.cat([half, h], 1)))
        return F.cross_entropy(self.out(self.up1(torch.cat([full, h], 1))), masks)


class Reader(nn.Module):
    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(96, width)
        self.layers = nn.LSTM(width, width, layers, batch_first=True)
        self.out = nn.Linear(width, 96)

    def loss(self, x: Any, y: Any) -> Any:
        return F.cross_entropy(
            self.out(self.layers(self.characters(x))[0].flatten(0, 1)), y.flatten()
        )


class GPTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.ModuleDict(
            {"look": nn.Linear(width, 3 * width), "project": nn.Linear(width, width)}
        )
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Any) -> Any:  # (N, T, width)
        parts = self.attention["look"](self.norm1(h)).chunk(3, -1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.attention["project"](y.transpose(1, 2).flatten(2))
        return h + self.narrow(F.gelu(self.widen(self.norm2(h))))


class GPT(nn.Module):
    def __init__(self, context: int, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(96, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList([GPTBlock(width, heads) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 96)

    def loss(self, x: Any, y: Any) -> Any:
        h = self.characters(x) + self.places.weight[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(self.out(self.norm(h)).flatten(0, 1), y.flatten())
