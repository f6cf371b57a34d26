"""Figures of the steps of a growing fleet, and of fleets of several GPUs."""

from __future__ import annotations
