//! HTTP/1.1 to the ingest process: connections that are kept, and bodies that stream in both directions at once.
//!
//! A body that is here holds a connection for as long as its answer takes, one that is still on its way for as long as its client likes.
//! So the latter have places of their own, and each user has some of them: however many trickle, the others find a connection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::error::PayloadError;
use actix_web::web;
use firemode_runtime::settings::IngestSettings;
use futures_util::Stream as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

/// Connections that one worker has to the ingest process for requests whose bodies are here; further ones wait for one.
const CONNECTIONS_MAX: usize = 384;

/// The connections of one worker. Those that are not in use are kept until the ingest process closes them.
pub(crate) struct IngestClient {
    address: String,
    connect_time_max: Duration,
    kept: RefCell<Vec<SendRequest<Outgoing>>>,
    places: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_of_user_max: usize,
    large_by_user: Rc<RefCell<HashMap<Uuid, usize>>>,
}

/// The body of a request: none, a client's that is here, or one as it comes.
pub(crate) enum Outgoing {
    Nothing,
    Whole(Option<Bytes>),
    Stream(Streamed),
}

/// The right to a connection. It is kept until the answer is there.
pub(crate) struct ConnectionPlace {
    _place: Option<OwnedSemaphorePermit>,
    _of_user: Option<LargeOfUser>,
}

impl ConnectionPlace {
    /// One beside all others, so that no client's request stands in the way. For who asks now and then.
    pub(crate) fn beside() -> Self {
        Self { _place: None, _of_user: None }
    }
}

/// One of a user's large bodies that are on their way.
struct LargeOfUser {
    user_id: Uuid,
    by_user: Rc<RefCell<HashMap<Uuid, usize>>>,
}

/// As many large bodies are on their way as may be: those of the user, or those of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooManyLarge {
    OfUser,
    OfAll,
}

/// What a client sends, of a size that it stated or not.
pub(crate) struct Streamed {
    payload: web::Payload,
    size: Option<u64>,
    /// How it broke off, to be reported once what came before is on its way.
    broken: Option<PayloadError>,
}

/// The body of an answer, and with it the place among the connections.
pub(crate) struct Answered {
    body: Incoming,
    _place: ConnectionPlace,
}

/// There is no answer. The request may have been taken or not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Not in time.
    #[error("no answer in time")]
    Timeout,
    /// Nobody listens.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The ingest process does not answer anybody at present.
    #[error("it hangs")]
    Hangs,
    /// The connection broke, or the client's body did.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

impl IngestClient {
    pub(crate) fn new(settings: &IngestSettings) -> Self {
        Self {
            address: settings.address(),
            connect_time_max: Duration::from_millis(settings.connect_milliseconds_max),
            kept: RefCell::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            large: Arc::new(Semaphore::new(settings.large_bodies_max)),
            large_of_user_max: settings.user_large_bodies_max,
            large_by_user: Rc::default(),
        }
    }

    /// A place for a large body of a user, of which nothing has been read yet.
    ///
    /// # Errors
    /// See [`TooManyLarge`].
    pub(crate) fn place_for_large(&self, user_id: Uuid) -> Result<ConnectionPlace, TooManyLarge> {
        let mut by_user = self.large_by_user.borrow_mut();
        if by_user.get(&user_id).is_some_and(|count| *count >= self.large_of_user_max) {
            return Err(TooManyLarge::OfUser);
        }
        let place = Arc::clone(&self.large).try_acquire_owned().map_err(|_| TooManyLarge::OfAll)?;
        *by_user.entry(user_id).or_default() += 1;
        let of_user = LargeOfUser { user_id, by_user: Rc::clone(&self.large_by_user) };
        Ok(ConnectionPlace { _place: Some(place), _of_user: Some(of_user) })
    }

    /// Sends a request whose address is a path, and waits so long for the head of the answer; also for a place, where none is given.
    /// The body of the answer may come while that of the request is still on its way.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) async fn send(
        &self,
        mut request: Request<Outgoing>,
        place: Option<ConnectionPlace>,
        time_max: Duration,
    ) -> Result<Response<Answered>, SendError> {
        let host = HeaderValue::from_str(&self.address)
            .map_err(|error| SendError::Connect(io::Error::other(error)))?;
        request.headers_mut().insert(HOST, host);
        let deadline = Instant::now() + time_max;
        let sent = timeout_at(deadline, async {
            let place = match place {
                Some(place) => place,
                None => self.place().await?,
            };
            let response = self.exchange(request).await?;
            Ok(response.map(|body| Answered { body, _place: place }))
        });
        sent.await.map_err(|_| SendError::Timeout)?
    }

    async fn place(&self) -> Result<ConnectionPlace, SendError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|closed| SendError::Connect(io::Error::other(closed)))?;
        Ok(ConnectionPlace { _place: Some(place), _of_user: None })
    }

    async fn exchange(&self, mut request: Request<Outgoing>) -> Result<Response<Incoming>, SendError> {
        // A kept connection may have been closed at the other end. It says so before the request is on its way.
        while let Some(mut connection) = self.take_kept() {
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.kept.borrow_mut().push(connection);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await?;
        self.kept.borrow_mut().push(connection);
        Ok(response)
    }

    /// One that has nothing to do. Others still bring the rest of an answer.
    fn take_kept(&self) -> Option<SendRequest<Outgoing>> {
        let mut kept = self.kept.borrow_mut();
        kept.retain(|connection| !connection.is_closed());
        let free = kept.iter().rposition(SendRequest::is_ready)?;
        Some(kept.swap_remove(free))
    }

    async fn connect(&self) -> Result<SendRequest<Outgoing>, SendError> {
        let stream = timeout(self.connect_time_max, TcpStream::connect(&self.address)).await;
        let stream = stream.map_err(|_| SendError::Timeout)?.map_err(SendError::Connect)?;
        stream.set_nodelay(true).map_err(SendError::Connect)?;
        let (connection, work) = http1::handshake(TokioIo::new(stream)).await?;
        actix_web::rt::spawn(async move {
            // Those who wait for an answer on it get an error.
            if let Err(error) = work.await {
                tracing::debug!(%error, "a connection to the ingest process broke");
            }
        });
        Ok(connection)
    }
}

impl Drop for LargeOfUser {
    fn drop(&mut self) {
        let mut by_user = self.by_user.borrow_mut();
        if let Some(count) = by_user.get_mut(&self.user_id) {
            *count -= 1;
            if *count == 0 {
                by_user.remove(&self.user_id);
            }
        }
    }
}

impl Streamed {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let next = ready!(Pin::new(&mut self.payload).poll_next(context));
        let Some(Err(error)) = next else { return Poll::Ready(next) };
        // The connection is given up as soon as the error reaches it: what arrived of an upload counts, so it is written first.
        self.broken = Some(error);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Outgoing {
    /// A client's body.
    pub(crate) fn of_client(payload: web::Payload, size: Option<u64>) -> Self {
        Self::Stream(Streamed { payload, size, broken: None })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        match self.get_mut() {
            Self::Nothing => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(streamed) => {
                streamed.poll_next(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing | Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(Streamed { size, .. }) => size.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}

impl MessageBody for Answered {
    type Error = hyper::Error;

    fn size(&self) -> BodySize {
        self.body.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let body = &mut self.get_mut().body;
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(context)) {
                // What is not data are trailers, which nobody asked for.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
