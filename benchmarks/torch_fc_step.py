"""Training steps of VGG19's dense layers in PyTorch, for `benchmarks.fc_step`.

    python torch_fc_step.py 64 float32 foreach fused

Runs in a Python that has PyTorch and nothing of this project. Prints a JSON
object: seconds of a step by the kind of its SGD, the best of some steps.
bfloat16 is autocast, with weights in float32.
"""

import json
import sys
import time

import torch

_FEATURES, _WIDTH, _OFFSETS = 25088, 4096, 8
_PATCHES = 480
_STEPS = 4


class Network(torch.nn.Module):
    """fc6, fc7 and the spatial context module."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = torch.nn.Sequential(
            torch.nn.Linear(_FEATURES, _WIDTH),
            torch.nn.ReLU(),
            torch.nn.Linear(_WIDTH, _WIDTH),
            torch.nn.ReLU(),
        )
        self.content = torch.nn.Linear(_WIDTH, _WIDTH)
        self.location = torch.nn.Linear(_OFFSETS, _WIDTH, bias=False)
        self.decode = torch.nn.Linear(_WIDTH, _WIDTH)

    def forward(self, features, offset):
        """h3 of patches [P, 25088] and offsets [P, 8]."""
        hidden = self.content(self.neck(features)) + self.location(offset)
        return self.decode(torch.sigmoid(hidden))


def main(pairs: str, precision: str, *kinds: str) -> None:
    """Measures every kind of SGD."""
    torch.manual_seed(0)
    number = int(pairs)
    features = torch.rand(_PATCHES, _FEATURES, dtype=torch.float16)
    targets = torch.rand(_PATCHES, _WIDTH, dtype=torch.float16)
    offset = torch.rand(number, _OFFSETS)
    seconds = {}
    for kind in kinds:
        network = Network()
        optimizer = torch.optim.SGD(
            network.parameters(),
            lr=1e-9,
            momentum=0.9,
            weight_decay=5e-4,
            **{kind: True},
        )

        def step(network=network, optimizer=optimizer):
            rows = torch.randint(_PATCHES, (2, number))
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, precision != "float32"):
                prediction = network(features[rows[0]].float(), offset)
            target = targets[rows[1]].float()
            ((prediction - target) ** 2).sum().div(number).backward()
            optimizer.step()

        seconds[kind] = _seconds(step)
    print(json.dumps(seconds))


def _seconds(step) -> float:
    """Seconds of the fastest step."""
    seconds = []
    for _ in range(1 + _STEPS):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds[1:])


if __name__ == "__main__":
    main(*sys.argv[1:])
