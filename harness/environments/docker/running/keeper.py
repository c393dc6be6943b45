"""What keeps a volume that runs write into, on a daemon's machine: makes folders there and looks.

This is no module of the harness but a script, run with whatever Python the image has (3.6 at the
least) in a container of its own: as root of that container, who may enter and own any folder, while
runs are another user and can neither reach the keeper nor write beside their folders. Prints one
line of JSON. What it sees is hostile: nothing is followed, and its memory does not grow with it.
"""

import errno
import json
import os
import stat
import sys
import uuid

ENDED_BYTES = 4097
"""One more than `ended.json` may have."""
# As of harness/environments/written.py, which says why.
MOST_ENTRIES = 10000
MOST_DEPTH = 32
AHEAD_BYTES = 2**20
ASIDE = ".taken"


def prepare(out, user):
    """Make an empty volume ready: only its owner makes folders in it."""
    os.mkdir(os.path.join(out, ASIDE))
    os.chmod(os.path.join(out, ASIDE), 0o700)
    os.chmod(out, 0o755)  # noqa: S103
    return look(out, user)


def make(out, user, name):
    """Make an attempt's folder; whatever is in its place is moved aside."""
    put_aside(out, name)
    folder = os.path.join(out, name)
    os.mkdir(folder)
    os.chmod(folder, 0o700)
    os.chown(folder, user, user)
    return look(out, user)


def take(out, user, name):
    """Move an attempt's folder out of reach and return where it is; None: it is gone."""
    return dict(look(out, user), taken=put_aside(out, name))


def look(out, _user):
    """Return what there is of each attempt, and how much room is left."""
    attempts = {}
    for name in os.listdir(out):
        if name != ASIDE:
            # How it ended first: then the size is that of all it has written until then.
            folder = os.path.join(out, name)
            attempts[name] = {
                "ended": start_of(os.path.join(folder, "ended.json")),
                "begun": os.path.lexists(os.path.join(folder, "probe.log")),
                "report_bytes": size_of(os.path.join(folder, "report.json")),
            }
            attempts[name].update(below(folder))
    room = os.statvfs(out)
    return {"attempts": attempts, "free_bytes": room.f_bavail * room.f_frsize}


def put_aside(out, name):
    """Move what is called `name` to where no run can reach it; return the path."""
    kept = os.path.join(out, ASIDE, uuid.uuid4().hex)
    try:
        os.rename(os.path.join(out, name), kept)
    except FileNotFoundError:
        return None
    return kept


def start_of(path):
    """Return the first bytes of a regular file as Latin-1; None where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        return os.read(file, ENDED_BYTES).decode("latin-1")
    finally:
        os.close(file)


def size_of(path):
    """Return the size of a file, 0 where there is none."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def below(folder):
    """Return the bytes of all files, those with several names once; how many; whether some hide.

    Files lie too deep, or where no path leads, to hide. It ends where there is too much.
    """
    found = {"bytes": 0, "entries": 0, "hidden": False}
    linked = set()
    left = [(folder, 0)]
    while left and found["entries"] <= MOST_ENTRIES and not found["hidden"]:
        inner, depth = left.pop()
        try:
            with os.scandir(inner) as entries:
                for entry in entries:
                    found["entries"] += 1
                    status = status_of(entry)
                    if found["entries"] > MOST_ENTRIES:
                        break
                    if status is not None and stat.S_ISDIR(status.st_mode):
                        left.append((entry.path, depth + 1))
                    elif status is not None and status.st_ino not in linked:
                        linked.add(status.st_ino)
                        found["bytes"] += space_of(status)
        except OSError as error:
            # Gone meanwhile, or never was one: nothing hides there.
            found["hidden"] = error.errno not in (errno.ENOENT, errno.ENOTDIR)
        found["hidden"] = found["hidden"] or depth >= MOST_DEPTH
    return found


def space_of(status):
    """Return a file's bytes, holes among them; what is reserved where that is far more."""
    reserved = status.st_blocks * 512
    return reserved if reserved > 2 * status.st_size + AHEAD_BYTES else status.st_size


def status_of(entry):
    """Return what the system says of a directory's entry; None where it is gone."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def main(arguments):
    """Do what is asked: an action, the volume, the user id of runs, and a name where needed."""
    action, out, user = arguments[:3]
    actions = {"prepare": prepare, "make": make, "take": take, "look": look}
    json.dump(actions[action](out, int(user), *arguments[3:]), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
