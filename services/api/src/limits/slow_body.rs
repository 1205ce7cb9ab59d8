//! A body has a time to arrive in.
//!
//! The time grows with what has come: a large file over a slow network gets through, a client that sends a byte now and
//! then does not. A large body holds a connection to the ingest process while it comes, so it has a pace of its own.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use firemode_web::announced_bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::state::ApiState;

/// A request's body, bounded in time.
struct Bounded {
    body: Payload,
    start: Instant,
    bytes: u64,
    first: Duration,
    bytes_per_second_min: u64,
    /// Made when the body is waited for, which most never are.
    timer: Option<Pin<Box<Sleep>>>,
    is_late: Rc<Cell<bool>>,
}

/// The middleware that bounds the time of every body.
pub(crate) async fn bound_body(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let headers = request.headers();
    let has_body = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    let announced_bytes = announced_bytes(headers);
    let Some(state) = request.app_data::<web::Data<ApiState>>().cloned().filter(|_| has_body) else {
        return next.call(request).await;
    };
    let is_late = Rc::new(Cell::new(false));
    let settings = &state.settings.server;
    let bytes_per_second_min =
        match announced_bytes.is_some_and(|bytes| bytes <= settings.small_body_bytes_max) {
            true => settings.body_bytes_per_second_min,
            false => settings.large_body_bytes_per_second_min,
        };
    let body = Bounded::new(
        request.take_payload(),
        settings.body_seconds_max,
        bytes_per_second_min,
        is_late.clone(),
    );
    request.set_payload(Payload::Stream { payload: Box::pin(body) });
    let mut response = next.call(request).await?;
    if is_late.get() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

impl Bounded {
    fn new(body: Payload, seconds_max: u64, bytes_per_second_min: u64, is_late: Rc<Cell<bool>>) -> Self {
        Self {
            body,
            start: Instant::now(),
            bytes: 0,
            first: Duration::from_secs(seconds_max),
            bytes_per_second_min: bytes_per_second_min.max(1),
            timer: None,
            is_late,
        }
    }

    fn deadline(&self) -> Instant {
        self.start + self.first + Duration::from_secs(self.bytes / self.bytes_per_second_min)
    }

    /// Waits for the deadline, which may have moved since the timer was set.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }
}

impl Stream for Bounded {
    type Item = Result<web::Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.body).poll_next(context) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.bytes += bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Pending if self.poll_deadline(context).is_ready() => {
                self.is_late.set(true);
                Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
            }
            other => other,
        }
    }
}
