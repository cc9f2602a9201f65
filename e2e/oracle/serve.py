"""Start every server of the path oracle, print one line of JSON with their ports, and run until standard input closes.

Usage: serve.py FOLDER, where FOLDER is what `servers.sh` printed. All servers end with this process.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

import flask_server

HERE = Path(__file__).resolve().parent
PATIENCE = 60
PR_SET_PDEATHSIG = 1
# Whatever the machine says of proxies, servers on the loopback interface are asked directly.
os.environ["no_proxy"] = "*"
libc = ctypes.CDLL(None)


def dies_with_parent():
    # A signal that a server with processes of its own passes on.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def bound():
    """A listening socket on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


class Servers:
    def __init__(self, root, folder):
        self.root, self.folder = Path(root), Path(folder)
        self.ports, self.children = {}, []

    def start(self, name, command, **options):
        log = open(self.folder / f"{name}.err", "wb")
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stderr=log,
            preexec_fn=dies_with_parent,
            start_new_session=True,
            **options,
        )
        self.children.append((name, child))
        return child

    def says(self, name, child):
        line = child.stdout.readline()
        if not line:
            self.fail(name, "ended")
        return line

    def fail(self, name, what):
        logs = [self.folder / f"{name}.{kind}" for kind in ("err", "log")]
        said = "\n".join(log.read_text(errors="replace") for log in logs if log.exists())
        sys.exit(f"{name}: {what}: {said}")

    def wait_for(self, name, port):
        """Wait until this server answers as the oracle's API does."""
        begun = time.monotonic()
        while True:
            said = "no answer"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/items", timeout=5) as response:
                    said = response.read().decode()
                if json.loads(said)["ran"] == "listItems":
                    return
            except (OSError, ValueError, KeyError) as error:
                said = f"{said}: {error}"
            for started, child in self.children:
                if started == name and child.poll() is not None:
                    self.fail(started, "ended")
            if time.monotonic() - begun > PATIENCE:
                self.fail(name, f"does not answer as it should: {said}")
            time.sleep(0.01)

    def filled(self, name, **values):
        text = (HERE / name).read_text()
        for key, value in {"folder": self.folder, "here": HERE, **values}.items():
            text = text.replace("{" + key.replace("_", "-") + "}", str(value))
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self):
        # The slow starters first.
        tomcats = [("tomcat", []), ("tomcat-decode", ["decode"])]
        java = {}
        for name, options in tomcats:
            (self.folder / name).mkdir()
            classes = f"{self.root}/classes:{self.root}/jars/*"
            command = [self.root / "bin/java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp", classes, "TomcatServer"]
            java[name] = self.start(name, [*command, self.folder / name, *options], stdout=subprocess.PIPE)
        environment = {**os.environ, "NODE_PATH": str(self.root / "node/node_modules")}
        node = self.start("node", ["node", HERE / "node_servers.js"], stdout=subprocess.PIPE, env=environment)

        flask = make_server("127.0.0.1", 0, flask_server.application(), threaded=True, request_handler=Quiet)
        threading.Thread(target=flask.serve_forever, daemon=True).start()
        self.ports["flask"] = flask.server_port

        user = "user = root\ngroup = root" if os.geteuid() == 0 else ""
        config = self.filled("php-fpm.conf", user=user)
        allow_root = ["--allow-to-run-as-root"] if os.geteuid() == 0 else []
        self.start("php-fpm", [self.root / "bin/php-fpm", "--nodaemonize", *allow_root, "--fpm-config", config])
        # Neither nginx nor PHP's own server can be asked for the port that it was given.
        self.on_free_ports(["nginx", "php-fpm", "php-twice"], self.start_nginx)
        self.on_free_ports(["php"], self.start_php)

        self.ports |= json.loads(self.says("node", node))
        for name, child in java.items():
            self.ports[name] = int(self.says(name, child))
        for name, port in self.ports.items():
            self.wait_for(name, port)
        print(json.dumps(self.ports), flush=True)
        sys.stdin.buffer.read()

    def on_free_ports(self, names, start):
        """Start a program on free ports, and on others where one of them was taken meanwhile."""
        for attempt in range(10):
            listeners = [bound() for _ in names]
            ports = [listener.getsockname()[1] for listener in listeners]
            for listener in listeners:
                listener.close()
            child = start(*ports)
            try:
                for name, port in zip(names, ports):
                    self.wait_for(name, port)
            except SystemExit:
                if attempt == 9:
                    raise
                self.kill(self.children.pop()[1])
                continue
            self.ports |= dict(zip(names, ports))
            return

    def start_nginx(self, port, port_of_php, port_of_twice):
        config = self.filled("nginx.conf", nginx=port, nginx_php=port_of_php, nginx_twice=port_of_twice)
        command = [self.root / "bin/nginx", "-p", self.folder, "-e", self.folder / "nginx.log", "-c", config]
        return self.start("nginx", command)

    def start_php(self, port):
        command = [self.root / "bin/php", "-n", "-S", f"127.0.0.1:{port}", "-t", self.folder, HERE / "index.php"]
        return self.start("php", command, stdout=subprocess.DEVNULL)

    def stop(self):
        for _, child in self.children:
            self.kill(child)

    def kill(self, child):
        """End a server with the processes that it started: each has a session of its own."""
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()


def main():
    with tempfile.TemporaryDirectory(prefix="demur-oracle-") as folder:
        servers = Servers(sys.argv[1], folder)
        try:
            servers.run()
        finally:
            servers.stop()


main()
