"""Models that want out: sockets, names, downloads."""

from tests.hostile.attack import Attack

ATTACKS = (
    Attack(
        name="opens-sockets",
        vehicle="build",
        does="connects to the host, to itself and by raw sockets",
        code="""
def attack():
    for host in HOSTS:
        tried("tcp to " + host, lambda: socket.create_connection((host, PORT), 2).send(b"hit"))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tried("udp to " + host, lambda: udp.sendto(b"hit", (host, PORT)))
    tried("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    tried("packet socket", lambda: socket.socket(17, socket.SOCK_RAW, 3))
    for path in ("/var/run/docker.sock", "/run/docker.sock"):
        tried(path, lambda: socket.socket(socket.AF_UNIX).connect(path))
""",
        verdict="equivalent",
        reaches=frozenset({"udp to 127.0.0.1"}),  # the container's own, where nobody listens
    ),
    Attack(
        name="resolves-a-name",
        vehicle="build",
        does="looks up a name, and fails without",
        code="""
def attack():
    socket.getaddrinfo("example.org", 443)
""",
        verdict="failed",
        stage="load",
        reason="network-wanted",
    ),
    Attack(
        name="downloads",
        vehicle="preprocess",
        does="fetches a file from the host, and fails without",
        code="""
def attack():
    import urllib.request

    urllib.request.urlopen("http://%s:%d/hit" % (HOSTS[0], PORT), timeout=2)
""",
        verdict="failed",
        stage="preprocess",
        reason="network-wanted",
    ),
    Attack(
        name="lambda-sends",
        vehicle="lambda",
        does="a Lambda layer's bytecode sends what it is given",
        code="""
def attack(x):
    import socket

    for host in @HOSTS@:
        try:
            socket.create_connection((host, @PORT@), 2).send(b"hit")
            print("attack: tcp to %s: done" % host)
        except OSError as error:
            print("attack: tcp to %s: refused, %r" % (host, error))
    return x
""",
        verdict="equivalent",
    ),
)
