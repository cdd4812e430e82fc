"""The order in which PyTorch and TensorFlow must be loaded in one process.

A PyTorch built for GPUs comes with Triton, which it loads only when a model is exported.  If TensorFlow is loaded before
Triton, the process crashes (seen with torch 2.13.0+cu130 and tensorflow 2.21.0).  The other order works.
"""

from contextlib import suppress
from importlib import import_module

with suppress(ImportError):
    import_module("triton")
