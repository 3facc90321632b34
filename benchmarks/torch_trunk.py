"""VGG19's convolutions in PyTorch, for `benchmarks.trunk_pass`.

    python torch_trunk.py bfloat16 fc6 contiguous,16 channels_last,32

Runs in a Python that has PyTorch and nothing of this project. Prints a JSON
object: images per second by memory format and batch size, of images in
memory in the precision given, of the passes of some seconds.
"""

import json
import sys
import time

import torch

# Convolutions per block and their filters; blocks end with a pooling.
_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_SECONDS = 8
_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}


def main(precision: str, train_from: str, *settings: str) -> None:
    """Measures every setting, a memory format and a batch size."""
    network = _trunk(train_from).eval()
    rates = {}
    for setting in settings:
        name, batch = setting.split(",")
        kind = {
            "dtype": getattr(torch, precision),
            "memory_format": _FORMATS[name],
        }
        images = torch.rand(int(batch), 3, 224, 224).to(**kind)
        seconds = _seconds(network.to(**kind), images)
        rates[setting] = round(int(batch) / seconds, 2)
    print(json.dumps(rates))


def _trunk(train_from: str) -> torch.nn.Module:
    """Layers before fc6, or before the first one of a block."""
    blocks = _BLOCKS
    if train_from != "fc6":
        blocks = _BLOCKS[: int(train_from[len("block")]) - 1]
    layers, channels = [], 3
    for repeats, filters in blocks:
        for _ in range(repeats):
            layers.append(torch.nn.Conv2d(channels, filters, 3, padding=1))
            layers.append(torch.nn.ReLU(inplace=True))
            channels = filters
        layers.append(torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(*layers)


def _seconds(network: torch.nn.Module, images: torch.Tensor) -> float:
    """Seconds of a pass among many, after a first one."""
    number = 0
    with torch.inference_mode():
        network(images)
        begin = time.perf_counter()
        while time.perf_counter() - begin < _SECONDS:
            network(images)
            number += 1
    return (time.perf_counter() - begin) / number


if __name__ == "__main__":
    main(*sys.argv[1:])
