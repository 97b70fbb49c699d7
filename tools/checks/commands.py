"""Holds the command lines of the documents and scripts to the programs that they call: SAM's own command line reads each, and
tools/deploy.sh runs as it is, before a `sam` that reads its arguments and stops. Nothing is deployed and nobody is asked.

    python tools/checks/commands.py [REPOSITORY]
"""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PAGES = ["README.md", "docs/*.md", "samconfig.toml", "Makefile", "tools/*.sh", "tools/sam/*.sh", "tools/checks/*.sh"]
# What a reader puts in place of these words.
PLACEHOLDERS = {"ID": "d-ABCDEF123", "ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redis", "OLD": "0" * 32, "NEW": "1" * 32, "TAG": "v1"}
# Of each program that is looked for, what such a line looks like; a sentence that only names the program is none.
LINE = re.compile(r"(?:^|`|\$ |&& |exec |; )((?:sam (?:build|deploy|validate|delete|local|logs|list|sync|package)|tools/deploy\.sh)(?: [^`]*?)??)(?=`|$| &&| \|\|| \||\)$)", re.M)


def lines(root):
    """Every command line with the page that it stands on. Lines that end in a backslash go on."""
    for pattern in PAGES:
        for page in sorted(root.glob(pattern)):
            text = re.sub(r"\\\n\s*", "", page.read_text())
            if page.suffix in (".sh", ""):
                text = "\n".join(re.sub(r"^# +(?:Usage: )?", "", line) if re.match(r"#\s+tools/deploy\.sh (dev|prod) [^|]*$", line) else ("" if line.lstrip().startswith("#") else line) for line in text.splitlines())
            for found in LINE.findall(text):
                line = re.split(r"\s{4,}| #", found.strip())[0]
                # Lines of scripts are held by running the scripts; a name alone is a name.
                if line not in ("sam deploy", "tools/deploy.sh") and "$" not in line.replace('"$(cat ', "") and "|" not in line and "[" not in line:
                    yield page.relative_to(root), line


def words(line):
    """A line as a shell splits it, with something lawful for each placeholder."""
    text = re.sub(r"\b(" + "|".join(PLACEHOLDERS) + r")\b", lambda m: PLACEHOLDERS[m[1]], line).replace("…", "")
    return text


def read_by_sam(arguments):
    """What SAM's command line makes of arguments: the parameters of the last command."""
    os.environ.setdefault("SAM_CLI_TELEMETRY", "0")
    import click
    from samcli.cli.main import cli

    said = io.TextIOWrapper(io.BytesIO())
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            command, context, rest = cli, None, list(arguments)
            while isinstance(command, click.MultiCommand):
                context = command.make_context(command.name, list(rest), parent=context)
                rest = getattr(context, "protected_args", None) or getattr(context, "_protected_args", [])
                rest = [*rest, *context.args]
                name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, list(rest), parent=context)
    except click.ClickException as error:
        return None, error.format_message()
    except SystemExit:
        said.seek(0)
        return None, said.read().strip() or "it ends"
    return context.params, None


