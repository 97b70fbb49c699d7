"""The two front doors of a transformed template, the HTTP API and the WebSocket API: what is wrong with them, a line each."""


def judge(stack, parameters):
    """What is wrong with the front doors of a stack."""
    (name, api), = ((n, a) for n, a in stack.of_type("AWS::ApiGatewayV2::Api").items() if "Body" in a)
    wrong = origins(api["Body"], parameters) + warnings(api) + audiences(stack, api["Body"], parameters) + addresses(stack, api["Body"], parameters)
    wrong += concurrency(stack, parameters)
    return [f"{name}: {line}" for line in wrong] + logs(stack, parameters)


def origins(body, parameters):
    """Pages of the origins that are named may call, and no others."""
    wanted = parameters["CorsOrigins"].split(",") if parameters["CorsOrigins"] else None
    cors = body.get("x-amazon-apigateway-cors") or {}
    if not isinstance(cors, dict) or cors.get("allowOrigins") != wanted:
        return [f"CORS: expected the origins {wanted}, found {cors}"]
    return []


def warnings(api):
    """API Gateway warns of security schemes that are not OpenAPI's; SAM writes such. A warning must not refuse the API."""
    schemes = api["Body"].get("components", {}).get("securitySchemes", {})
    said = [f"{name} is oauth2 without flows" for name, scheme in schemes.items() if scheme.get("type") == "oauth2" and "flows" not in scheme]
    used = {name for path in api["Body"]["paths"].values() for method in path.values() if isinstance(method, dict) for one in method.get("security", []) for name in one}
    said += [f"{name} is not defined" for name in sorted(used - set(schemes))]
    if said and api.get("FailOnWarnings"):
        return [f"FailOnWarnings: expected an API without warnings, found: {', '.join(said)}"]
    return []


def audiences(stack, body, parameters):
    """Both doors let in tokens for the same audiences."""
    wanted = parameters["JwtAudience"].split(",")
    scheme = body["components"]["securitySchemes"]["Players"]["x-amazon-apigateway-authorizer"]
    found = scheme["jwtConfiguration"]["audience"]
    wrong = [] if found == wanted else [f"audiences: expected {wanted}, found {found}"]
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        own = function["Environment"]["Variables"].get("JWT_AUDIENCE")
        if own is not None and own.split(",") != wanted:
            wrong.append(f"audiences: {name}: expected {wanted}, found {own}")
    return wrong


def addresses(stack, body, parameters):
    """An API that has a name of its own is not called past it."""
    closed = any(server.get("x-amazon-apigateway-endpoint-configuration", {}).get("disableExecuteApiEndpoint") for server in body.get("servers", []))
    if closed != bool(parameters["HttpDomain"]):
        return [f"execute-api: expected it {'closed' if parameters['HttpDomain'] else 'open'} where HttpDomain={parameters['HttpDomain']!r}, found it {'closed' if closed else 'open'}"]
    return []


def logs(stack, parameters):
    """A line of an API's log names the line of the function's log that belongs to it."""
    stages = stack.of_type("AWS::ApiGatewayV2::Stage")
    formats = {n: s["AccessLogSettings"]["Format"] for n, s in stages.items() if "AccessLogSettings" in s}
    wanted = set(stages) - ({"WebSocketStage"} if parameters["ApiLogsRole"] == "none" else set())
    if set(formats) != wanted:
        return [f"logs: expected a log of {sorted(wanted)}, found one of {sorted(formats)}"]
    return [f"{name}: expected $context.integration.requestId in its log, found {text}" for name, text in formats.items() if "$context.integration.requestId" not in text]


def concurrency(stack, parameters):
    """On prod, no function behind a front door can use up the account's concurrency."""
    called = {p["FunctionName"]["Ref"].removesuffix("Aliaslive") for p in stack.of_type("AWS::Lambda::Permission").values() if p["Principal"] == "apigateway.amazonaws.com"}
    functions = stack.of_type("AWS::Lambda::Function")
    free = sorted(name for name in called if "ReservedConcurrentExecutions" not in functions[name])
    if parameters["Stage"] == "prod" and free:
        return [f"concurrency: expected a bound on every function that phones call, found none on {', '.join(free)}"]
    return []
