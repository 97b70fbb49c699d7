//! Whose a token is: checked as the HTTP API's own authorizer checks it, because `$connect` of a WebSocket API has none.
//!
//! The issuer names its keys in two steps, OpenID discovery and a key set. Both are asked when first needed, kept, and asked
//! again when they are old or a token names a key that is not among them; never more often than [`ASK_AGAIN_MS`], however
//! many such tokens come. While the issuer is away the keys that are known go on to count.
//!
//! The algorithms are those of the HTTP API's authorizer, RSA with PKCS #1 and no other, so that one token opens both doors or none.
//! All have public keys: neither `none` nor a secret made of a public key is ever tried.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use muster::ports::Clock;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Pause between two questions to the issuer, in milliseconds.
pub const ASK_AGAIN_MS: u64 = 10_000;
/// Keys so old are asked for again: an hour, in milliseconds.
pub const KEYS_MS_MAX: u64 = 3_600_000;
/// Clocks may differ by so much, in seconds.
pub const LEEWAY_S: u64 = 30;
/// The issuer answers one question in this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Largest answer of an issuer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What the HTTP API's authorizer takes.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Why nobody is proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The token proves nothing.
    #[error("expected a token of the issuer for us, in its time: {0}")]
    Refused(String),
    /// Nobody can tell: the issuer does not name its keys.
    #[error("the issuer: {0}")]
    Away(String),
}

fn refused<T>(why: impl ToString) -> Result<T, Unproven> {
    Err(Unproven::Refused(why.to_string()))
}

/// What a token says.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    aud: Option<Audience>,
    /// What some issuers write in place of `aud` into access tokens.
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The part of OpenID discovery that counts.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// The issuer's keys, as last told.
#[derive(Debug, Default)]
struct Known {
    keys: Arc<JwkSet>,
    told_ms: Option<u64>,
    asked_ms: Option<u64>,
}

/// Tokens of one issuer for one of several audiences.
#[derive(Debug)]
pub struct Tokens<W> {
    issuer: String,
    audiences: Vec<String>,
    env: W,
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    known: Mutex<Known>,
}

impl<W: Clock> Tokens<W> {
    /// Tokens of `issuer`, exactly as in their `iss`, for any of `audiences`. Asks nothing yet.
    ///
    /// # Errors
    /// This build of TLS knows no version of its protocol.
    pub fn new(issuer: impl Into<String>, audiences: Vec<String>, env: W) -> Result<Self, rustls::Error> {
        let crypto = rustls::crypto::aws_lc_rs::default_provider();
        let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(crypto)?;
        // An issuer without TLS is a local one; the configuration lets in no other.
        let http = Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
        Ok(Self { issuer: issuer.into(), audiences, env, http, known: Mutex::default() })
    }

    /// Whose a token is: its `sub`.
    ///
    /// # Errors
    /// It proves nothing, or nobody can tell.
    pub async fn subject(&self, token: &str) -> Result<String, Unproven> {
        let header = decode_header(token).or_else(refused)?;
        if !ALGORITHMS.contains(&header.alg) {
            return refused(format!("expected one of {ALGORITHMS:?}, found {:?}", header.alg));
        }
        let key = self.key(&header).await?;
        let mut rules = Validation::new(header.alg);
        rules.set_required_spec_claims(&["exp", "iss", "sub"]);
        rules.set_issuer(&[&self.issuer]);
        rules.validate_aud = false; // below, since it has two names
        rules.validate_nbf = true;
        rules.leeway = LEEWAY_S;
        let claims = decode::<Claims>(token, &DecodingKey::from_jwk(&key).or_else(refused)?, &rules);
        let Claims { sub, aud, client_id } = claims.or_else(refused)?.claims;
        let for_us = match (&aud, &client_id) {
            (Some(Audience::One(aud)), _) => self.audiences.contains(aud),
            (Some(Audience::Many(all)), _) => all.iter().any(|aud| self.audiences.contains(aud)),
            (None, client_id) => client_id.as_ref().is_some_and(|id| self.audiences.contains(id)),
        };
        if for_us { Ok(sub) } else { refused(format!("expected an audience of {:?}, found {aud:?}", self.audiences)) }
    }

    /// The key that a token names.
    async fn key(&self, header: &Header) -> Result<Jwk, Unproven> {
        let (keys, old) = self.known();
        if let Some(key) = find(&keys, header).filter(|_| !old) {
            return Ok(key);
        }
        match self.may_ask().then_some(self.ask()) {
            Some(asking) => match asking.await {
                Ok(told) => {
                    let told = Arc::new(told);
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    (known.keys, known.told_ms) = (Arc::clone(&told), Some(self.env.now_ms()));
                    find(&told, header).map_or_else(|| refused("a key that the issuer does not have"), Ok)
                }
                Err(error) => {
                    tracing::error!(error, issuer = self.issuer, "the issuer does not name its keys");
                    find(&keys, header).ok_or(Unproven::Away(error))
                }
            },
            None if keys.keys.is_empty() => Err(Unproven::Away("it was away a moment ago".to_owned())),
            None => find(&keys, header).map_or_else(|| refused("a key that is not known"), Ok),
        }
    }

    fn known(&self) -> (Arc<JwkSet>, bool) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = known.told_ms.is_none_or(|told_ms| self.env.now_ms() >= told_ms + KEYS_MS_MAX);
        (Arc::clone(&known.keys), old)
    }

    fn may_ask(&self) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.env.now_ms();
        let may = known.asked_ms.is_none_or(|asked_ms| now_ms >= asked_ms + ASK_AGAIN_MS);
        if may {
            known.asked_ms = Some(now_ms);
        }
        may
    }

    async fn ask(&self) -> Result<JwkSet, String> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let Discovery { issuer, jwks_uri } = self.get(&place).await?;
        if issuer != self.issuer {
            return Err(format!("{place}: expected the issuer {}, found {issuer}", self.issuer));
        }
        if self.issuer.starts_with("https://") && !jwks_uri.starts_with("https://") {
            return Err(format!("{place}: expected keys behind https, found {jwks_uri}"));
        }
        self.get(&jwks_uri).await
    }

    async fn get<T: DeserializeOwned>(&self, place: &str) -> Result<T, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{place}: {error}");
        let asked = async {
            let answer = self.http.get(place.parse().map_err(|error| wrong(&error))?).await;
            let answer = answer.map_err(|error| wrong(&format!("{error:?}")))?;
            if !answer.status().is_success() {
                return Err(wrong(&format!("expected a status of success, found {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            serde_json::from_slice(&body.map_err(|error| wrong(&error))?.to_bytes()).map_err(|error| wrong(&error))
        };
        tokio::time::timeout(ANSWER_LIMIT, asked).await.unwrap_or_else(|_| Err(wrong(&"no answer in time")))
    }
}

/// The key that a token's header names, for its algorithm; without a name the only one.
fn find(keys: &JwkSet, header: &Header) -> Option<Jwk> {
    let named = match (&header.kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let fits = |key: &&Jwk| {
        let common = &key.common;
        let signs = common.public_key_use.as_ref().is_none_or(|wanted| *wanted == PublicKeyUse::Signature);
        signs && common.key_algorithm.is_none_or(|wanted| wanted == header.alg.into())
    };
    named.filter(fits).cloned()
}
