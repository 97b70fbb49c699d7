"""What schemathesis must not ask of the local gateway, a stand-in for API Gateway; and what it must look at beside the schemas."""

import schemathesis


@schemathesis.hook
def filter_case(context, case):
    """It never answers on a path that is not one of our routes."""
    return all(str(part) and "/" not in str(part) for part in (case.path_parameters or {}).values())


@schemathesis.hook
def before_call(context, case, kwargs):
    """It fails by itself on a header that is not ASCII and on JSON that is not UTF-8. Here and not above: some phases filter
    no case."""
    for name, value in (case.headers or {}).items():
        case.headers[name] = str(value).encode("ascii", "replace").decode()
    if isinstance(case.body, bytes):
        case.body = case.body.decode("utf-8", "replace").encode()


@schemathesis.check
def documented_codes(context, response, case):
    """A problem's code is one that the document has for this route and status. Not a schema, which would be a class of its own in
    each client."""
    codes = case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("x-codes")
    if codes is not None and "problem+json" in response.headers.get("content-type", [""])[0]:
        code = response.json()["code"]
        assert code in codes, f"Undocumented code: expected one of {codes}, found {code}"
