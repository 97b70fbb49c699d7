"""Runs the built functions in containers, as `sam local` does, with a Redis that they reach.

    local.py invoke NAME [EVENT]    one function on a sample: `invoke join`, `invoke health events/health.ready.json`
    local.py up [PORT]              the HTTP API on 127.0.0.1, matcher and sweeper fired as the schedule would
    local.py check                  every function on its sample, a join to a match through the API, then the plain command
    local.py plain                  the plain `sam local invoke` against a local deployment

Run it with .local/sam/bin/python after tools/sam/build.sh. Exit code 3: there is no engine and none can be started here; the
reason is on standard error.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/checks"))

from template import Template  # noqa: E402

SAM = str(ROOT / ".local/sam/bin/sam")
BUILT = ROOT / ".aws-sam/build"
MACHINE = "x86_64" if os.uname().machine == "x86_64" else "arm64"
LIMIT_S = 90
# A run this short answers while one looks on; deployed, it is longer than the schedule's minute.
SHORT = {"MATCHER_RUN": "3s", "IDLE_EXIT": "500ms", "SWEEPER_RUN": "1s"}
LONG = {"MATCHER_RUN": "58s", "IDLE_EXIT": "58s", "SWEEPER_RUN": "55s"}


class Session:
    """An engine, the image, and a Redis on the engine's bridge. Ends what it started, but for the engine."""

    def __enter__(self):
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") or k == "AWS_CA_BUNDLE"}
        self.environment |= {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
        host = self.run(ROOT / "tools/sam/engine.sh", "start")
        if host:
            self.environment["DOCKER_HOST"] = host
        self.run(ROOT / "tools/sam/image.sh")
        self.folder = tempfile.mkdtemp(prefix="muster-sam-")
        self.start_redis()
        return self

    def __exit__(self, *_):
        self.redis.terminate()
        self.redis.wait()
        shutil.rmtree(self.folder)

    def run(self, *command):
        """A command's output; its failure is ours."""
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)
        return done.stdout.strip()

    def start_redis(self):
        """Where containers see this machine: neither on loopback nor on the network. The password keeps out whoever else
        is on that bridge."""
        gateway = self.run("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
        self.port, self.password = free_port(gateway), secrets.token_hex(16)
        self.redis = subprocess.Popen(
            ["redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.folder
        )
        self.redis.stdin.write(f'bind {gateway}\nport {self.port}\nrequirepass {self.password}\nsave ""\n')
        self.redis.stdin.close()
        wait_for(self.redis.stdout, "eady to accept connections", "redis-server")

    def options(self, auth, runs):
        """What every `sam local` command needs. sam hands on only variables that the template declares, so these stand for
        those; the Redis of the template does not exist here."""
        variables = {
            "STAGE": "local", "AUTH_MODE": auth, "LEDGER_TABLE": "", "REDIS_HOST": "host.docker.internal",
            "REDIS_PORT": str(self.port), "REDIS_USER": "default", "REDIS_PASSWORD": self.password, "REDIS_TLS": "false",
            "REDIS_CLUSTER": "false",
        }  # fmt: skip
        path = Path(self.folder) / f"{auth}-{runs['MATCHER_RUN']}.json"
        path.write_text(json.dumps({"Parameters": variables | runs}))
        return [
            "--template", str(BUILT / "template.yaml"), "--skip-pull-image", "--env-vars", str(path),
            "--add-host", "host.docker.internal:host-gateway",
            "--parameter-overrides", f"Architecture={MACHINE} JwtIssuer=https://login.example.com JwtAudience=muster Release=00000000",
        ]  # fmt: skip

    def invoke(self, name, event, runs=None):
        """One invocation of a function. A sample brings a verified token along, so here the token counts."""
        resource = Template(ROOT).functions[name].resource
        command = [SAM, "local", "invoke", resource, "--event", str(event), *self.options("jwt", runs or SHORT)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines:
            sys.exit(f"{name}: expected an answer, found exit code {done.returncode} and\n{done.stdout}{done.stderr}")
        return json.loads(lines[-1])

    def start_api(self, port):
        """`sam local start-api`, listening. It knows no JWT authorizer, so here players name themselves in a header."""
        command = [SAM, "local", "start-api", "--port", str(port), "--warm-containers", "EAGER", *self.options("header", SHORT)]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(process.stderr, f"Running on http://127.0.0.1:{port}", "sam local start-api")
        return process


def free_port(host):
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind((host, 0))
        return free.getsockname()[1]


def wait_for(stream, text, who):
    """Reads until a process says it is ready, and from then on in the background, so that it never waits for us."""
    said = []
    for line in stream:
        said.append(line)
        if text in line:
            threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()
            return
    sys.exit(f"expected {who} to come up, found\n{''.join(said)}")


def ask(base, method, path, player=None, body=None):
    """One request; status, JSON, milliseconds."""
    headers = {"content-type": "application/json"} | ({"x-muster-player": player} if player else {})
    request = urllib.request.Request(base + path, json.dumps(body).encode() if body else None, headers, method=method)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
            return reply.status, json.load(reply), 1000 * (time.monotonic() - began)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), 1000 * (time.monotonic() - began)


def check_functions(session):
    """Every built function answers its sample."""
    for name, function in sorted(Template(ROOT).functions.items()):
        if not (BUILT / function.resource / "bootstrap").exists():
            print(f"{name:13} SKIPPED, it is not built")
            continue
        began = time.monotonic()
        answer = session.invoke(name, f"events/{name}.json")
        good = 200 <= answer.get("statusCode", 0) < 500 if function.routes else "errorType" not in answer
        if not good:
            sys.exit(f"{name}: expected an answer below 500, found {answer}")
        said = f"{answer['statusCode']} {answer['body']}" if function.routes else json.dumps(answer)
        print(f"{name:13} {time.monotonic() - began:4.1f} s  {said[:130]}", flush=True)


def check_round_trip(session):
    """Two phones join, a matcher runs, both poll the same match."""
    port = free_port("127.0.0.1")
    base, process = f"http://127.0.0.1:{port}", session.start_api(port)
    try:
        status, _, ms = ask(base, "GET", "/ready")
        print(f"GET /ready -> {status}, {ms:.0f} ms")
        tickets, matches = {}, set()
        for player, rating in (("phone-1", 1500), ("phone-2", 1510)):
            body = {"queue": "ranked-1v1", "region": "us", "rating": rating}
            status, reply, ms = ask(base, "POST", "/queue/join", player, body)
            if status != 202:
                sys.exit(f"join: expected 202, found {status} {reply}")
            tickets[player] = reply["ticket_id"]
            print(f"POST /queue/join as {player} -> {status} {reply['ticket_id']}, {ms:.0f} ms", flush=True)
        print(f"matcher -> {json.dumps(session.invoke('matcher', 'events/matcher.json'))}", flush=True)
        for player, ticket in tickets.items():
            status, reply, ms = ask(base, "GET", f"/match/{ticket}", player)
            if status != 200 or reply["status"] != "matched":
                sys.exit(f"poll: expected 200 matched, found {status} {reply}")
            matches.add(reply["match"]["match_id"])
            print(f"GET /match/... as {player} -> {status} matched {reply['match']['match_id']}, {ms:.0f} ms")
        if len(matches) != 1:
            sys.exit(f"expected one match for both, found {matches}")
    finally:
        process.terminate()
        process.wait()


def check_plain(session):
    """The one command that docs/development.md names, against a local deployment with its ledger."""
    ports = [str(free_port("127.0.0.1")) for _ in range(2)]
    command = [ROOT / "target/debug/muster", "up", "--port", ports[0], "--websocket-port", ports[1], "--containers"]
    deployment = subprocess.Popen(command, cwd=ROOT, env=session.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(deployment.stdout, "containers reach it", "muster up --containers")
        command = [SAM, "local", "invoke", "JoinFunction", "-e", "events/join.json", "--skip-pull-image"]
        if MACHINE != "x86_64":
            command += ["--parameter-overrides", f"Architecture={MACHINE} JwtIssuer=https://login.example.com JwtAudience=muster Release=00000000"]
        done = subprocess.run(command, cwd=ROOT, env=session.environment, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines or json.loads(lines[-1]).get("statusCode") != 202:
            sys.exit(f"sam local invoke: expected 202, found exit code {done.returncode} and\n{done.stdout}{done.stderr}")
        print(f"$ sam local invoke JoinFunction -e events/join.json\n{lines[-1]}", flush=True)
        # The functions of the deployment see what the container wrote.
        ticket = json.loads(json.loads(lines[-1])["body"])["ticket_id"]
        event = json.loads((ROOT / "events/join.json").read_text())
        player = event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"]
        status, reply, ms = ask(f"http://127.0.0.1:{ports[0]}", "GET", f"/match/{ticket}", player)
        if status != 200:
            sys.exit(f"poll: expected 200, found {status} {reply}")
        print(f"GET /match/... as {player} -> {status} {reply['status']}, {ms:.0f} ms")
    finally:
        deployment.terminate()
        deployment.wait()


def up(session, port):
    """The API until it is interrupted; the jobs run back to back, as their schedule makes them."""
    process = session.start_api(port)
    print(f"http://127.0.0.1:{port} answers; players name themselves in the header x-muster-player. Ctrl-C ends it.", flush=True)

    def fire(name):
        while process.poll() is None:
            session.invoke(name, f"events/{name}.json", LONG)

    for name in ("matcher", "sweeper"):
        threading.Thread(target=fire, args=(name,), daemon=True).start()
    try:
        sys.exit(process.wait())
    except KeyboardInterrupt:
        process.terminate()
        process.wait()


def main():
    words = sys.argv[1:]
    if not BUILT.exists():
        sys.exit("expected built functions in .aws-sam/build, found none: run tools/sam/build.sh")
    match words:
        case ["invoke", name, *event]:
            with Session() as session:
                print(json.dumps(session.invoke(name, event[0] if event else f"events/{name}.json")))
        case ["up", *port]:
            with Session() as session:
                up(session, int(port[0]) if port else 3999)
        case ["plain"]:
            with Session() as session:
                check_plain(session)
        case ["check"]:
            with Session() as session:
                check_functions(session)
                check_round_trip(session)
                check_plain(session)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
