"""Dataflows and the trading logic that they run."""
