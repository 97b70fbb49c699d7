//! An HTTP API of API Gateway on loopback: clients' requests become events of payload format 2.0, and functions' answers
//! become responses. The routes are those of `template.yaml`.
//!
//! As API Gateway does it: a route that is not there is 404, a function that fails is 500, one that is throttled, or takes longer
//! than thirty seconds, is 503; each with a JSON object that has a `message`. An answer without `statusCode` is the body of a
//! 200.
//!
//! Where it differs: no authorizer is asked and no CORS is answered; routes have no throttle of their own; a body that is valid
//! UTF-8 reaches the function as text, whatever its content type.

mod event;
mod reply;
mod route;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::json;
use tokio::time::timeout;

pub use self::route::Route;
use crate::Result;
use crate::lambda::{Caller, Outcome};
use crate::serve::{Answer, Server, body, json as answer_json};

/// API Gateway waits no longer for a function.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

/// The running API. Dropping it cuts every connection and frees the port.
#[derive(Debug)]
pub struct HttpApi {
    server: Server,
}

impl HttpApi {
    /// Starts it on `port`, or on a free one, in front of the functions that `lambda` calls.
    ///
    /// # Errors
    /// [`Error::PortTaken`](super::Error::PortTaken) when the port that was asked for is in use,
    /// [`Error::File`](super::Error::File) when none can be had.
    pub async fn start(port: Option<u16>, lambda: Caller, routes: Vec<Route>) -> Result<Self> {
        let api = Arc::new((lambda, routes));
        let server = Server::start(port, move |request, peer| answer(Arc::clone(&api), request, peer)).await?;
        Ok(Self { server })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }
}

async fn answer(api: Arc<(Caller, Vec<Route>)>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
    let (lambda, routes) = &*api;
    let Some((route, parameters)) = route::find(routes, request.method(), request.uri().path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let (head, incoming) = request.into_parts();
    let Some(body) = body(incoming).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = event::of(&head, &body, route, parameters, peer);
    // A task of its own: a client that hangs up does not keep the function from its end.
    let (lambda, function) = (lambda.clone(), route.function.clone());
    let run = tokio::spawn(async move { lambda.invoke(&function, event.to_string().into()).await });
    match timeout(INTEGRATION_LIMIT, run).await {
        Ok(Ok(Outcome::Answered(answer))) => {
            reply::of(&answer).unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
        }
        Ok(Ok(Outcome::Throttled)) | Err(_) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Ok(Ok(Outcome::Failed(_) | Outcome::Unknown) | Err(_)) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// What API Gateway itself says.
fn message(status: StatusCode, message: &str) -> Answer {
    answer_json(status, &json!({ "message": message }))
}
