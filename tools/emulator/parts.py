"""The parts of one emulator run, all on loopback: MiniStack, the Redis that stands for ElastiCache, the studio's issuer, and a
checkout in which the documented commands are run."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
START_LIMIT_S = 60
# So little an environment, because functions inherit MiniStack's.
CLEAN = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def built():
    """Where cargo has put the programs."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"


class Parts:
    """Everything that runs, until `stop`."""

    def __init__(self, folder, speed):
        self.folder = Path(folder)
        self.processes = {}
        self.ports = {name: free_port() for name in ("ministack", "redis", "redis_bus", "studio")}
        self.gateway = f"http://127.0.0.1:{self.ports['ministack']}"
        self.studio = f"http://127.0.0.1:{self.ports['studio']}"
        password = secrets.token_hex(16)
        self.place = {"redis_port": self.ports["redis"], "redis_password": password, "gateway": self.gateway, "speed": speed}
        (self.folder / "place.json").write_text(json.dumps(self.place))
        (self.folder / "home").mkdir()
        # What commands of an operator find: the real sam below ours, and an account.
        self.account = {**CLEAN, **KEYS, "HOME": str(self.folder / "home"), "AWS_ENDPOINT_URL": self.gateway}
        self.commands = {
            **self.account,
            "PATH": f"{ROOT}/tools/emulator/bin:{ROOT}/.local/emulator/bin:{ROOT}/.local/sam/bin:{os.environ['PATH']}",
            "MUSTER_ROOT": str(ROOT),
            "MUSTER_PLACE": str(self.folder / "place.json"),
            "MUSTER_STUDIO": self.studio,
            "MUSTER_PYTHON": sys.executable,
            "SAM_CLI_TELEMETRY": "0",
        }
        os.environ.update({k: v for k, v in self.account.items() if k.startswith("AWS_")})

    def start(self):
        self.processes["redis"] = redis.start(self.folder, self.ports["redis"], self.ports["redis_bus"], self.place["redis_password"])
        self.run("studio", [sys.executable, ROOT / "tools/emulator/studio.py", str(self.ports["studio"])], self.account)
        self.run("ministack", [sys.executable, ROOT / "tools/emulator/serve.py"], self.account | {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.ports["ministack"]), "MINISTACK_HOST": "localhost", "AUTH": "true",
            "MINISTACK_REGION": REGION, "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LAMBDA_EXECUTOR": "local", "TMPDIR": str(self.folder),
        })  # fmt: skip
        self.answers("ministack", f"{self.gateway}/_ministack/health")
        self.answers("studio", f"{self.studio}/keys")
        self.checkout()

    def run(self, name, command, environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def answers(self, name, url):
        began = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(url, timeout=2).close()
                return
            except OSError:
                if self.processes[name].poll() is not None or time.monotonic() - began > START_LIMIT_S:
                    sys.exit(f"expected {name} to answer, found:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")
                time.sleep(0.1)

    def checkout(self):
        """What the commands need of the repository, and the programs that cargo has built, without what only debuggers read."""
        self.tree = self.folder / "checkout"
        (self.tree / "tools").mkdir(parents=True)
        for name in ("template.yaml", "samconfig.toml", "tools/deploy.sh"):
            shutil.copy(ROOT / name, self.tree / name)
        shutil.copy(ROOT / "tools/emulator/queues.json", self.tree / "queues.json")
        (self.tree / "target/release").mkdir(parents=True)
        (self.tree / "target/release/muster").symlink_to(ROOT / "tools/emulator/bin/muster")
        if broken := os.environ.get("MUSTER_BREAK"):
            template = self.tree / "template.yaml"
            template.write_text(template.read_text().replace(*broken.split("\n")))
        programs = self.tree / "programs"
        programs.mkdir()
        for source in sorted((ROOT / "functions/src/bin").glob("*.rs")):
            program = built() / source.stem
            if not program.exists():
                sys.exit(f"expected {program}, found nothing: run cargo build -p muster-functions")
            subprocess.run(["strip", "--strip-all", "-o", programs / source.stem, program], check=True)

    def programs(self):
        return list((self.tree / "programs").iterdir())

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
