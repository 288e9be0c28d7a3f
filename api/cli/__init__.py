"""The `mft` command."""
