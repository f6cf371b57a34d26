"""How the kernels are compiled, and what is kept of the compiler's work.

State goes in as arrays of records and is owned by the caller for the whole run, so nothing
in a kernel counts references: counting them was a third of the run time, and most of it
where arrays are handed on in tuples. A kernel that allocates an array does not compile.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def entry(function: _F) -> _F:
    """Compile what Python calls: with the disk cache, if a cache folder can be written."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
    try:
        return cast(_F, njit(cache=True, **options)(function))
    except RuntimeError:
        return cast(_F, njit(**options)(function))


def compiled(function: _F) -> _F:
    """Compile what only compiled functions call; it is kept with its caller."""
    return _inner(function, "never")


def inlined(function: _F) -> _F:
    """Compile as if it were written in every caller: what every event runs through."""
    return _inner(function, "always")


def _inner(function: _F, inline: str) -> _F:
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "inline": inline}
    return cast(_F, njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function))


def is_cached(kernel: Any) -> bool:
    """Whether a compiled kernel is in the cache, so that the next run starts at once."""
    return any(_cached(kernel))


def drop_stale(kernel: Any, *folders: Path) -> None:
    """Drop what was compiled before any source in the folders changed.

    A kernel is compiled together with what it calls from other files, and numba only looks
    at its own.
    """
    newest = max(source.stat().st_mtime for folder in folders for source in folder.glob("*.py"))
    for cached in _cached(kernel):
        if cached.stat().st_mtime < newest:
            cached.unlink(missing_ok=True)


def _cached(kernel: Any) -> list[Path]:
    folder = kernel.stats.cache_path
    module = Path(kernel.py_func.__code__.co_filename).stem
    name = f"{module}.{kernel.py_func.__name__}*.nbi"
    return list(Path(folder).glob(name)) if folder else []
