"""The only I/O: exchange, recordings, journal, database."""
