"""The HTTP API of a running engine: routes as data, their handlers, the server and the events."""
