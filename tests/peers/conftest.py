"""What must be loaded in which order where PyTorch and TensorFlow share a process.

A PyTorch built for GPUs brings Triton, which it loads only when a model is exported; TensorFlow, loaded before
it, makes that end the process (seen with torch 2.13.0+cu130 and tensorflow 2.21.0).  The other way round it works.
"""

from contextlib import suppress
from importlib import import_module

with suppress(ImportError):
    import_module("triton")
