"""A `send()` loop in C over sockets of ours: what the kernel costs, without Python around it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).with_name("send_loop.c")


def c_send_loop() -> Callable[[list[int], bytes], int] | None:
    """The loop: descriptors and a frame in, sockets that did not take all out; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "send_loop.so"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(SOURCE)], check=True)
        send_loop = ctypes.CDLL(str(built)).send_loop
    send_loop.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)

    def loop(fds: list[int], frame: bytes) -> int:
        incomplete: int = send_loop((ctypes.c_int * len(fds))(*fds), len(fds), frame, len(frame))
        return incomplete

    return loop
