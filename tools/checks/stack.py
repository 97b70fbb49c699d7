"""A template as CloudFormation sees it once parameters have values: which resources there are, what each refers to, and whether
an order exists in which they can be made. Reads plain data, as SAM's translator returns it."""

import json
import re

NOTHING = {"Ref": "AWS::NoValue"}


class Transformed:
    """A template without shorthand, and what was found out about its parts: a part comes to the same wherever the conditions and
    parameters that it reads are the same."""

    def __init__(self, template, parameters):
        self.text = json.dumps(template, sort_keys=True)
        self.conditions = template.get("Conditions", {})
        self.resources = template["Resources"]
        self.outputs = template.get("Outputs", {})
        self.reads = {name: read(part, self.conditions, parameters) for name, part in self.parts().items()}
        self.known = {}

    def parts(self):
        """Resources and outputs, by names that differ."""
        return self.resources | {f"output {name}": output for name, output in self.outputs.items()}


def read(part, conditions, parameters):
    """Conditions and parameters that a part reads."""
    text = json.dumps(part)
    return [c for c in conditions if f'"{c}"' in text], [p for p in parameters if f'"Ref": "{p}"' in text]


class Stack:
    """The resources of a transformed template under one choice of parameters."""

    def __init__(self, transformed, parameters):
        self.transformed, self.parameters = transformed, parameters
        self.conditions = transformed.conditions
        self.decided = {name: self._holds({"Condition": name}) for name in self.conditions}
        self.declared = transformed.resources
        self.resources, self.named = {}, {}
        for name, part in transformed.parts().items():
            if self.decided.get(part.get("Condition"), True):
                resolved, named = self._known(name, part)
                self.named[name] = {one for one in named if "::" not in one and one not in parameters}
                if name in self.declared:
                    self.resources[name] = resolved

    def _known(self, name, part):
        """A part as it comes to, and what it refers to."""
        conditions, parameters = self.transformed.reads[name]
        key = (name, *(self.decided[c] for c in conditions), *(self.parameters[p] for p in parameters))
        if key not in self.transformed.known:
            resolved = self.resolve(part)
            counted = {k: v for k, v in resolved.items() if k not in ("DependsOn", "Condition", "Metadata", "Type")}
            self.transformed.known[key] = resolved, referred(counted)
        return self.transformed.known[key]

    def of_type(self, kind):
        """Resources of one type, as name -> properties."""
        return {n: r.get("Properties", {}) for n, r in self.resources.items() if r["Type"] == kind}

    def _holds(self, condition):
        """Whether a condition holds."""
        (kind, value), = condition.items()
        if kind == "Condition":
            return self._holds(self.conditions[value])
        if kind == "Fn::Equals":
            left, right = (self.resolve(side) for side in value)
            return left == right
        if kind == "Fn::Not":
            return not self._holds(value[0])
        if kind == "Fn::And":
            return all(self._holds(one) for one in value)
        if kind == "Fn::Or":
            return any(self._holds(one) for one in value)
        raise SystemExit(f"stack.py: expected a condition of Equals, Not, And, Or, found {kind}")

    def resolve(self, value):
        """A value with parameters, conditions, Split and Join replaced by what they come to. References to resources stay."""
        if isinstance(value, list):
            return [one for one in (self.resolve(item) for item in value) if one != NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, inside), = value.items()
            if key == "Ref" and inside in self.parameters:
                return self.parameters[inside]
            if key == "Fn::If":
                return self.resolve(inside[1] if self.decided[inside[0]] else inside[2])
            if key in ("Fn::Split", "Fn::Join"):
                by, what = self.resolve(inside[0]), self.resolve(inside[1])
                if key == "Fn::Split" and isinstance(what, str):
                    return what.split(by)
                if key == "Fn::Join" and isinstance(what, list) and all(isinstance(one, str) for one in what):
                    return by.join(what)
                return {key: [by, what]}
        resolved = {key: self.resolve(inside) for key, inside in value.items()}
        return {key: inside for key, inside in resolved.items() if inside != NOTHING}

    def references(self):
        """What each resource must wait for, as name -> names. UpdatePolicy and DependsOn count as much as properties do."""
        graph = {}
        for name, resource in self.resources.items():
            after = resource.get("DependsOn", [])
            # A resource that a condition leaves out need not be waited for.
            after = {one for one in ([after] if isinstance(after, str) else after) if one not in self.declared or one in self.resources}
            graph[name] = after | self.named[name]
        return graph

    def missing(self):
        """References to resources that are not there, a line each."""
        wanted = self.named | self.references()
        return [f"{who} refers to {one}" for who, after in sorted(wanted.items()) for one in sorted(after - set(self.resources))]


def referred(value):
    """Names that Ref, GetAtt and Sub name in a value."""
    if isinstance(value, list):
        return set().union(*(referred(item) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inside in value.items():
        if key == "Ref":
            found.add(inside)
        elif key == "Fn::GetAtt":
            found.add(inside.split(".")[0] if isinstance(inside, str) else inside[0])
        elif key == "Fn::Sub":
            text, own = (inside, {}) if isinstance(inside, str) else inside
            named = {name.split(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", text)}
            found |= (named - set(own)) | referred(own)
        else:
            found |= referred(inside)
    return found


def cycles(graph):
    """A shortest cycle through each resource that is in one, each cycle once: lists of names."""
    found, seen = [], set()
    left = {name: set(after) & set(graph) for name, after in graph.items()}
    while free := [name for name, after in left.items() if not after & set(left)]:
        left = {name: after for name, after in left.items() if name not in free}
    # Only what waits for itself, and what waits for that, is left.
    for start in sorted(left):
        if start in seen:
            continue
        came_from, ahead = {}, [start]
        while ahead and start not in came_from:
            at = ahead.pop(0)
            for after in sorted(graph.get(at, ())):
                if after not in came_from:
                    came_from[after] = at
                    ahead.append(after)
        if start in came_from:
            path, at = [start], came_from[start]
            while at != start:
                path.append(at)
                at = came_from[at]
            path.append(start)
            seen |= set(path)
            found.append(path[::-1])
    return found
