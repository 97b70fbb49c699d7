"""Packs built functions into a release folder: a zip for each, a template that uses them, checksums of all.

    python3 tools/release/pack.py [--dev] ARCHITECTURE BINARIES OUT

BINARIES holds `NAME` or `NAME/bootstrap` for each function. The folder is OUT/muster-VERSION-ARCHITECTURE.
"""

import hashlib
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The oldest that a zip can say: what is packed again must be the same.
THEN = (1980, 1, 1, 0, 0, 0)
# The C library of Lambda's provided.al2023.
GLIBC_MAX = (2, 34)
MACHINES = {"x86_64": 62, "arm64": 183}
FUNCTION = re.compile(r"^  (\w+):\n    Type: AWS::Serverless::Function\n(    Metadata: .*BuildProperties: \{ Binary: ([a-z-]+) \}.*\n)    Properties:\n", re.M)


def fail(line):
    """One line, and no release."""
    raise SystemExit(f"pack.py: {line}")


def checked(binary, architecture, dev):
    """A function's bytes, if Lambda can run them."""
    bytes_ = binary.read_bytes()
    if bytes_[:4] != b"\x7fELF":
        fail(f"{binary}: expected an ELF binary, found {bytes_[:4]!r}")
    machine = int.from_bytes(bytes_[18:20], "little")
    if machine != MACHINES[architecture]:
        fail(f"{binary}: expected machine {MACHINES[architecture]} ({architecture}), found {machine}")
    needs = max((tuple(map(int, v.split(b"."))) for v in re.findall(rb"GLIBC_(\d+\.\d+)\b", bytes_)), default=(0, 0))
    if needs > GLIBC_MAX and not dev:
        fail(f"{binary}: expected a C library of at most {GLIBC_MAX[0]}.{GLIBC_MAX[1]}, found {needs[0]}.{needs[1]}: build it with zig")
    if not dev and str(ROOT).encode() in bytes_:
        fail(f"{binary}: expected no path of this machine, found {ROOT}")
    return bytes_


def write_zip(path, bytes_, level=9):
    """A zip with nothing but the function, as Lambda calls it."""
    entry = zipfile.ZipInfo("bootstrap", THEN)
    entry.create_system, entry.external_attr, entry.compress_type = 3, 0o100755 << 16, zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, bytes_, compresslevel=level)


def packaged(text, architecture):
    """template.yaml, its functions taken from zips beside it instead of being built."""
    names = [match[3] for match in FUNCTION.finditer(text)]
    text = FUNCTION.sub(lambda m: f"  {m[1]}:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: ./{m[3]}.zip\n", text)
    text, changed = re.subn(r"(  Architecture:\n    Type: String\n    Default: )\w+", rf"\g<1>{architecture}", text)
    if changed != 1:
        fail(f"template.yaml: expected one parameter Architecture, found {changed}")
    text, changed = re.subn(r"^    CodeUri: \./\n", "", text, flags=re.M)
    if changed != 1:
        fail(f"template.yaml: expected one CodeUri for all functions, found {changed}")
    left = len(re.findall(r"AWS::Serverless::Function$", text, re.M)) - len(names)
    if left or not names:
        fail(f"template.yaml: expected every function to name its binary, found {left} of {left + len(names)} that do not")
    return text, names


def main():
    arguments = [a for a in sys.argv[1:] if a != "--dev"]
    if len(arguments) != 3 or arguments[0] not in MACHINES:
        fail("expected [--dev] x86_64|arm64 BINARIES OUT")
    architecture, binaries, out, dev = arguments[0], Path(arguments[1]), Path(arguments[2]), "--dev" in sys.argv
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    folder = out / f"muster-{version}-{architecture}{'-dev' if dev else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    template, names = packaged((ROOT / "template.yaml").read_text(), architecture)
    for name in names:
        binary = binaries / name / "bootstrap" if (binaries / name).is_dir() else binaries / name
        if not binary.exists():
            fail(f"expected {binary}, found nothing")
        write_zip(folder / f"{name}.zip", checked(binary, architecture, dev), 1 if dev else 9)
    (folder / "template.yaml").write_text(template)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    size = sum(path.stat().st_size for path in folder.glob("*.zip"))
    print(f"release: {folder}: {len(names)} functions, {size / 1e6:.1f} MB in zips")


if __name__ == "__main__":
    main()
