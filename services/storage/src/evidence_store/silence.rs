//! Whether a store elsewhere answers: each request to it has a deadline, and while it misses them what needs it is refused at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use tokio::time::timeout;

/// An answer begins within this time, and its bytes come without a longer pause.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What is sent goes at least so fast; its time comes on top.
const BYTES_PER_SECOND_MIN: u64 = 128 << 10;

/// Between two requests that try whether the store answers again.
const PAUSE: Duration = Duration::from_secs(2);

/// Makes clients that watch whether the store answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Watching {
    /// Clients that get no answer now.
    silent: Arc<AtomicUsize>,
}

impl Watching {
    /// Has the last request to the store, or to whoever gives us the right to it, not been answered?
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed) > 0
    }
}

impl HttpConnector for Watching {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        let silent = Arc::clone(&self.silent);
        Ok(HttpClient::new(Watched { client, silent, silence: Mutex::new(None) }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    silent: Arc<AtomicUsize>,
    /// None while it answers.
    silence: Mutex<Option<Silence>>,
}

/// A store that does not answer.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Instant,
    tried_at: Instant,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if !self.may_try() {
            return Err(silent(HttpErrorKind::Unknown, "the store does not answer"));
        }
        let sending = Duration::from_secs(request.body().content_length() as u64 / BYTES_PER_SECOND_MIN);
        let answer = match timeout(ANSWER_TIME_MAX + sending, self.client.execute(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(HttpErrorKind::Timeout, "the store did not answer in time")),
        };
        match &answer {
            Ok(_) => self.note_answer(&host),
            Err(error) if matches!(error.kind(), HttpErrorKind::Timeout | HttpErrorKind::Connect) => {
                self.note_silence(&host, error);
            }
            Err(_) => {}
        }
        answer
    }
}

impl Watched {
    fn may_try(&self) -> bool {
        match &mut *self.silence() {
            Some(silence) if silence.tried_at.elapsed() < PAUSE => false,
            Some(silence) => {
                silence.tried_at = Instant::now();
                true
            }
            None => true,
        }
    }

    fn note_answer(&self, host: &str) {
        if let Some(Silence { since, .. }) = self.silence().take() {
            self.silent.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(host, seconds = since.elapsed().as_secs(), "the evidence store answers again");
        }
    }

    fn note_silence(&self, host: &str, error: &HttpError) {
        let now = Instant::now();
        let mut silence = self.silence();
        if silence.is_none() {
            *silence = Some(Silence { since: now, tried_at: now });
            self.silent.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                host,
                %error,
                "the evidence store does not answer: what needs it is refused until it does, but for a try every few seconds"
            );
        }
    }

    fn silence(&self) -> std::sync::MutexGuard<'_, Option<Silence>> {
        self.silence.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn silent(kind: HttpErrorKind, why: &'static str) -> HttpError {
    HttpError::new(kind, io::Error::new(io::ErrorKind::TimedOut, why))
}
