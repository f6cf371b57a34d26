"""Keeps linear algebra on one thread while a study runs.

The matrices of the tables are small. On a busy machine the threads of a BLAS library spin
for each other, which made a solve up to ten times slower than on one thread.
"""

from __future__ import annotations

from contextlib import AbstractContextManager


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which BLAS libraries use one thread; numpy must be imported before."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits
