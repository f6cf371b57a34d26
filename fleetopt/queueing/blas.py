"""Small matrices and long vectors on one thread."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

_SHARED = 9000
"""Elements from which a library shares even a product with a vector among threads."""


def one_blas_thread(elements: int = _SHARED) -> AbstractContextManager[object]:
    """Keep small matrices, and products with vectors of so many elements, on one thread.

    On a busy machine the threads of a BLAS library spin for each other; a solve took ten to
    a hundred times as long on two threads as on one. The command line starts with one thread, and
    need not look for the library.
    """
    if elements < _SHARED or os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        return nullcontext()
    limits: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limits


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
