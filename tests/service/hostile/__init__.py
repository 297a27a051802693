"""Clients that want the service to hang, to fill up, or to be fooled: a real server, real sockets."""
