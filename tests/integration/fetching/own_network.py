"""A network that belongs to one process, in which every address of the world is this machine.

Only there can a test tell that an address such as 10.0.0.1 was not connected to, for only there it would have answered;
and only there the system's resolver asks the test's name server.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# <linux/sched.h>, <linux/mount.h>
_NEW_USER, _NEW_NETWORK, _NEW_MOUNTS = 0x1000_0000, 0x4000_0000, 0x0002_0000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x4_0000
# <linux/if.h>, <linux/rtnetlink.h>
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_NEW_ADDRESS, _NEW_ROUTE = 20, 24
_REQUEST_ACK_CREATE: Final = 0x1 | 0x4 | 0x400
_OIF, _IFA_ADDRESS, _IFA_LOCAL, _IFA_NO_DAD = 4, 1, 2, 0x02
_TABLE_LOCAL, _BOOT, _SCOPE_HOST, _TYPE_LOCAL = 255, 3, 254, 2
_LOOPBACK: Final = 1  # the first interface of each network

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter(files: Mapping[str, Path], *, addresses: tuple[str, ...] = ("203.0.113.9", "2001:db8::9")) -> None:
    """Move this process, which must have a single thread, into a network and a mount namespace of its own.

    Args:
        files: what is seen at each of these paths from now on.
        addresses: of the machine, for IPv4 and IPv6, besides loopback; the resolver asks for the families that it has.

    Raises:
        OSError: the system does not let us.
    """
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(_NEW_USER | _NEW_NETWORK | _NEW_MOUNTS), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    _check(_libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None), "mount private")
    for place, file in files.items():
        _check(_libc.mount(bytes(file), place.encode(), None, _BIND, None), f"mount {place}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    for address in addresses:
        _add_address(address)
    for family in (socket.AF_INET, socket.AF_INET6):
        route = struct.pack("=8BI", family, 0, 0, 0, _TABLE_LOCAL, _BOOT, _SCOPE_HOST, _TYPE_LOCAL, 0)
        _ask_kernel(_NEW_ROUTE, route + _attribute(_OIF, struct.pack("=I", _LOOPBACK)))


def _add_address(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    head = struct.pack("=4BI", family, len(packed) * 8, _IFA_NO_DAD, 0, _LOOPBACK)
    _ask_kernel(_NEW_ADDRESS, head + _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def _ask_kernel(kind: int, body: bytes) -> None:
    """Send one rtnetlink request and read its acknowledgement (rtnetlink(7))."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACK_CREATE, 1, 0) + body)
        (error,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if error:
        raise OSError(-error, f"rtnetlink {kind}: {os.strerror(-error)}")


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
