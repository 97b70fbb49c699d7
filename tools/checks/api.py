"""Starts `muster up` on a free port and lets schemathesis ask it, by seeds; then proves that a wrong document is found.

    python tools/checks/api.py [SEED]

No 5xx, no status, content type, header or body that docs/openapi.json does not have. One request at a time, and only on
documented routes: the local gateway never answers on others.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tools/checks"
DOCUMENT = ROOT / "docs/openapi.json"
MUSTER = ROOT / "target/debug/muster"
SCHEMATHESIS = ROOT / ".local/api/bin/schemathesis"
SEED = 20261121
EXAMPLES = 25
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,documented_codes"
ROUTES_OF_THE_GATEWAY = "[phases.coverage]\nunexpected-methods = []\n"


def free_port():
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port):
    """A deployment that answers."""
    process = subprocess.Popen([MUSTER, "up", "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("Muster runs on"):
            return process
    sys.exit(f"expected `muster up` to run, it ended with exit code {process.wait()}")


def ask(document, port, seed, folder, *more):
    """Exit code and all that schemathesis says."""
    config = folder / "schemathesis.toml"
    config.write_text(ROUTES_OF_THE_GATEWAY)
    command = [SCHEMATHESIS, "--config-file", config, "run", document, "--url", f"http://127.0.0.1:{port}"]
    command += ["--workers", "1", "--max-examples", str(EXAMPLES), "--seed", str(seed), "--checks", CHECKS, "--warnings", "off"]
    command += ["--header", "x-muster-player: ann", "--request-timeout", "5", "--generation-database", "none", "--no-color", *more]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "api_cases", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def broken(folder):
    """Documents without what every run meets, each with what is said of it: the answer of a first join, the code of an odd body."""
    for name, said in ("202", "Undocumented status code"), ("400", "Undocumented code"):
        document = json.loads(DOCUMENT.read_text())
        answers = document["paths"]["/queue/join"]["post"]["responses"]
        if name == "202":
            del answers[name]
        else:
            answers[name]["x-codes"] = []
        path = folder / f"without-{name}.json"
        path.write_text(json.dumps(document))
        yield path, said


def main():
    seeds = [int(sys.argv[1])] if len(sys.argv) > 1 else [SEED, random.randrange(1_000_000)]
    if not MUSTER.exists():
        sys.exit("expected target/debug/muster, found none: run cargo build --workspace --bins")
    port = free_port()
    muster = start(port)
    try:
        with tempfile.TemporaryDirectory(prefix="muster-api-") as name:
            folder = Path(name)
            for document, finding in broken(folder):
                code, said = ask(document, port, SEED, folder, "--phases", "examples,coverage")
                if code == 0 or finding not in said:
                    sys.exit(f"expected {finding!r} where the document lacks it, found exit code {code} and\n{said}")
            for seed in seeds:
                code, said = ask(DOCUMENT, port, seed, folder)
                found = re.search(r"(\d+) generated", said)
                if code != 0 or not found or int(found[1]) < 100:
                    sys.exit(f"{said}\nFAIL api; again: tools/checks/api.sh {seed}")
                print(f"ok   api: {found[1]} cases by the seed {seed}, none answered as docs/openapi.json does not say")
    finally:
        muster.terminate()
        muster.wait()


if __name__ == "__main__":
    main()
