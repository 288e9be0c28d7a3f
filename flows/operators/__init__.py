"""Thin Bytewax adapters around the domain; they do no arithmetic."""
