use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response, ServerError};
use chancery_application::{Application, Caller, Deadline};
use futures_util::{
    StreamExt, future,
    stream::{self, BoxStream},
};

use crate::{document, error, schema::AdminSchema, session::Session};

/// Runs what is subscribed to, after the checks that every document goes through.
#[derive(Clone)]
pub(super) struct Subscriptions {
    pub(super) schema: AdminSchema,
    pub(super) application: Application,
    pub(super) trace_id: String,
}

impl Subscriptions {
    fn refused(&self, mut error: ServerError) -> BoxStream<'static, Response> {
        error::complete(&mut error, &self.trace_id);
        stream::once(future::ready(Response::from_errors(vec![error]))).boxed()
    }
}

impl Executor for Subscriptions {
    /// The protocol's every operation is a stream.
    async fn execute(&self, request: Request) -> Response {
        self.schema.execute(request).await
    }

    fn execute_stream(
        &self,
        request: Request,
        data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let request = match document::subscription(request) {
            Ok(request) => request,
            Err(error) => return self.refused(*error),
        };
        let caller = data
            .as_ref()
            .and_then(|data| data.get(&std::any::TypeId::of::<Caller>()));
        let Some(caller) = caller.and_then(|caller| caller.downcast_ref::<Caller>()) else {
            return self.refused(ServerError::new("this connection has no caller", None));
        };
        let application = self.application.clone();
        let (caller, trace_id) = (caller.clone(), self.trace_id.clone());
        let session = Session::new(application, caller, trace_id, Deadline::from_now());
        let trace_id = self.trace_id.clone();
        self.schema
            .execute_stream(request.data(session))
            .map(move |mut response| {
                for error in &mut response.errors {
                    error::complete(error, &trace_id);
                }
                response
            })
            .boxed()
    }
}
