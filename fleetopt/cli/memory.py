"""Memory of the process: what arrays gave back is kept for the next ones."""

from __future__ import annotations

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""
_KEPT = 2**28
_MAPPED = 2**25
_AHEAD = 2**24


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed; other libraries are left as they are.

    Arrays of 65,536 lengths otherwise go back to the system each time, and their pages are
    cleared again for the next one: a twentieth of what a short command takes. Call it where
    NumPy is loaded, which has loaded ctypes.
    """
    import ctypes
    import sys

    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _MAPPED)
        mallopt(_TOP_PAD, _AHEAD)
