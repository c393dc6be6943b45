"""Models that take all there is: processes, threads, memory, time."""

from tests.hostile.attack import Attack

ATTACKS = (
    Attack(
        name="forks",
        vehicle="build",
        does="forks until it may not",
        code="""
def attack():
    # A small program is quicker at it; its children are there when it has ended.
    code = "import os, time\\nwhile os.fork(): pass\\ntime.sleep(600)"
    subprocess.run([sys.executable, "-S", "-c", code], stderr=subprocess.DEVNULL)
    os.fork()
""",
        verdict="failed",
        stage="load",
        reason="process-limit",
    ),
    Attack(
        name="forks-for-ever",
        vehicle="build",
        does="a fork bomb whose processes leave their group and ignore signals",
        code="""
def attack():
    while True:
        try:
            if not os.fork():
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except OSError:
            time.sleep(0.1)
""",
        verdict="failed",
        stage="load",
        reason="timeout",
    ),
    Attack(
        name="starts-threads",
        vehicle="build",
        does="starts threads until it may not",
        code="""
def attack():
    threading.stack_size(65536)
    while True:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
""",
        verdict="failed",
        stage="load",
        reason="process-limit",
    ),
    Attack(
        name="allocates",
        vehicle="build",
        does="allocates without end",
        code="""
def attack():
    kept = []
    while True:
        kept.append(b"x" * 2**26)
""",
        verdict="failed",
        stage="load",
        reason="out-of-memory",
    ),
    Attack(
        name="fills-tmp",
        vehicle="build",
        does="fills /dev/shm and /tmp",
        code="""
def attack():
    tried("fill /dev/shm", lambda: fill("/dev/shm/x"))
    fill_small = lambda: [fill("/tmp/%d" % n, 15 * 2**20) for n in range(10**6)]
    fill_small()
""",
        verdict="failed",
        stage="load",
        reason="no-space",
    ),
    Attack(
        name="hangs",
        vehicle="build",
        does="ignores every signal it can and sleeps",
        code="""
def attack():
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    time.sleep(600)
""",
        verdict="failed",
        stage="load",
        reason="timeout",
    ),
    Attack(
        name="segfaults",
        vehicle="build",
        does="reads address 0",
        code="""
def attack():
    import ctypes

    ctypes.string_at(0)
""",
        verdict="failed",
        stage="load",
        reason="segmentation-fault",
    ),
    Attack(
        name="lambda-crashes",
        vehicle="lambda",
        does="a Lambda layer's bytecode crashes the process as the model is loaded",
        code="""
def attack(x):
    import os, signal

    os.kill(os.getpid(), signal.SIGSEGV)
    return x
""",
        verdict="failed",
        stage="load",
        reason="segmentation-fault",
    ),
    Attack(
        name="leaves",
        vehicle="build",
        does="os._exit(0)",
        code="""
def attack():
    os._exit(0)
""",
        verdict="failed",
        stage="load",
        reason="early-exit",
    ),
    Attack(
        name="lambda-leaves",
        vehicle="lambda",
        does="a Lambda layer's bytecode calls os._exit(0)",
        code="""
def attack(x):
    import os

    os._exit(0)
""",
        verdict="failed",
        stage="load",
        reason="early-exit",
    ),
    Attack(
        name="leaves-daemons",
        vehicle="build",
        does="leaves processes behind that write for ever",
        code="""
def attack():
    for _ in range(3):
        if not os.fork():
            os.setsid()
            if not os.fork():
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    try:
                        open(OUT + "/beat", "a").write("x")
                    except OSError:
                        pass
                    time.sleep(0.05)
            os._exit(0)
""",
        verdict="equivalent",
    ),
    Attack(
        name="kills-its-parent",
        vehicle="build",
        does="kills the process that started it, and process 1",
        code="""
def attack():
    os.kill(1, signal.SIGKILL)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
""",
        verdict="failed",
        stage="load",
        reason="signal",
    ),
    Attack(
        name="stops-its-parent",
        vehicle="build",
        does="stops the process that started it, says it has ended and goes on",
        code="""
def attack():
    os.kill(os.getppid(), signal.SIGSTOP)
    forge()
    text = '{"schema": 1, "status": 0, "signal": null, "seconds": 1.0}'
    with open(OUT + "/ended.json", "w") as stream:
        stream.write(text)
    time.sleep(600)
""",
        verdict="diverged",
    ),
)
