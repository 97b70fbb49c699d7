//! The REQUEST authorizer of `$connect`: who connects, by the token in `Authorization`, or by a header in local use.
//!
//! A bad token is denied, which the phone sees as 403. It is no error of this function: otherwise anybody with a bad token
//! could ring the alarm. An issuer that does not answer is one, and the phone sees 500.

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use lambda_http::http::HeaderMap;
use lambda_runtime::LambdaEvent;
use muster::domain::PlayerId;
use muster::ports::Clock;
use serde_json::{Value, json};

use crate::app::Ran;
use crate::identity::HEADER;
use crate::metrics::Noted;
use crate::tokens::{Tokens, Unproven};

/// How a connecting phone proves who its player is.
#[derive(Debug)]
pub enum Judge<W> {
    /// By a token.
    Token(Box<Tokens<W>>),
    /// By a header that anybody can send.
    Header,
}

impl<W: Clock> Judge<W> {
    async fn player(&self, headers: &HeaderMap) -> Result<PlayerId, Unproven> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let found = match self {
            Self::Header => text(HEADER).map(str::to_owned),
            Self::Token(tokens) => match text("authorization").and_then(bearer) {
                Some(token) => Some(tokens.subject(token).await?),
                None => None,
            },
        };
        let found = found.ok_or_else(|| Unproven::Refused("found none".to_owned()))?;
        found.parse().map_err(|error| Unproven::Refused(format!("{error}")))
    }
}

/// The token of `Bearer <token>`, whose first word may be written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Lets a phone connect or not. The policy names its player as principal.
///
/// # Errors
/// Nobody can tell, because the issuer does not answer.
pub async fn handle<W: Clock>(
    judge: &Judge<W>,
    event: LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>,
) -> Ran<Value> {
    let request = event.payload;
    let arn = request.method_arn.unwrap_or_default();
    match judge.player(&request.headers).await {
        Ok(player) => Ok((policy("Allow", player.as_str(), &arn), Noted::default().field("effect", "Allow").routine())),
        Err(Unproven::Refused(why)) => {
            tracing::info!(why, "denied");
            Ok((policy("Deny", "nobody", &arn), Noted::default().field("effect", "Deny")))
        }
        Err(away @ Unproven::Away(_)) => Err(away.into()),
    }
}

fn policy(effect: &str, principal: &str, arn: &str) -> Value {
    json!({
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": arn }],
        },
    })
}
