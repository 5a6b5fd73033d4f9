"""Our own kernels for updates of small networks on a CPU: compiled once on each machine, and called on fixed memory.

The loops are in `kernels.c`; matrix products are those of scipy's BLAS. Where there is no C compiler, updates run as
torch's operations, as they do on a GPU.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ganbench.api.cache_folder import find_cache_folder

SOURCE = Path(__file__).with_name("kernels.c")

FLAGS = (
    *("-std=c11", "-O2", "-ftree-vectorize", "-march=native", "-shared", "-fPIC"),
    # sums may be added up in another order, as in torch; NaN and infinity stay what they are
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
)

REALS = {torch.float32: ("float", "sgemm"), torch.float64: ("double", "dgemm")}
"""For each precision, the type in C and the name of BLAS's matrix product."""

VARIABLE = "GANBENCH_KERNELS"
"""Set to "torch" in the environment, it turns our kernels off."""

DIMENSIONS = 5
"""The most dimensions of an operation, as in `kernels.c`."""

OPERAND = np.dtype([("base", "i8"), ("offset", "i8"), ("stride", "i8", DIMENSIONS)])
OPERATION = np.dtype(
    [
        ("code", "i8"),
        ("dims", "i8"),
        ("size", "i8", DIMENSIONS),
        ("number", "f8", 2),
        ("operand", OPERAND, 4),
    ]
)
"""An operation, in the layout of `kernels.c`."""

Run = Callable[[int, int, int, int, int, int], None]
"""The address of the operations, their count, the addresses of the arrays and of the members' strides, in elements, the
count of arrays, and the count of members."""

StepAdam = Callable[..., None]
"""Adam's step, `step_adam` of `kernels.c`: with its arguments, arrays as the addresses of their addresses."""


class Kernels(NamedTuple):
    """The compiled functions, in one precision."""

    run: Run
    step_adam: StepAdam


def are_on() -> bool:
    """Return whether our kernels are to be used, as the environment says."""
    return os.environ.get(VARIABLE) != "torch"


@lru_cache(maxsize=2)
def load(dtype: torch.dtype) -> Kernels | None:
    """Return the functions in this precision, compiled where they are not in the cache yet.

    None if it cannot be had here: the log says why.
    """
    real, product = REALS[dtype]
    try:
        library = ctypes.CDLL(str(find_library(real)))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        logging.getLogger("ganbench").info("updates run as torch's operations: no kernels of our own (%s)", reason)
        return None
    pointer, number, share = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    run, step_adam = library.run_operations, library.step_adam
    run.restype, run.argtypes = None, [pointer, number, pointer, pointer, number, number, pointer]
    step_adam.restype, step_adam.argtypes = None, [number, *[pointer] * 5, *[share] * 5]
    gemm = find_gemm(product)

    def call(operations: int, count: int, bases: int, strides: int, arrays: int, members: int) -> None:
        run(operations, count, bases, strides, arrays, members, gemm)

    return Kernels(call, step_adam)


@lru_cache(maxsize=1)
def list_codes() -> dict[str, int]:
    """Return the number of each operation by name, as `kernels.c` has them."""
    text = SOURCE.read_text().partition("enum {")[2].partition("};")[0]
    while "/*" in text:
        before, _, rest = text.partition("/*")
        text = before + rest.partition("*/")[2]
    return {name.strip(): code for code, name in enumerate(text.split(","))}


def find_gemm(name: str) -> int:
    """Return the address of scipy's matrix product of this name."""
    from scipy.linalg import cython_blas
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")  # as for torch: a worker has one core
    capsule = dict[str, Any](cython_blas.__pyx_capi__)[name]
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address: int = python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))
    return address


def find_library(real: str) -> Path:
    """Return the compiled kernels of this machine, for this type of C; compile them first if they are not there.

    Raise OSError or SubprocessError if there is no compiler, or if it fails.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or sys.platform == "win32":
        raise OSError("there is no C compiler")
    source = SOURCE.read_bytes()
    made_of = "\0".join((*FLAGS, real, compiler, describe_processor())).encode()
    file = find_cache_folder() / "kernels" / f"{hashlib.sha256(source + made_of).hexdigest()[:32]}.so"
    if not file.exists():
        logging.getLogger("ganbench").info("compiling the kernels of this machine, once: some seconds")
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made = Path(folder, file.name)
            words = [compiler, f"-DREAL={real}", *FLAGS, str(SOURCE), "-o", str(made), "-lm"]
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
            made.replace(file)  # at once, so that no other process loads a part of it
    return file


def describe_processor() -> str:
    """Return the name and the abilities of this processor, which compiled code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags", "Features"))))
