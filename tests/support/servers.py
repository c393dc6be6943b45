"""Small servers on this machine: a package index, an image registry, a way to lose a daemon."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import selectors
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from docker.models.images import Image

__all__ = [
    "Files",
    "image_files",
    "package_index",
    "port_proxy",
    "serving",
    "socket_proxy",
    "wheel",
]

_ABSENT = (
    "application/json",
    b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}',
)
"""What is not there; in the words of a registry, which clients of an index do not read."""

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Files:
    """What a server has, by path: content type and content; and who may have it."""

    content: dict[str, tuple[str, bytes]]
    credentials: str | None = None
    """`user:password`, where a client must show it."""
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(files: Files) -> Iterator[int]:
    """Serve `files` on 127.0.0.1; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            files.asked.append(self.path)
            shown = self.headers.get("Authorization", "").removeprefix("Basic ")
            if files.credentials and base64.b64decode(shown).decode() != files.credentials:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            kind, body = files.content.get(self.path, _ABSENT)
            self.send_response(404 if body is _ABSENT[1] else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wheel(name: str, version: str = "1.0", *beside: str) -> bytes:
    """A wheel of one module, and of files of these paths beside it."""
    info = f"{name}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        for path in beside:
            archive.writestr(path, "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        paths = (
            f"{name}.py",
            *beside,
            *(f"{info}/{one}" for one in ("METADATA", "WHEEL", "RECORD")),
        )
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in paths))
    return buffer.getvalue()


def package_index(name: str, content: bytes, file_name: str) -> dict[str, tuple[str, bytes]]:
    """An index (PEP 503) with one file of one project, below `/simple/`."""
    digest = hashlib.sha256(content).hexdigest()
    page = f'<!DOCTYPE html><a href="/files/{file_name}#sha256={digest}">{file_name}</a>'
    return {
        f"/simple/{name}/": ("text/html", page.encode()),
        f"/files/{file_name}": ("application/octet-stream", content),
    }


def image_files(
    image: Image, repository: str, tag: str
) -> tuple[dict[str, tuple[str, bytes]], str]:
    """What a registry that has only `image` answers with (Distribution API 2), and its digest."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save(named=True)))) as archive:

        def member(name: str) -> bytes:
            stream = archive.extractfile(name)
            assert stream is not None
            return stream.read()

        (listed,) = json.loads(member("manifest.json"))
        config = member(listed["Config"])
        layers = [gzip.compress(member(name), 1, mtime=0) for name in listed["Layers"]]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described("application/vnd.docker.container.image.v1+json", config),
            "layers": [
                _described("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)
                for layer in layers
            ],
        }
    ).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    answers = {"/v2/": ("application/json", b"{}")}
    for reference in (tag, digest):
        answers[f"/v2/{repository}/manifests/{reference}"] = (_MANIFEST, manifest)
    for blob in (config, *layers):
        name = hashlib.sha256(blob).hexdigest()
        answers[f"/v2/{repository}/blobs/sha256:{name}"] = ("application/octet-stream", blob)
    return answers, digest


def _described(kind: str, blob: bytes) -> dict[str, object]:
    digest = hashlib.sha256(blob).hexdigest()
    return {"mediaType": kind, "size": len(blob), "digest": f"sha256:{digest}"}


class _Proxy:
    """Passes bytes between a socket of its own and another, until it is cut."""

    def __init__(
        self, listener: socket.socket, target: str, cut_at: tuple[bytes, ...] = ()
    ) -> None:
        self._target = target
        self._cut_at = cut_at
        self._listener = listener
        self._listener.listen()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Close every connection and accept no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._pairs.append((near, far))
            thread = threading.Thread(target=self._pass_on, args=(near, far), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        key.data.sendall(data)
                    except OSError:
                        return
                    if any(words in data for words in self._cut_at):
                        threading.Thread(target=self.cut).start()  # it waits for this one
                        return
                    if not data:
                        return


@contextmanager
def socket_proxy(path: Path, target: str, *cut_at: bytes) -> Iterator[_Proxy]:
    """Yield a stand-in at `path` for the Unix socket `target`.

    It can be cut, and is when any of `cut_at` passes.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    proxy = _Proxy(listener, target, cut_at)
    try:
        yield proxy
    finally:
        proxy.cut()


@contextmanager
def port_proxy(target: str) -> Iterator[int]:
    """Yield a port of 127.0.0.1 that stands for the Unix socket `target`."""
    listener = socket.socket(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    proxy = _Proxy(listener, target)
    try:
        yield port
    finally:
        proxy.cut()
