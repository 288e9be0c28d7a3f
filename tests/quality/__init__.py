"""Checks of the house rules that no ready-made tool makes, and their tests."""
