"""What one page's tree took is kept for that of the next.

By default glibc gives it back to the kernel as soon as 128 KiB are free at the end of the heap, and takes it again for
the next tree, bit by bit: a tenth of what reading a page costs.
"""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 16 * 2**20
"""Of each heap; the counting threads have one of their own each."""
_APART_BYTES: Final = 4 * 2**20
"""What is as large as this goes back at once. To set one of the two keeps glibc from finding the other by itself."""


def keep() -> bool:
    """Keeps freed memory from now on, in this process (mallopt(3)); False where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_M_MMAP_THRESHOLD, _APART_BYTES)
    )
