//! What changed since a client looked.

use actix_web::HttpResponse;
use firemode_domain::body;
use firemode_domain::input::AsSent;
use firemode_storage::feed::{self, FeedPage};
use firemode_web::{CursorScope, PageLimit, Params, Problem, rows_max};
use serde::Serialize;
use utoipa::ToSchema;

use crate::call::{Call, PublicCall};
use crate::handlers::sessions::view::SessionView;
use crate::handlers::sessions::views;
use crate::list::link_next;

/// `since` for a client that wants what comes and not what is there.
const NOW: &str = "now";

/// Sessions that were made or changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changes {
    /// The sessions as they are now, each once in a round.
    data: Vec<SessionView>,
    /// The token to go on with: pass it as `since`. It is good for ever, until a restore of the database.
    since: String,
    /// The same token where more is there already; null where you have everything for now.
    next_cursor: Option<String>,
}

body! {
    /// Where to go on.
    #[derive(Debug)]
    pub(crate) struct Since {
        /// `since` of the answer before, or `now`.
        since: Option<AsSent>,
        /// `next_cursor` of the answer before; the same as `since`.
        cursor: Option<AsSent>,
        /// Rows on a page, 1 to 100; 20, where left out.
        limit: Option<PageLimit> = 20,
    }
}

/// Follows what changes
///
/// Everything that was made or changed since a token: the session itself, its results, late work and what was decided on it.
/// Nothing is left out, even when transactions commit out of order; a session may come again although nothing is new. Without
/// `since` it begins with everything there is, with `since=now` behind it. Go on with the `since` of each answer: at once
/// while `next_cursor` is there, later when it is null.
#[utoipa::path(get, path = "/v1/tests/sessions/changes", tag = "sessions",
    params(Params<Since>),
    responses((status = 200, description = "One page.", body = Changes)))]
pub(crate) async fn changes(Params(wanted): Params<Since>, call: Call) -> Result<HttpResponse, Problem> {
    let PublicCall { request, state, .. } = &*call;
    if wanted.since.is_some() && wanted.cursor.is_some() {
        return Err(Problem::invalid_field("cursor", "stands for `since`; give one of them"));
    }
    let token = wanted.since.or(wanted.cursor).map(|AsSent(token)| token);
    let limit = rows_max(wanted.limit);
    let organisation_id = call.organisation_id();
    let scope = CursorScope { organisation_id, list: "/v1/tests/sessions/changes", filters: "" };
    let tx = call.read().await?;
    let is_now = token.as_deref() == Some(NOW);
    let feed_range = state.cursor_key.feed_range(&tx, token.as_deref().filter(|_| !is_now), scope).await?;
    let changed = match is_now {
        true => FeedPage { sessions: Vec::new(), has_more: false },
        false => feed::changed(&tx, organisation_id, &feed_range.place, &feed_range.until, limit).await?,
    };
    let last = changed.sessions.last().filter(|_| changed.has_more).map(|session| session.id);
    let since = state.cursor_key.feed_token(&feed_range, last, scope)?;
    let next_cursor = changed.has_more.then(|| since.clone());
    drop(tx);
    let data = views(&call, changed.sessions).await?;
    let mut response = HttpResponse::Ok();
    if let Some(cursor) = &next_cursor {
        response.insert_header(link_next(request, &["cursor", "since"], cursor));
    }
    Ok(response.json(Changes { data, since, next_cursor }))
}
