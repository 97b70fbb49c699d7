"""No circle of imports between the modules of a crate, and no source file of more than 400 lines.

Two modules of one folder may not reach each other through `use` or a path, however many modules stand between them. What a folder's
own file re-exports counts as the module that it is from. A module and the folder it is in are one room: between these two, both ways are
open.
"""
import re
import subprocess
import sys
from pathlib import Path

LINES_MAX = 400
TEST = re.compile(r"(^|/)(tests?|fixtures|examples|benches)(/|_?\w*\.)|_tests?\.")
ROOTS = ["functions/src", "shared/src", "tests/src", "tools/local-aws/src", "tools/muster/src"]


def sources(endings):
    """Every tracked file, so that what a build or an editor leaves behind does not count."""
    found = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    return [name for name in found.stdout.split() if name.endswith(endings) and Path(name).is_file()]


def code(text):
    """Without comments, strings and the tests at the end."""
    text = re.split(r"\n#\[cfg\(test\)\]\s*mod \w+ \{", text)[0]
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\])*"', "", text)


def spread(tree):
    """`a::{b, c::d}` as its paths."""
    head, brace, rest = tree.partition("{")
    if not brace:
        return [tree.split(" as ")[0].strip()]
    parts, depth, part = [], 0, ""
    for sign in rest[: rest.rindex("}")]:
        depth += (sign == "{") - (sign == "}")
        if sign == "," and not depth:
            parts.append(part)
            part = ""
        else:
            part += sign
    return [head.strip() + path for part in [*parts, part] if part.strip() for path in spread(part.strip())]


class Crate:
    def __init__(self, root, files):
        self.texts = {}
        for name in files:
            place = tuple(Path(name).relative_to(root).with_suffix("").parts)
            place = place[:-1] if place[-1] in ("mod", "lib") else place
            if "tests" not in place and place[:1] not in (("bin",), ("main",)):
                self.texts[place] = code(Path(name).read_text())
        self.exports = {(place, path.split("::")[-1]): self.place(place, path, {})
                        for place, text in self.texts.items()
                        for tree in re.findall(r"\buse ([^;]+);", text) for path in spread(tree)
                        if self.place(place, path, {})[: len(place)] == place}

    def place(self, here, path, exports):
        """The module that a path leads to from a module: `super::ticket::Ticket`."""
        at, names = here, path.split("::")
        if names[0] == "crate":
            at, names = (), names[1:]
        while names and names[0] in ("super", "self"):
            at, names = (at[:-1] if names[0] == "super" else at), names[1:]
        if not path.startswith(("crate", "super", "self")) and (*here, names[0]) not in self.texts:
            return here
        for name in names:
            if (*at, name) in self.texts:
                at = (*at, name)
            else:
                return exports.get((at, name), at)
        return at

    def edges(self):
        """For each folder, which of its modules reach which, and an example of each."""
        for here, text in self.texts.items():
            trees = re.findall(r"\buse ([^;]+);", text)
            rest = re.sub(r"\b(use|mod) [^;]+;", "", text)
            for path in [path for tree in trees for path in spread(tree)] + re.findall(r"\b(?:crate|super|self)(?:::\w+)+", rest):
                there = self.place(here, path, self.exports)
                shared = 0
                while here[shared : shared + 1] and here[shared : shared + 1] == there[shared : shared + 1]:
                    shared += 1
                if shared < min(len(here), len(there)):
                    yield here[:shared], here[shared], there[shared], f"{'::'.join(here)} uses {path}"


def circles(crate):
    folders = {}
    for folder, a, b, example in crate.edges():
        folders.setdefault(folder, {}).setdefault(a, {})[b] = example
    for folder, graph in folders.items():
        def reached(start):
            seen, left = set(), [start]
            while left:
                for found in graph.get(left.pop(), {}):
                    if found not in seen:
                        seen.add(found)
                        left.append(found)
            return seen

        reach = {module: reached(module) for module in graph}
        for module in sorted(graph):
            ring = {other for other in reach[module] if module in reach.get(other, ())}
            if ring and module == min(ring):
                examples = [f"    {graph[a][b]}" for a in sorted(ring) for b in sorted(graph[a]) if b in ring and a != b]
                yield "\n".join([f"{'::'.join(folder) or 'top'}: a circle of {', '.join(sorted(ring))}", *examples])


problems = []
rust = sources((".rs",))
for root in ROOTS:
    own = [name for name in rust if name.startswith(root + "/")]
    problems += [f"{root}: {circle}" for circle in circles(Crate(root, own))]
large = {name: len(Path(name).read_text().splitlines()) for name in sources((".rs", ".py", ".lua")) if not TEST.search(name)}
problems += [f"{name}: expected at most {LINES_MAX} lines, found {lines}" for name, lines in large.items() if lines > LINES_MAX]
if problems:
    sys.exit("\n".join(problems))
print(f"  modules: {len(rust)} Rust files in {len(ROOTS)} crates without a circle of imports; {max(large.values())} lines at most")
