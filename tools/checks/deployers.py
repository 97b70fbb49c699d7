"""Holds docs/deploy to template.yaml: parameters, outputs and commands that the samples name are there.

    python tools/checks/deployers.py [--release FOLDER]

With `--release` it makes a release folder of empty functions instead, for `cdk synth`.
"""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/checks"), str(ROOT / "tools/release")]


def make_release(folder):
    """Zips of nothing, which CDK only hashes and names."""
    import pack

    folder.mkdir(parents=True)
    template, names = pack.packaged((ROOT / "template.yaml").read_text(), "arm64")
    (folder / "template.yaml").write_text(template)
    for name in names:
        pack.write_zip(folder / f"{name}.zip", name.encode())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))


def unquoted(value):
    """hcl2 keeps the quotes of texts."""
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def check_terraform(text, parameters, outputs):
    """Every parameter and output of the Terraform sample is the template's, and those without a default are given."""
    import hcl2

    module = hcl2.loads(text)
    (resource,) = module["resource"]
    stack = resource['"aws_cloudformation_stack"']['"muster"']
    given = {unquoted(name) for name in stack["parameters"]}
    for name in sorted(given - set(parameters)):
        yield f"terraform: expected a parameter of template.yaml, found {name}"
    for name in sorted(n for n, p in parameters.items() if "Default" not in p and n not in given):
        yield f"terraform: expected a value for {name}, which has no default, found none"
    for name, value in stack["parameters"].items():
        pattern = parameters.get(name, {}).get("AllowedPattern")
        value = unquoted(value)
        if pattern and not value.startswith("${") and not re.search(pattern, value):
            yield f"terraform: {name}: expected {pattern}, found {value}"
    for name in re.findall(r'\.outputs\["(\w+)"\]', text):
        if name not in outputs:
            yield f"terraform: expected an output of template.yaml, found {name}"
    for capability in ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"):
        if f'"{capability}"' not in stack["capabilities"]:
            yield f"terraform: expected {capability}, which the template needs, found {stack['capabilities']}"


def check_commands(name, text, parameters):
    """Parameters that a page or a pipeline gives to a deployment are the template's; files that it runs are there."""
    own = set()
    if name == "README.md":
        import json

        own = set(json.loads((ROOT / "docs/deploy/role.json").read_text())["Parameters"])
    for found in re.findall(r"(?<![\w$.{/-])([A-Z][A-Za-z]+)=", text):
        if found not in parameters and found not in own:
            yield f"docs/deploy/{name}: expected a parameter of template.yaml, found {found}"
    for path in re.findall(r"(?<![\w./])((?:tools|docs)/[\w./-]+\w)", text):
        if not (ROOT / path).exists():
            yield f"docs/deploy/{name}: expected a file of this repository, found {path}"


def main():
    if sys.argv[1:2] == ["--release"]:
        return make_release(Path(sys.argv[2]))
    import yaml
    from template import _Loader

    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
    parameters, outputs = template["Parameters"], template["Outputs"]
    terraform = (ROOT / "docs/deploy/muster.tf").read_text()
    wrong = list(check_terraform(terraform, parameters, outputs))
    for name in ("README.md", "github-actions.yaml"):
        wrong += check_commands(name, (ROOT / "docs/deploy" / name).read_text(), parameters)
    # Each of them fails when its subject is broken.
    for broken, expected in [
        (terraform.replace("JwtIssuer", "JwtIsuer"), "expected a value for JwtIssuer"),
        (terraform.replace("JwtIssuer", "JwtIsuer"), "expected a parameter of template.yaml, found JwtIsuer"),
        (terraform.replace('"HttpUrl"', '"HttpAddress"'), "expected an output of template.yaml, found HttpAddress"),
        (terraform.replace('"prod"', '"live"').replace("https://login", "http://login"), "JwtIssuer: expected"),
        (terraform.replace(', "CAPABILITY_AUTO_EXPAND"', ""), "expected CAPABILITY_AUTO_EXPAND"),
    ]:
        found = list(check_terraform(broken, parameters, outputs))
        if not any(expected in line for line in found):
            wrong.append(f"proof: expected a finding like {expected!r}, found {found}")
    if not list(check_commands("x", "tools/deploy.sh prod Quees=1", parameters)) or not list(check_commands("x", "tools/none.sh", parameters)):
        wrong.append("proof: expected an unknown parameter and a missing file to be found")
    for line in wrong:
        print(f"  WRONG {line}", file=sys.stderr)
    if not wrong:
        print("  samples: parameters, outputs and files of docs/deploy are there, each kind found when it is broken")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
