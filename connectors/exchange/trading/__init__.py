"""The trading side of the loopback exchange: orders, matching, one account."""
