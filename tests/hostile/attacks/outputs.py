"""Models that fill the folder they may write into, or plant things in it."""

from tests.hostile.attack import Attack

ATTACKS = (
    Attack(
        name="writes-a-giant",
        vehicle="build",
        does="writes one file without end into /out",
        code="""
def attack():
    fill(OUT + "/giant")
""",
        verdict="failed",
        stage="load",
        reason="output-limit",
    ),
    Attack(
        name="writes-sparse-giants",
        vehicle="preprocess",
        does="files with a terabyte of nothing in /out",
        code="""
def attack():
    tried("a terabyte", lambda: os.truncate(os.open(OUT + "/big", os.O_CREAT | os.O_WRONLY), 2**40))
    for number in range(100):
        os.truncate(os.open(OUT + "/%d" % number, os.O_CREAT | os.O_WRONLY), 15 * 2**20)
    time.sleep(600)
""",
        verdict="failed",
        stage="preprocess",
        reason="output-limit",
    ),
    Attack(
        name="reserves-the-disk",
        vehicle="build",
        does="reserves blocks beyond the ends of empty files",
        code="""
def attack():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    for number in range(4):
        descriptor = os.open(OUT + "/%d" % number, os.O_CREAT | os.O_WRONLY)
        if libc.fallocate(descriptor, 1, 0, 15 * 2**20) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")
    time.sleep(600)
""",
        verdict="failed",
        stage="load",
        reason="output-limit",
    ),
    Attack(
        name="makes-many-files",
        vehicle="build",
        does="empty files without end in /out",
        code="""
def attack():
    number = 0
    while True:
        os.close(os.open(OUT + "/%d" % number, os.O_CREAT | os.O_WRONLY))
        number += 1
""",
        verdict="failed",
        stage="load",
        reason="output-limit",
    ),
    Attack(
        name="digs-deep",
        vehicle="build",
        does="folders 20,000 deep in /out",
        code="""
def attack():
    os.chdir(OUT)
    for _ in range(20000):
        os.mkdir("d")
        os.chdir("d")
    time.sleep(600)
""",
        verdict="failed",
        stage="load",
        reason="output-limit",
    ),
    Attack(
        name="plants-things",
        vehicle="build",
        does="links, pipes, sockets, setuid files and locked folders in /out",
        code="""
def attack():
    for target in (MARKER, "/etc/passwd", "/", "..", "/proc/self/mem"):
        os.symlink(target, OUT + "/link-%d" % len(os.listdir(OUT)))
    for name in ("inputs.npz", "preprocessed.npz", "repeat.npz", "probe.log.1", "ended.json"):
        os.symlink(MARKER, OUT + "/" + name)
    tried("hard link", lambda: os.link("/etc/passwd", OUT + "/hard"))
    tried("device node", lambda: os.mknod(OUT + "/device", 0o060666, os.makedev(8, 0)))
    os.mkfifo(OUT + "/pipe")
    socket.socket(socket.AF_UNIX).bind(OUT + "/socket")
    open(OUT + "/setuid", "w").write("x")
    os.chmod(OUT + "/setuid", 0o6777)
    os.makedirs(OUT + "/locked/below/it")
    open(OUT + "/locked/below/it/file", "w").write("x")
    for path in ("/locked/below/it", "/locked/below", "/locked"):
        os.chmod(OUT + path, 0)
    tried("setuid /out", lambda: os.chmod(OUT, 0o6777))
""",
        verdict="equivalent",
        reaches=frozenset({"setuid /out"}),
    ),
    Attack(
        name="locks-its-folder",
        vehicle="build",
        does="takes all rights from its folder in /out and leaves",
        code="""
def attack():
    tried("lock /out", lambda: os.chmod(OUT, 0))
    os.makedirs(OUT + "/inner/deep")
    fill(OUT + "/inner/deep/file", 2**20)
    os.chmod(OUT + "/inner/deep", 0)
    os.chmod(OUT + "/inner", 0)
    os._exit(0)
""",
        verdict="failed",
        stage="load",
        reason="early-exit",
        reaches=frozenset({"lock /out"}),
    ),
    Attack(
        name="prints-a-gigabyte",
        vehicle="custom_objects",
        does="prints without end",
        code="""
def attack():
    for _ in range(1000):
        sys.stdout.write("x" * 2**20)


attack()
""",
        verdict="failed",
        stage="load",
        reason="output-limit",
    ),
)
