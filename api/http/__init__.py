"""The HTTP interface: control, state and page of an engine in another process.

credentials  tokens, roles and sessions
guard        what every request meets first: host, headers, failures
problem      errors as problem details (RFC 9457)
telling      the same for every reader of the stream, encoded once
websocket    clients that do not read are hung up on
audit        who asked for what
kill         the kill switch, followed until nothing is held
scans        scans that were asked for here
link         the engine's state as it comes, over its control socket
supervisor   starts engines, and starts them again
routes       what may be asked, a module for each subject
app          all of it put together
"""
