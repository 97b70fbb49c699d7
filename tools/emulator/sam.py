"""`sam` for the emulator: documented commands run as they stand in docs, and only what cannot be is done otherwise.

    sam build     puts the programs that cargo has built for the tests where `sam build` would put its own
    sam deploy    transforms and overlays the template (overlay.py), hands it to the real `sam deploy`, lets Redis in whom the
                  stack says (redis.py), and moves the aliases as the deployment preference says (code_deploy.py)
    all else      is the real one's

MUSTER_ROOT is the repository, MUSTER_PLACE a JSON file of this run; the folder is a checkout of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

import code_deploy
import redis
from overlay import Place, of_type, overlaid, transformed
from stack import Stack

ROOT = Path(os.environ["MUSTER_ROOT"])
REAL = ROOT / ".local/sam/bin/sam"
PLACE = json.loads(Path(os.environ["MUSTER_PLACE"]).read_text())
SPEED = int(os.environ.get("MUSTER_SPEED", PLACE["speed"]))
BUILT = Path(".aws-sam/build")


def build():
    """As sam build leaves it: a folder for each function, and the template."""
    shutil.rmtree(BUILT, ignore_errors=True)
    text = Path("template.yaml").read_text()
    for name, resource in yaml_parse(text)["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            (BUILT / name).mkdir(parents=True)
            shutil.copy(Path("programs") / resource["Metadata"]["BuildProperties"]["Binary"], BUILT / name / "bootstrap")
    (BUILT / "template.yaml").write_text(text)


def packed(name):
    """A function's folder as a package that is not pressed: sam would take a minute for what stays on this machine."""
    package = Path(".aws-sam/packages") / f"{name}.zip"
    package.parent.mkdir(exist_ok=True)
    entry = zipfile.ZipInfo("bootstrap")  # without a date, so that the same program is the same package
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(entry, (BUILT / name / "bootstrap").read_bytes())
    return str(package)


def overrides(words):
    """The values behind --parameter-overrides, as sam itself reads them."""
    from samcli.cli.types import CfnParameterOverridesType  # takes a second, and only a deployment needs it

    at = words.index("--parameter-overrides") + 1
    end = next((n for n in range(at, len(words)) if words[n].startswith("--")), len(words))
    return CfnParameterOverridesType().convert(words[at:end], None, None)


def option(words, name, default):
    return words[words.index(name) + 1] if name in words else default


def drilled(template):
    """The fault of the canary drill, if it is asked for: a version with a wrong password."""
    if os.environ.get("MUSTER_DRILL") != "wrong-password":
        return
    for function in of_type(template, "AWS::Lambda::Function").values():
        variables = function["Properties"]["Environment"]["Variables"]
        if "REDIS_PASSWORD" in variables and variables["REDIS_PASSWORD"] != {"Ref": "AWS::NoValue"}:
            variables["REDIS_PASSWORD"] = "wrong"


def template_for(parameters, live, text):
    place = Place(redis_port=PLACE["redis_port"], gateway=PLACE["gateway"], live=live)
    template = overlaid(transformed(text, parameters), place)
    for function in of_type(template, "AWS::Lambda::Function").values():
        function["Properties"]["Code"] = packed(function["Properties"]["Code"])
    return template


def deploy(words):
    settings = tomllib.loads(Path("samconfig.toml").read_text())[option(words, "--config-env", "default")]
    stack = Stack(option(words, "--stack-name", settings["global"]["parameters"]["stack_name"]))
    text, parameters = (BUILT / "template.yaml").read_text(), overrides(words)
    before = stack.snapshot()
    # What is not named stays as it was.
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in before["parameters"]} | parameters if before else parameters
    template = template_for(parameters, stack.live(), folders(text))
    drilled(template)
    path = Path("emulated.json")  # where sam looks for samconfig.toml
    path.write_text(json.dumps(template, default=str))
    done = subprocess.run([REAL, "deploy", *words, "--template-file", path], check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    let_in(stack)
    if before is None:
        return
    plain = transformed(folders(text), parameters)
    if not code_deploy.deploy(stack, plain, SPEED):
        stack.restore(before)
        let_in(stack)
        sys.exit("Error: deployment stopped by an alarm, stack rolled back")


def folders(text):
    """What sam build writes into the template that it leaves: each function's own folder."""
    source = yaml_parse(text)
    source["Globals"]["Function"].pop("CodeUri", None)
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = name
    return json.dumps(source, default=str)


def let_in(stack):
    """What ElastiCache does when its user changes."""
    user = stack.resource("RedisUser")
    if user is None:
        return
    operator = redis.Redis(PLACE["redis_port"], PLACE["redis_password"])
    operator.accept(user["AccessString"], [password for password in user["Passwords"] if password])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", *_]:
            build()
        case ["deploy", *words]:
            deploy(words)
        case words:
            os.execv(REAL, [str(REAL), *words])
