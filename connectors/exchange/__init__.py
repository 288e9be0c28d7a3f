"""The loopback exchange and the synthetic market that feeds it."""
