//! Tokens of a real issuer on loopback, with keys that are made here.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use muster::adapters::system::System;
use muster::ports::Clock;
use muster_functions::tokens::{ASK_AGAIN_MS, KEYS_MS_MAX, LEEWAY_S, Tokens, Unproven};
use muster_tests::http_stub::HttpStub;
use serde_json::{Value, json};

const AUDIENCE: &str = "muster-ios";
const AUDIENCES: [&str; 2] = [AUDIENCE, "muster-android"];

/// A key pair with a name.
struct Key {
    kid: &'static str,
    alg: Algorithm,
    private: EncodingKey,
}

impl Key {
    fn es256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        Self { kid, alg: Algorithm::ES256, private: EncodingKey::from_ec_der(der.as_ref()) }
    }

    fn rs256(kid: &'static str) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // Without the envelope of PKCS #8, which says that it is RSA: 26 bytes at this size.
        Self { kid, alg: Algorithm::RS256, private: EncodingKey::from_rsa_der(&der.as_ref()[26..]) }
    }

    fn public(&self) -> Value {
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.alg).unwrap()).unwrap();
        (key["kid"], key["use"]) = (json!(self.kid), json!("sig"));
        key
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(self.alg) };
        encode(&header, claims, &self.private).unwrap()
    }
}

/// Hands of a clock that a test moves. Tokens are judged by the machine's own, keys by this one.
#[derive(Debug, Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// An issuer whose keys may change, and that counts how often it is asked for them.
struct Issuer {
    stub: HttpStub,
    keys: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let (kept, asked) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let (known, counter) = (Arc::clone(&kept), Arc::clone(&asked));
        let stub = HttpStub::start(move |request| {
            let (known, counter) = (Arc::clone(&known), Arc::clone(&counter));
            async move {
                let base = format!("http://{}", request.header("host"));
                let keys: Option<Value> = known.lock().unwrap().clone();
                match (request.path.as_str(), keys) {
                    (_, None) => (503, "away".to_owned()),
                    ("/.well-known/openid-configuration", _) => {
                        (200, json!({ "issuer": base, "jwks_uri": format!("{base}/keys") }).to_string())
                    }
                    ("/keys", Some(keys)) => {
                        counter.fetch_add(1, Ordering::Relaxed);
                        (200, keys.to_string())
                    }
                    _ => (404, String::new()),
                }
            }
        })
        .await
        .unwrap();
        let issuer = Self { stub, keys: kept, asked };
        issuer.has(keys);
        issuer
    }

    fn has(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        *self.keys.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    fn goes_away(&self) {
        *self.keys.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn claims(&self) -> Value {
        let now_s = System::default().now_ms() / 1_000;
        json!({ "iss": self.stub.url(), "aud": AUDIENCE, "sub": "ann", "exp": now_s + 300, "nbf": now_s - 1 })
    }

    fn tokens(&self, clock: &Hands) -> Tokens<Hands> {
        Tokens::new(self.stub.url(), AUDIENCES.map(str::to_owned).to_vec(), clock.clone()).unwrap()
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_good_token_names_its_player_for_each_audience() {
    let key = Key::rs256("r");
    let issuer = Issuer::start(&[&key]).await;
    let tokens = issuer.tokens(&Hands::default());
    for audience in AUDIENCES {
        let claims = with(issuer.claims(), "aud", json!(audience));
        assert_eq!(tokens.subject(&key.sign(&claims)).await.as_deref(), Ok("ann"), "{audience}");
    }
    let audiences = with(issuer.claims(), "aud", json!(["other", AUDIENCE]));
    assert_eq!(tokens.subject(&key.sign(&audiences)).await.as_deref(), Ok("ann"));
    let mut client = with(issuer.claims(), "client_id", json!(AUDIENCE));
    client.as_object_mut().unwrap().remove("aud");
    assert_eq!(tokens.subject(&key.sign(&client)).await.as_deref(), Ok("ann"), "an access token names it so");
    assert_eq!(issuer.asked(), 1, "the keys are asked for once");
}

#[tokio::test]
async fn a_token_that_proves_nothing_is_refused() {
    let (key, stranger, curve) = (Key::rs256("r"), Key::rs256("r"), Key::es256("e"));
    let issuer = Issuer::start(&[&key, &curve]).await;
    let tokens = issuer.tokens(&Hands::default());
    let good = issuer.claims();
    let now_s = System::default().now_ms() / 1_000;
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    // The public key, which everybody knows, as the secret of a signature.
    let public = key.public().to_string();
    let header = Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::HS256) };
    let confused = encode(&header, &good, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    let unsigned = {
        let signed = key.sign(&good);
        let claims = signed.split('.').nth(1).unwrap();
        format!("eyJhbGciOiJub25lIn0.{claims}.") // {"alg":"none"}
    };
    let mut tampered = key.sign(&good);
    tampered.truncate(tampered.len() - 4);
    // The other key's name over this key's algorithm.
    let crossed = encode(&Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::ES256) }, &good, &curve.private);
    let cases = [
        ("expired", key.sign(&with(good.clone(), "exp", json!(now_s - LEEWAY_S - 2)))),
        ("not yet", key.sign(&with(good.clone(), "nbf", json!(now_s + LEEWAY_S + 60)))),
        ("of no time", key.sign(&without("exp"))),
        ("for others", key.sign(&with(good.clone(), "aud", json!("other")))),
        ("for nobody", key.sign(&without("aud"))),
        ("of another issuer", key.sign(&with(good.clone(), "iss", json!("https://login.example.com")))),
        ("of no issuer", key.sign(&without("iss"))),
        ("of nobody", key.sign(&without("sub"))),
        ("of another key", stranger.sign(&good)),
        ("without a signature", unsigned),
        ("signed with what is public", confused),
        ("of another algorithm than its key", crossed.unwrap()),
        ("of an algorithm that the HTTP API refuses", curve.sign(&good)),
        ("cut off", tampered),
        ("no token", "ann".to_owned()),
    ];
    for (what, token) in cases {
        let found = tokens.subject(&token).await;
        assert!(matches!(found, Err(Unproven::Refused(_))), "a token {what}: expected a refusal, found {found:?}");
    }
}

