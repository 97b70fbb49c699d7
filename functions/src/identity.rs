//! Who the caller has proved to be.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use muster::domain::PlayerId;

use crate::config::AuthMode;
use crate::problem::{Code, Problem};

/// Names the player where `AUTH_MODE` is `header`.
pub const HEADER: &str = "x-muster-player";

/// Followed by a name, that claim of the caller's token, where `AUTH_MODE` is `header`.
pub const CLAIM_HEADER: &str = "x-muster-claim-";

/// The player who makes this request: the `sub` of the token that API Gateway verified, or the header in local use.
///
/// # Errors
/// [`Code::Unauthenticated`]: nobody, or somebody whose id has a wrong form.
pub fn caller(request: &Request, mode: AuthMode) -> Result<PlayerId, Problem> {
    let found = match mode {
        AuthMode::Jwt => match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
                jwt.and_then(|jwt| jwt.claims.get("sub")).map(String::as_str)
            }
            _ => None,
        },
        AuthMode::Header => request.headers().get(HEADER).and_then(|value| value.to_str().ok()),
    };
    let expected = match mode {
        AuthMode::Jwt => "a verified token with a sub",
        AuthMode::Header => "the header x-muster-player",
    };
    let Some(text) = found else {
        return Err(Problem::new(Code::Unauthenticated, format!("expected {expected}, found none")));
    };
    text.parse().map_err(|error| Problem::new(Code::Unauthenticated, format!("{expected}: {error}")))
}

/// What a claim of the caller's verified token says; in local use, the header `x-muster-claim-<name>`.
pub fn claim(request: &Request, mode: AuthMode, name: &str) -> Option<String> {
    match mode {
        AuthMode::Jwt => match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                context.authorizer.as_ref()?.jwt.as_ref()?.claims.get(name).cloned()
            }
            _ => None,
        },
        AuthMode::Header => {
            request.headers().get(format!("{CLAIM_HEADER}{name}"))?.to_str().ok().map(ToOwned::to_owned)
        }
    }
}
