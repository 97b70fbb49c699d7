//! The way to connected phones: the management API of an API Gateway WebSocket API.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::DisplayErrorContext;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use tokio::sync::OnceCell;

use crate::domain::limits::PUSH_TIMEOUT_MS;
use crate::ports::{Pushed, Pusher};

/// The connections of one stage of one API. Connects when first used.
#[derive(Debug)]
pub struct ApiGateway {
    endpoint: String,
    client: OnceCell<Client>,
}

impl ApiGateway {
    /// The API at an endpoint: `https://<api>.execute-api.<region>.amazonaws.com/<stage>`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        let connect = || async {
            let limit = Duration::from_millis(PUSH_TIMEOUT_MS);
            let timeouts = TimeoutConfig::builder().connect_timeout(limit).operation_attempt_timeout(limit).build();
            let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
                .endpoint_url(&self.endpoint)
                .timeout_config(timeouts)
                // Whoever pushes tries again, because only they know what is still worth saying.
                .retry_config(RetryConfig::disabled());
            Client::new(&config.load().await)
        };
        self.client.get_or_init(connect).await
    }
}

impl Pusher for ApiGateway {
    async fn push_text(&self, connection: &str, text: &str) -> Pushed {
        let call = self.client().await.post_to_connection().connection_id(connection).data(Blob::new(text));
        match call.send().await {
            Ok(_) => Pushed::Done,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_gone_exception()) => Pushed::Gone,
            Err(error) => Pushed::Failed(DisplayErrorContext(error).to_string()),
        }
    }
}
