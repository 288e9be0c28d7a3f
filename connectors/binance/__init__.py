"""Binance: wire formats and, later, connections."""
