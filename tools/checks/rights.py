"""Which rights each function needs, read from the code: what its handler reaches in the adapters that call AWS.

What the shell does for every function that goes by the rules counts beside its handler. The way of reading is simple on purpose. From the handler it goes to the functions of use cases that it calls, and that those
call; every `.name(` on the way reaches the method `name` of an adapter's port, and what that calls on itself. Where the store
and the ledger have a method of one name both count: a join joins in either.
"""

import re
from pathlib import Path

from template import without_tests

# SDK calls as they look in Rust, and the right each needs.
CALLS = {
    "batch_get_item": "dynamodb:BatchGetItem",
    "batch_write_item": "dynamodb:BatchWriteItem",
    "delete_item": "dynamodb:DeleteItem",
    "describe_table": "dynamodb:DescribeTable",
    "get_item": "dynamodb:GetItem",
    "put_item": "dynamodb:PutItem",
    "query": "dynamodb:Query",
    "scan": "dynamodb:Scan",
    "update_item": "dynamodb:UpdateItem",
    "put_events": "events:PutEvents",
    "post_to_connection": "execute-api:ManageConnections",
    "get_connection": "execute-api:ManageConnections",
    "delete_connection": "execute-api:ManageConnections",
}
# What only an operator's command calls, under the operator's own rights: `muster ratings replay` reads the whole table.
OPERATORS = {"dynamodb:Scan"}
# A transaction needs the right of each of its parts.
PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}
ADAPTERS = "shared/src/adapters"
HANDLERS = "functions/src/handlers"


def called(text):
    """Rights of the SDK calls in a piece of code."""
    found = {right for call, right in CALLS.items() if re.search(rf"\.{call}\(\)", text)}
    if "TransactWriteItem" in text or re.search(r"\.transact_(write|get)_items\(\)", text):
        found |= {right for part, right in PARTS.items() if re.search(rf"\b{part}::builder\(\)", text)}
    return found


def methods(root: Path):
    """Methods by which adapters that call AWS play their ports: name -> rights, those of what they call on themselves
    included."""
    bodies, ports = {}, set()
    for path in sorted((root / ADAPTERS).rglob("*.rs")):
        text = without_tests(path.read_text())
        if "aws_sdk" not in text and "dynamodb" not in path.parts:
            continue
        for header, block in re.findall(r"^(impl\b[^{]*)\{(.*?)^}$", text, re.M | re.S):
            for name, body in re.findall(r"^    (?:pub(?:\(\w+\))? )?async fn (\w+)(.*?)^    }$", block, re.M | re.S):
                bodies[name] = bodies.get(name, "") + body
                if " for " in header:
                    ports.add(name)
    rights = {name: called(body) for name, body in bodies.items()}
    calls = {name: set(re.findall(r"\bself\.(\w+)\(", body)) & set(bodies) for name, body in bodies.items()}
    while True:
        grown = {name: own.union(*(rights[other] for other in calls[name])) for name, own in rights.items()}
        if grown == rights:
            return {name: rights[name] for name in ports}
        rights = grown


METHODS = "impl"


class UseCases:
    """The functions and methods of the use cases, and of the handlers that share theirs: which there are, and whom a piece of code
    calls. A handler's module is `handlers/join`, a use case's `join`."""

    def __init__(self, root: Path):
        self.bodies, self.imports = {}, {}
        folder = root / "shared/src/usecases"
        # The parts of a module are the module.
        usecases = [(path, path.relative_to(folder).parts[0].removesuffix(".rs"), "") for path in sorted(folder.rglob("*.rs")) if path.name != "tests.rs"]
        handlers = [(path, f"handlers/{path.stem}", "handlers/") for path in sorted((root / HANDLERS).glob("*.rs"))]
        for path, module, beside in usecases + handlers:
            text = without_tests(path.read_text())
            self.imports.setdefault(module, {}).update(imported(text, beside))
            methods = re.findall(r"^impl\b.*?^}$", text, re.M | re.S)
            self.bodies[module, METHODS] = "\n".join([self.bodies.get((module, METHODS), ""), *methods])
            for name, body in re.findall(r"^(?:pub(?:\(\w+\))? )?(?:async )?fn (\w+)(.*?)^}$", text, re.M | re.S):
                self.bodies[module, name] = body

    def called_by(self, text, imports, module=None):
        """(module, function) of every call in a text."""
        for first, name in re.findall(r"(?<![.\w])(?:(\w+)::)?(\w+)\(", text):
            at = (imports.get(first, first), name) if first else (imports.get(name, module), name)
            if at in self.bodies:
                yield at

    def reached_from(self, text):
        """The text and the bodies of all functions that it reaches."""
        ahead, seen = list(self.called_by(text, imported(text, "handlers/"))), set()
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                # Which type a method is called on is not known: whoever reaches a module may reach all of its methods.
                ahead.append((at[0], METHODS))
                ahead += self.called_by(self.bodies[at], self.imports[at[0]], at[0])
        return [text] + [self.bodies[at] for at in seen]


def imported(text, beside=""):
    """What a file's imports of use cases mean: a function's name -> its module. What a handler imports from `super` is
    another handler's: then `beside` is `handlers/`."""
    names = {}
    for place, module, one, many in re.findall(r"use (muster::usecases|crate::usecases|super)::(\w+)::(?:(\w+)|\{([^}]*)\});", text):
        module = beside + module if place == "super" else module
        for name in [one] if one else re.findall(r"\w+", many):
            names[name] = module
    return names


def shell(root: Path, binary: str):
    """What runs around a function's handler: the part of the shell that its binary names, and what follows the rules, if that
    part does."""
    text = without_tests((root / "functions/src/shell.rs").read_text())
    parts = dict(re.findall(r"^(?:pub )?(?:async )?fn (\w+)(.*?)^}$", text, re.M | re.S))
    named = re.findall(r"shell::(\w+)\(", (root / f"functions/src/bin/{binary}.rs").read_text())
    found = [parts[name] for name in named]
    if any("Live::new(" in part or "follow(" in part for part in found):
        found.append(without_tests((root / "functions/src/rules.rs").read_text()))
    return found


def needed(root: Path, binary: str):
    """The rights that a function needs."""
    handler = root / f"{HANDLERS}/{binary.replace('-', '_')}.rs"
    rights = methods(root)
    texts = UseCases(root).reached_from(without_tests(handler.read_text())) + shell(root, binary)
    names = {name for text in texts for name in re.findall(r"\.(\w+)\(", text)}
    return set().union(*(rights[name] for name in names & set(rights)))
