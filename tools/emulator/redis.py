"""The Redis that stands for ElastiCache: one node in cluster mode on loopback, with the user that the stack defines."""

import json
import socket
import subprocess

SLOTS = 16384


class Redis:
    """An administrator's connection to it. Players' functions come as the user `default`."""

    def __init__(self, port, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.lines = self.socket.makefile("rb")
        self.call("AUTH", "operator", password)

    def call(self, *words):
        """One command; its answer, or a SystemExit that quotes the refusal."""
        parts = [word.encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.answer(words[0])

    def answer(self, command):
        line = self.lines.readline().rstrip(b"\r\n").decode()
        kind, rest = line[:1], line[1:]
        if kind == "-":
            raise SystemExit(f"redis: {command}: {rest}")
        if kind == "*":
            return [self.answer(command) for _ in range(int(rest))]
        if kind == "$":
            return None if rest == "-1" else self.lines.read(int(rest) + 2)[:-2].decode()
        return rest

    def accept(self, access, passwords):
        """Lets the user `default` in with these passwords, to do what the access string says, as an ElastiCache user may."""
        self.call("ACL", "SETUSER", "default", "reset", *[f">{password}" for password in passwords], *access.split())


def start(folder, port, bus_port, password):
    """The process, ready and with all slots."""
    settings = [
        "bind 127.0.0.1", f"port {port}", f"dir {folder}", 'save ""', "appendonly no", "maxmemory-policy noeviction",
        "cluster-enabled yes", f"cluster-port {bus_port}", "cluster-announce-ip 127.0.0.1", "cluster-config-file nodes.conf", "user default off", f"user operator on >{password} ~* &* +@all",
    ]  # fmt: skip
    server = next(name for name in ("redis-server", "valkey-server") if subprocess.run(["which", name], capture_output=True).returncode == 0)
    process = subprocess.Popen([server, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write("\n".join(settings) + "\n")
    process.stdin.close()
    for line in process.stdout:
        if "eady to accept connections" in line:
            break
    else:
        raise SystemExit("redis: expected a server to start, but it ended")
    operator = Redis(port, password)
    operator.call("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1))
    while "cluster_state:ok" not in operator.call("CLUSTER", "INFO"):
        pass  # a node's own next look, some milliseconds
    return process


