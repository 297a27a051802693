"""Clients that want the service to hang, to fill up or to be fooled: real server, real sockets."""
