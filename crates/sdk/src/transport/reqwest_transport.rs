use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};

use super::{BoxFuture, LONGEST_ANSWER, Transport, TransportError};

/// How long it may take to get through to a server.
const CONNECT: Duration = Duration::from_secs(2);

/// The built-in transport.
#[derive(Debug)]
pub(super) struct ReqwestTransport(reqwest::Client);

impl ReqwestTransport {
    /// Fails where TLS cannot be set up.
    pub(super) fn new() -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            // Neither what the environment names (`HTTP_PROXY`): credentials go to the issuer alone.
            .no_proxy()
            // Shared by the addresses of a name: so the second is tried where the first is dead.
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("chancery-sdk/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(without_url)?;
        Ok(Self(client))
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(without_url)?;
            let mut answer = self.0.execute(request).await.map_err(without_url)?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
                if body.len() + chunk.len() > LONGEST_ANSWER {
                    return Err(TransportError::new("the answer is longer than a mebibyte"));
                }
                body.extend_from_slice(&chunk);
            }
            *response.body_mut() = body.freeze();
            Ok(response)
        })
    }
}

/// Whoever shows the error names the endpoint already.
fn without_url(error: reqwest::Error) -> TransportError {
    TransportError::new(error.without_url())
}
