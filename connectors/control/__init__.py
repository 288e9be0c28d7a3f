"""The control channel of a running engine: JSON lines over a Unix socket.

protocol  requests and answers
server    in the engine, on the loop of its transport
client    in every process that asks something of an engine
"""
