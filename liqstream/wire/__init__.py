"""Every byte of the protocol: messages, encodings, deltas, frames, close codes."""
