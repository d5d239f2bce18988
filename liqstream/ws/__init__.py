"""One WebSocket from handshake to close: who it is, what it asks for, how it ends."""
