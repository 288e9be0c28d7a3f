"""What tests of the HTTP interface share."""

from tests.flows.conftest import exchange

__all__ = ["exchange"]
