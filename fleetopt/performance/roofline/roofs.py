"""One step of an iteration: its work, the time that the roofs allow, and which roof binds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from fleetopt.catalog import Gpu
from fleetopt.performance.roofline.efficiency import Efficiency

Bound = Literal["memory", "compute", "link", "host"]


class Step(NamedTuple):
    """A step of an iteration.

    times: how often it is done in an iteration; flops, bytes: of one time, on one GPU;
    seconds: of one time; bound: the roof that binds; kernels: of one time.
    """

    name: str
    times: float
    flops: float
    bytes: float
    seconds: float
    bound: Bound
    kernels: int = 0

    @property
    def total_s(self) -> float:
        """Seconds of an iteration that go to this step."""
        return self.times * self.seconds

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, in floating-point operations for each byte of memory."""
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True, slots=True)
class Roofs:
    """What a GPU reaches, per second.

    bytes_per_s: of its memory; wide, narrow: products in BF16 and in the format of the layers;
    attention: products of attention, always in BF16; kernel_s: lost by each kernel.
    """

    bytes_per_s: float
    wide: float
    narrow: float
    attention: float
    kernel_s: float

    @classmethod
    def of(cls, gpu: Gpu, tflops: float, reached: Efficiency) -> Roofs:
        """Those of a GPU whose layers multiply at a peak of `tflops`."""
        return cls(
            bytes_per_s=gpu.spec.memory_gb_per_s * 1e9 * reached.memory,
            wide=gpu.spec.bf16_tflops * 1e12 * reached.gemm,
            narrow=tflops * 1e12 * reached.gemm,
            attention=gpu.spec.bf16_tflops * 1e12 * reached.attention,
            kernel_s=reached.kernel_s,
        )

    def step(
        self, name: str, times: float, flops: float, moved: float, rate: float, kernels: int = 1
    ) -> Step:
        """A step of some kernels that multiplies at `rate` and moves `moved` bytes."""
        compute_s, memory_s = flops / rate, moved / self.bytes_per_s
        bound: Bound = "compute" if compute_s > memory_s else "memory"
        seconds = max(compute_s, memory_s) + kernels * self.kernel_s
        return Step(name, times, flops, moved, seconds, bound, kernels)


def waiting(name: str, times: float, seconds: float, bound: Bound = "link") -> Step:
    """A step that does nothing but wait for a link or the host."""
    return Step(name, times, 0.0, 0.0, seconds, bound)