class Deployed:
    """A place where tools/deploy.sh runs before a `sam` that only reads."""

    def __init__(self, root, folder):
        self.root = Path(folder)
        for name in ("tools/deploy.sh", "samconfig.toml", "template.yaml"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes((root / name).read_bytes())
        (self.root / "tools/deploy.sh").chmod(0o755)
        (self.root / ".aws-sam/build/JoinFunction").mkdir(parents=True)
        (self.root / ".aws-sam/build/template.yaml").write_text("Resources: {}")
        self.built_for("arm64")
        (self.root / "bin").mkdir()
        (self.root / "bin/sam").write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" >\"$0.said\"\n")
        (self.root / "bin/sam").chmod(0o755)
        rules = {"queues": [{"name": "ranked 1v1", "regions": ["eu"], "teams": 2, "team_size": 1}]}
        (self.root / "queues.json").write_text(json.dumps(rules, indent=2))
        self.rules = json.dumps(rules, separators=(",", ":"))

    def built_for(self, architecture):
        """Puts a function there as a build for an architecture makes it, as far as deploy.sh looks."""
        machine = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00", "another": b"\xf3\x00"}[architecture]
        (self.root / ".aws-sam/build/JoinFunction/bootstrap").write_bytes(b"\x7fELF" + bytes(14) + machine + bytes(8))

    def run(self, line):
        """What a line deploys, and what is said where it does not."""
        environment = {**os.environ, "PATH": f"{self.root}/bin:/usr/bin:/bin", "SAM_CLI_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(["bash", "-c", line], cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None, (done.stderr or done.stdout).strip().splitlines()[-1]
        os.chdir(self.root)
        read, wrong = read_by_sam((self.root / "bin/sam.said").read_text().split("\0")[:-1])
        return read and {"overrides": read["parameter_overrides"], "stack": read["stack_name"]}, wrong


def documented(root, deployed):
    """What is wrong with the lines of the documents; and how many there are."""
    wrong, count = [], 0
    for page, line in lines(root):
        count += 1
        text = words(line)
        if text.startswith("tools/deploy.sh"):
            problem = deployed.run(text)[1]
        else:
            os.chdir(root)
            problem = read_by_sam(shlex.split(text)[1:])[1]
        if problem:
            wrong.append(f"{page}: {line}: {problem}")
    return wrong, count


def cases(deployed):
    """What deploy.sh must make of lines, whether a document has them or not. A line each that is wrong."""
    wrong = []

    def need(line, stack=None, refused=None, **overrides):
        read, problem = deployed.run(line)
        if refused:
            if not problem or refused not in problem:
                wrong.append(f"{line}: expected {refused!r}, found {problem or read}")
            return
        found = read and {**{name: read["overrides"].get(name) for name in overrides}}
        if problem or found != overrides or (stack and read["stack"] != stack):
            wrong.append(f"{line}: expected {overrides} of {stack or 'a stack'}, found {problem or (read['stack'], found)}")

    need("tools/deploy.sh dev", stack="muster-dev", Stage="dev", Architecture="arm64")
    need("tools/deploy.sh prod --no-confirm-changeset", stack="muster-prod", Stage="prod")
    need("tools/deploy.sh test", refused="expected dev or prod")
    need("tools/deploy.sh dev --queues queues.json", Queues=deployed.rules)
    need('tools/deploy.sh dev Queues="$(cat queues.json)"', Queues=re.sub(r"\n", "", (deployed.root / "queues.json").read_text()))
    need("tools/deploy.sh dev --queues none.json", refused="expected a readable file")
    need("tools/deploy.sh dev --queues template.yaml", refused="expected JSON")
    need("tools/deploy.sh dev RedisSecretVersionAlso= RedisSecretVersion=" + "1" * 32, RedisSecretVersionAlso="", RedisSecretVersion="1" * 32)
    need("tools/deploy.sh dev 'RedisSecretVersionAlso=\"\"'", RedisSecretVersionAlso="")
    need("tools/deploy.sh dev CorsOrigins=https://a.example.com,https://b.example.com", CorsOrigins="https://a.example.com,https://b.example.com")
    need("tools/deploy.sh dev --token-command", refused="expected a command")
    need("tools/deploy.sh dev Release=0123abcd", refused="expected no Release")
    deployed.built_for("x86_64")
    need("tools/deploy.sh dev", Architecture="x86_64")
    need("tools/deploy.sh dev Architecture=x86_64", Architecture="x86_64")
    need("tools/deploy.sh dev Architecture=arm64", refused="found functions built for x86_64")
    deployed.built_for("another")
    need("tools/deploy.sh dev", refused="expected a program for arm64 or x86_64")
    for size, refused in ((3000, None), (3001, "expected at most 3000 characters, found 3001")):
        deployed.built_for("arm64")
        text = json.dumps({"queues": ""}, separators=(",", ":"))
        text = text.replace('""', '"' + "q" * (size - len(text)) + '"')
        (deployed.root / "long.json").write_text(text)
        need("tools/deploy.sh dev --queues long.json", refused=refused, **({} if refused else {"Queues": text}))
    return wrong


def doctors(deployed):
    """What deploy.sh asks of the stack at its end. A line each that is wrong."""
    doctor, said = deployed.root / "target/release/muster", deployed.root / "asked"
    doctor.parent.mkdir(parents=True)
    wrong = []
    for line, wanted, code in (
        ("tools/deploy.sh dev", "doctor --stack muster-dev", 0),
        ("tools/deploy.sh prod --token-command 'token --of \"$MUSTER_PLAYER\"'", 'doctor --stack muster-prod --token-command token --of "$MUSTER_PLAYER"', 0),
        ("tools/deploy.sh prod --no-doctor", "", 0),
        ("tools/deploy.sh dev", "doctor --stack muster-dev", 1),
    ):
        doctor.write_text(f'#!/bin/sh\necho "$*" >{said}\necho a fault >&2\nexit {code}\n')
        doctor.chmod(0o755)
        said.write_text("")
        read, _ = deployed.run(line)
        if said.read_text().strip() != wanted or (read is None) != (code != 0):
            wrong.append(f"{line}: expected {wanted!r} and an end with {code}, found {said.read_text()!r} and {read}")
    return wrong


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    with tempfile.TemporaryDirectory(prefix="muster-commands-") as folder:
        deployed = Deployed(root, folder)
        wrong, count = documented(root, deployed)
        wrong += cases(deployed) + doctors(deployed)
    if count < 8:
        wrong.append(f"expected the command lines of the documents, found only {count}")
    for line in wrong:
        print(f"  WRONG commands: {line}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"  commands: {count} lines of documents and scripts, each read by SAM; tools/deploy.sh hands on what it is given")


if __name__ == "__main__":
    main()