#[tokio::test]
async fn a_new_key_is_learnt_when_a_token_names_it_but_not_more_often_than_allowed() {
    let (old, new, unknown) = (Key::rs256("old"), Key::rs256("new"), Key::rs256("never"));
    let (issuer, clock) = (Issuer::start(&[&old]).await, Hands::default());
    let tokens = issuer.tokens(&clock);
    assert!(tokens.subject(&old.sign(&issuer.claims())).await.is_ok());
    issuer.has(&[&new]);
    let token = new.sign(&issuer.claims());
    assert!(tokens.subject(&token).await.is_err(), "asked a moment ago");
    clock.sleep_ms(ASK_AGAIN_MS).await;
    assert_eq!(tokens.subject(&token).await.as_deref(), Ok("ann"));
    let asked = issuer.asked();
    for _ in 0..20 {
        assert!(tokens.subject(&unknown.sign(&issuer.claims())).await.is_err());
    }
    assert_eq!(issuer.asked(), asked, "tokens of unknown keys do not make us ask");
    assert!(tokens.subject(&old.sign(&issuer.claims())).await.is_err(), "the old key is gone");
}

#[tokio::test]
async fn while_the_issuer_is_away_known_keys_count_and_nobody_else_gets_in() {
    let (known, other) = (Key::rs256("known"), Key::rs256("other"));
    let (issuer, clock) = (Issuer::start(&[&known]).await, Hands::default());
    let (tokens, fresh) = (issuer.tokens(&clock), issuer.tokens(&clock));
    let token = known.sign(&issuer.claims());
    assert!(tokens.subject(&token).await.is_ok());
    issuer.goes_away();
    clock.sleep_ms(KEYS_MS_MAX).await;
    assert_eq!(tokens.subject(&token).await.as_deref(), Ok("ann"), "old keys, and none newer");
    clock.sleep_ms(ASK_AGAIN_MS).await;
    let away = |found: &Result<String, Unproven>| matches!(found, Err(Unproven::Away(_)));
    let found = tokens.subject(&other.sign(&issuer.claims())).await;
    assert!(away(&found), "{found:?}");
    for _ in 0..2 {
        let found = fresh.subject(&token).await;
        assert!(away(&found), "{found:?}");
    }
    issuer.has(&[&known]);
    clock.sleep_ms(ASK_AGAIN_MS).await;
    assert_eq!(fresh.subject(&token).await.as_deref(), Ok("ann"), "it is back");
}
