"""Kept for import by steps: the fault of a flow lives in the domain."""

from flows.domain.fault import Fault
from flows.run import run

__all__ = ["Fault", "run"]
