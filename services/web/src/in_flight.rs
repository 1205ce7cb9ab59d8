//! What a process has under way for its clients: requests, and the memory of their bodies. It is taken before a body is read, and free
//! again once the request has ended.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use firemode_runtime::settings::InFlightBounds;
use metrics::{counter, describe_counter};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::observed::is_probe;
use crate::shares::{Caller, Full, Share, Shares};
use crate::{Problem, Routed, client_address};

/// What the framework reads of a body before anybody has asked for it: a buffer of 128 KiB, and what it hands on, 32 KiB.
const BUFFERED_BYTES_MAX: usize = 160 << 10;

/// A request waits this long for memory that others give back.
const WAIT_MAX: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Whoever is refused may try again after this time.
const RETRY_SECONDS: u32 = 2;

const REFUSED: &str = "firemode_refused_for_bounds_total";

/// What the requests of a process may take, for each caller and together.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Bounded>);

#[derive(Debug)]
struct Bounded {
    requests: Arc<Shares>,
    of_users: Arc<Shares>,
    bytes: Arc<Shares>,
    /// Proxies between clients and this server; none where the caller is not known by the address.
    proxy_hops: Option<usize>,
}

/// A request's place among them. It is kept by whoever goes on with what the request brought.
#[derive(Debug, Clone)]
pub struct Place(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    bounds: InFlight,
    /// One by address, and one by user once that is known.
    requests: Vec<Share>,
    bytes: Share,
    announced_bytes: Option<usize>,
}

impl InFlight {
    /// With these bounds. `proxy_hops` tells how far a client's address can be trusted, where clients are known by it.
    pub fn new(bounds: &InFlightBounds, proxy_hops: Option<usize>) -> Self {
        describe_counter!(
            REFUSED,
            "Requests that were refused because too much was under way, by what and whose."
        );
        Self(Arc::new(Bounded {
            requests: Shares::new(bounds.requests_max, bounds.address_requests_max),
            of_users: Shares::new(usize::MAX, bounds.user_requests_max),
            bytes: Shares::new(bounds.bytes_max, bounds.caller_bytes_max),
            proxy_hops,
        }))
    }

    /// # Errors
    /// 429 or 503 where there is no place.
    fn enter(&self, request: &ServiceRequest) -> Result<Place, Problem> {
        let hops = self.0.proxy_hops;
        let callers: Vec<Caller> = hops
            .into_iter()
            .flat_map(|hops| Caller::of_address(client_address(request.head(), hops)))
            .collect();
        let place =
            Share::take(&self.0.requests, callers.clone(), 1).map_err(|full| refused("requests", full))?;
        let announced_bytes = announced_bytes(request.headers());
        let buffered = buffered_bytes(announced_bytes);
        let bytes = Share::take(&self.0.bytes, callers, buffered).map_err(|full| refused("bytes", full))?;
        Ok(Place(Arc::new(Mutex::new(Taken {
            bounds: self.clone(),
            requests: vec![place],
            bytes,
            announced_bytes,
        }))))
    }
}

impl Place {
    /// That of a request. One about the process alone has none.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Counts the request for a user, and its body no longer for the address: others may share that.
    ///
    /// # Errors
    /// 429 where the user has a share under way already.
    pub fn count_for(&self, user_id: Uuid) -> Result<(), Problem> {
        let user = Caller::User(user_id);
        let mut taken = self.lock();
        let of_users = Share::take(&taken.bounds.0.of_users, vec![user], 1);
        let request = of_users.map_err(|full| refused("requests", full))?;
        taken.requests.push(request);
        taken.bytes.hand_over(user).map_err(|full| refused("bytes", full))
    }

    /// Takes memory, and waits a moment for it where others have it.
    ///
    /// # Errors
    /// 429 or 503 where there is none, 413 where there could never be so much.
    pub async fn reserve(&self, bytes: usize) -> Result<(), Problem> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let taken = self.lock().bytes.grow(bytes);
            match taken {
                Ok(()) => return Ok(()),
                Err(full) if full == Full::Never || Instant::now() >= deadline => {
                    return Err(refused("bytes", full));
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// The length of the body; more than any where it is not announced.
    pub fn announced_bytes(&self) -> usize {
        self.lock().announced_bytes.unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The middleware that gives each request its place, or refuses it.
///
/// # Errors
/// Those of the service within.
pub async fn take_place<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<Held<B, Option<Place>>>>, Error> {
    let in_flight = request.app_data::<web::Data<InFlight>>().cloned();
    let is_light = is_probe(Routed::of(&request).pattern()) && announced_bytes(request.headers()) == Some(0);
    let place = match in_flight.filter(|_| !is_light).map(|in_flight| in_flight.enter(&request)).transpose() {
        Ok(place) => place,
        Err(problem) => return Ok(request.error_response(problem).map_into_right_body()),
    };
    if let Some(place) = &place {
        request.extensions_mut().insert(place.clone());
    }
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Held::new(body, place)).map_into_left_body())
}

pin_project! {
    /// The body of an answer, and something that is held until it is sent.
    pub struct Held<B, T> {
        #[pin]
        body: B,
        until_sent: T,
    }
}

impl<B, T> Held<B, T> {
    pub(crate) fn new(body: B, until_sent: T) -> Self {
        Self { body, until_sent }
    }
}

impl<B: MessageBody, T> MessageBody for Held<B, T> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, B::Error>>> {
        self.project().body.poll_next(context)
    }
}

/// The length of a body that is announced; none where it is not, or where the body comes in pieces.
pub fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

/// What of a request's body may be in memory without anybody having asked for it.
fn buffered_bytes(announced_bytes: Option<usize>) -> usize {
    announced_bytes.map_or(BUFFERED_BYTES_MAX, |bytes| bytes.min(BUFFERED_BYTES_MAX))
}

fn refused(what: &'static str, full: Full) -> Problem {
    let whose = if full == Full::All { "all" } else { "caller" };
    counter!(REFUSED, "what" => what, "whose" => whose).increment(1);
    match full {
        Full::Each => {
            let detail = "You have too much under way at once. Send this again when some of it has ended.";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_SECONDS)
        }
        Full::All => Problem::unavailable("Too much is under way at once. Send this again in a moment.")
            .retry_after(RETRY_SECONDS),
        Full::Never => {
            let detail = "Reading this body would take more memory than there is for all. Send it in parts.";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        }
    }
}
