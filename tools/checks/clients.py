"""Generates clients from docs/openapi.json into target/clients, and plays a match with the TypeScript one; then proves that a document
which generators do not take is found.
"""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from api import DOCUMENT, MUSTER, ROOT, free_port, start

GENERATOR = ROOT / ".local/clients/bin/openapi-generator-cli"
TYPESCRIPT = ROOT / ".local/typescript/node_modules"
CLIENTS = ROOT / "target/clients"
GAME = ROOT / "tools/checks/clients.ts"
# Which generator, and a file that a client has to have.
LANGUAGES = {
    "csharp": (["--library", "unityWebRequest"], "src/Org.OpenAPITools/Model/Ticket.cs"),
    "typescript-fetch": ([], "models/Ticket.ts"),
    "kotlin": ([], "src/main/kotlin/org/openapitools/client/models/Ticket.kt"),
    "swift6": ([], "Sources/OpenAPIClient/Models/Ticket.swift"),
    "gdscript": ([], "models/Ticket.gd"),
}
LIMIT_S = 60


def run(*command, **more):
    """Exit code and all that a program says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, **more)
    return done.returncode, done.stdout + done.stderr


def generate(language, document=DOCUMENT):
    """Exit code and what the generator says of this language's client. The document is validated first."""
    options, file = LANGUAGES[language]
    code, said = run(GENERATOR, "generate", "-i", document, "-g", language, "-o", CLIENTS / language, *options)
    if code == 0 and not (CLIENTS / language / file).is_file():
        return 1, f"expected {file}, found none"
    return code, said


def held(what, code, said):
    if code != 0:
        sys.exit(f"{said}\nFAIL clients: {what}")


def play():
    """What two phones saw that are programs of the generated client."""
    client = CLIENTS / "typescript-fetch"
    shutil.copy(GAME, client / "game.ts")
    options = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "commonjs", "--typeRoots", TYPESCRIPT / "@types", "--types", "node"]
    held("tsc", *run("node", TYPESCRIPT / "typescript/bin/tsc", *options, "--outDir", client / "built", client / "game.ts"))
    port = free_port()
    muster = start(port)
    try:
        code, said = run("node", client / "built/game.js", f"http://127.0.0.1:{port}")
        held("the TypeScript client plays a match", code, said)
    finally:
        muster.terminate()
        muster.wait()
    return said.strip()


def main():
    if not MUSTER.exists():
        sys.exit("expected target/debug/muster, found none: run cargo build --workspace --bins")
    shutil.rmtree(CLIENTS, ignore_errors=True)
    CLIENTS.mkdir(parents=True)
    wrong = json.loads(DOCUMENT.read_text())
    del wrong["info"]["license"]["identifier"]
    (CLIENTS / "wrong.json").write_text(json.dumps(wrong))
    code, said = generate("kotlin", CLIENTS / "wrong.json")
    if code == 0 or "info.license.identifier" not in said:
        sys.exit(f"expected a finding where the licence has no identifier, found exit code {code} and\n{said}")
    with ThreadPoolExecutor(2) as pool:
        for language, done in zip(LANGUAGES, pool.map(generate, LANGUAGES)):
            held(language, *done)
    print(f"ok   clients: {', '.join(LANGUAGES)} generated from docs/openapi.json; the TypeScript one: {play()}")


if __name__ == "__main__":
    main()
