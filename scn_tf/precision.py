"""In which precision the frozen networks work.

In: a value of --precision. Out: float32, bfloat16 or float16. Trained
networks always work in float32.
"""

import pathlib

import tensorflow as tf

PRECISIONS = ("auto", "bfloat16", "float16", "float32")

_PROCESSOR = pathlib.Path("/proc/cpuinfo")
# Either of them multiplies bfloat16 at twice the speed of float32 and more.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
# NVIDIA's compute capability from which a GPU has matrix units for a type.
_FIRST_FLOAT16 = (7, 0)
_FIRST_BFLOAT16 = (8, 0)


def resolved_precision(precision: str) -> str:
    """Returns the precision meant by a value of --precision.

    "auto" is bfloat16 where the first GPU, or without one the processor,
    multiplies it faster than float32; on GPUs that know only float16, that;
    otherwise float32.

    Args:
        precision: one of PRECISIONS.

    Raises:
        ValueError: if it is none of them.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {PRECISIONS}. Received: {precision!r}."
        )
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    return _of_gpu(gpus[0]) if gpus else _of_processor()


def _of_gpu(gpu: tf.config.PhysicalDevice) -> str:
    details = tf.config.experimental.get_device_details(gpu)
    capability = details.get("compute_capability", (0, 0))
    if capability >= _FIRST_BFLOAT16:
        return "bfloat16"
    return "float16" if capability >= _FIRST_FLOAT16 else "float32"


def _of_processor() -> str:
    if not _PROCESSOR.is_file():
        return "float32"
    for line in _PROCESSOR.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            known = _BFLOAT16_FLAGS & set(value.split())
            return "bfloat16" if known else "float32"
    return "float32"
