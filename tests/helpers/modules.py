"""What tests of modules share: their numbers on the host, and whether two states are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore.backends import backend_of


def numbers(backend: Any, nodes: Any) -> list[Any]:
    return [backend.to_numpy(node.value).tolist() for node in nodes]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(backend_of(x).to_numpy(x), backend_of(second[name]).to_numpy(second[name]))
        for name, x in first.items()
    )


# -- Programs as people write them for PyTorch, with `nn` from there or from gradcore --------------


def classifier(nn: Any, flatten: Any) -> Any:
    """A small ResNet, as in torchvision."""

    class BasicBlock(nn.Module):
        def __init__(self, inplanes, planes, stride=1, downsample=None):
            super().__init__()
            self.conv1 = nn.Conv2d(inplanes, planes, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.downsample = downsample
            self.stride = stride

        def forward(self, x):
            identity = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            if self.downsample is not None:
                identity = self.downsample(x)
            return self.relu(out + identity)

    class ResNet(nn.Module):
        def __init__(self, layers=(2, 2, 1), num_classes=5):
            super().__init__()
            self.inplanes = 8
            self.conv1 = nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(8)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
            self.layer1 = self._make_layer(8, layers[0])
            self.layer2 = self._make_layer(16, layers[1], stride=2)
            self.layer3 = self._make_layer(32, layers[2], stride=2)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(32, num_classes)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)
            for m in self.modules():
                if isinstance(m, BasicBlock) and m.bn2.weight is not None:
                    nn.init.constant_(m.bn2.weight, 0)

        def _make_layer(self, planes, blocks, stride=1):
            downsample = None
            if stride != 1 or self.inplanes != planes:
                downsample = nn.Sequential(
                    nn.Conv2d(self.inplanes, planes, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(planes),
                )
            layers = [BasicBlock(self.inplanes, planes, stride, downsample)]
            self.inplanes = planes
            layers += [BasicBlock(self.inplanes, planes) for _ in range(1, blocks)]
            return nn.Sequential(*layers)

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.fc(flatten(self.avgpool(x), 1))

    return ResNet()


def language_model(nn: Any, softmax: Any, causal: Any, size: int = 11, width: int = 8) -> Any:
    """A small GPT, as in minGPT, with the head tied to the embedding."""

    class SelfAttention(nn.Module):
        def __init__(self, heads=2):
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
            self.proj = nn.Linear(width, width)
            self.drop = nn.Dropout(0.0)
            self.register_buffer("mask", causal.reshape(1, 1, 8, 8))
            self.heads = heads

        def forward(self, x):
            n, t, c = x.shape
            rows = x.reshape(n * t, c)
            q, k, v = (
                f(rows).reshape(n, t, self.heads, c // self.heads).swapaxes(1, 2)
                for f in (self.q, self.k, self.v)
            )
            att = (q @ k.swapaxes(2, 3)) * (c // self.heads) ** -0.5
            att = softmax(att - 1e9 * (1 - self.mask[:, :, :t, :t]))
            y = (self.drop(att) @ v).swapaxes(1, 2).reshape(n * t, c)
            return self.proj(y).reshape(n, t, c)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1 = nn.LayerNorm(width)
            self.attn = SelfAttention()
            self.ln_2 = nn.LayerNorm(width, bias=False)
            self.mlp = nn.ModuleDict(
                {
                    "c_fc": nn.Linear(width, 3 * width),
                    "act": nn.GELU(),
                    "c_proj": nn.Linear(3 * width, width),
                }
            )

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            y = self.ln_2(x).reshape(-1, width)
            for name in ("c_fc", "act", "c_proj"):
                y = self.mlp[name](y)
            return x + y.reshape(x.shape)

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.transformer = nn.ModuleDict(
                {
                    "wte": nn.Embedding(size, width),
                    "h": nn.ModuleList([Block() for _ in range(2)]),
                    "ln_f": nn.LayerNorm(width),
                }
            )
            self.pos = nn.Parameter(self.transformer["wte"].weight[:8])
            self.lm_head = nn.Linear(width, size, bias=False)
            self.transformer.wte.weight = self.lm_head.weight
            self.apply(self._init_weights)

        def _init_weights(self, module):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)

        def forward(self, tokens):
            x = self.transformer.wte(tokens) + self.pos[: tokens.shape[1]]
            for block in self.transformer.h:
                x = block(x)
            return self.lm_head(self.transformer.ln_f(x).reshape(-1, width))

    return GPT()
