"""Holds the Redis user of template.yaml to the scripts: it may do what they do, on our keys, and nothing that hurts.

    python tools/checks/redis_acl.py [REPOSITORY]

A real server judges (`ACL DRYRUN`); it listens on a socket in a folder of its own, never on the network.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from template import Template

KEY = "mm:{ranked-1v1.eu}:tickets"

# Commands whose second word is part of the command.
CONTAINERS = {"XGROUP", "XINFO"}
# Commands whose key is found by a word before it: what the scripts call them with.
BY_WORD = {"XREADGROUP": ["GROUP", "g", "c", "STREAMS", KEY, ">"]}

# What the client and /health call besides the commands of the scripts.
ALSO = [
    ["EVALSHA", "0" * 40, "1", KEY],
    ["SCRIPT", "LOAD", "return 1"],
    ["PING"],
    ["HELLO", "3"],
    ["INFO", "memory"],
    ["TIME"],
    ["CLUSTER", "SLOTS"],
]
NEVER = [
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["KEYS", "*"],
    ["CONFIG", "GET", "*"],
    ["MONITOR"],
    ["DEBUG", "SLEEP", "1"],
    ["SHUTDOWN"],
    ["FUNCTION", "FLUSH"],
    ["ACL", "LIST"],
    ["CLIENT", "KILL", "TYPE", "normal"],
    ["REPLICAOF", "NO", "ONE"],
    ["MIGRATE", "host", "6379", KEY, "0", "1"],
    ["GET", "session:another-application"],
    ["EVALSHA", "0" * 40, "1", "session:another-application"],
]
# What a user may not do whose subcommands are named. Without them SCRIPT comes whole; the client loads a script again that is gone.
ONLY_EXACT = [["SCRIPT", "FLUSH"]]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    server, client = shutil.which("redis-server"), shutil.which("redis-cli")
    if not server or not client:
        print("  redis user: SKIPPED, no redis-server and redis-cli here")
        return
    written = Template(root).of_type("AWS::ElastiCache::User")["RedisUser"]["AccessString"]["Fn::If"]
    users = {"whole": written[1].split(), "exact": written[2].split()}
    call = re.compile(r"redis\.p?call\(\s*'(\w+)'(?:,\s*'(\w+)')?")
    used = {words for path in (root / "lua").rglob("*.lua") for words in call.findall(path.read_text())}
    used = sorted({words if words[0] in CONTAINERS else words[:1] for words in used})
    if not used:
        sys.exit(f"  WRONG redis user: expected scripts in {root}/lua, found no redis.call in any")
    with tempfile.TemporaryDirectory(prefix="muster-acl-") as folder:
        socket = f"{folder}/redis.sock"
        process = subprocess.Popen(
            [server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
            stdout=subprocess.PIPE, text=True,
        )
        try:
            for line in process.stdout:
                if "eady to accept connections" in line:
                    break
            wrong = [f"{name}: {line}" for name, rules in users.items() for line in judge(lambda *a: ask(client, socket, *a), name, rules, used)]
        finally:
            process.terminate()
            process.wait()
    for line in wrong:
        print(f"  WRONG redis user: {line}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"  redis user: written either way, may do the {len(used)} commands of the scripts and {len(ALSO)} of the client, none of {len(NEVER)} that hurt")


def ask(client, socket, *words):
    """One command; its answer as text."""
    done = subprocess.run([client, "-s", socket, "--no-raw", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def judge(redis, name, rules, used):
    """Lines that say what is allowed or refused wrongly."""
    answer = redis("ACL", "SETUSER", "muster", "reset", *rules)
    if answer != "OK":
        return [f"the server refuses the access string: {answer}"]
    wrong = []
    for words in [with_arguments(redis, c) for c in used] + ALSO:
        answer = redis("ACL", "DRYRUN", "muster", *words)
        if answer != "OK":
            wrong.append(f"expected {' '.join(words[:2])} to be allowed, found {answer}")
    for words in NEVER + (ONLY_EXACT if name == "exact" else []):
        answer = redis("ACL", "DRYRUN", "muster", *words)
        if "no permission" not in answer and "permissions" not in answer:
            wrong.append(f"expected {' '.join(words[:2])} to be refused, found {answer}")
    return wrong


def with_arguments(redis, words):
    """The command with as many arguments as it needs at least, each our key."""
    if words[0] in BY_WORD:
        return [words[0], *BY_WORD[words[0]]]
    info = redis("COMMAND", "INFO", "|".join(words))
    arity = re.search(r"2\) \(integer\) (-?\d+)", info)
    return [*words] + [KEY] * (abs(int(arity[1])) - len(words))


if __name__ == "__main__":
    main()
