//! What changed since a client looked.

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::input::AsSent;
use firemode_storage::feed::{self, Changed};
use firemode_web::{Params, Problem, ProblemBody, WalkScope};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::handlers::sessions::view::{SessionView, Summary};
use crate::list::link_next;
use crate::principal::Principal;
use crate::state::State;

/// `since` for a client that wants to hear of what comes and has no need of what is there.
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

/// Follows what changes
///
/// Everything that was made or changed since a token: the session itself, its results, late work and what was decided on it.
/// Nothing is left out, even when transactions commit out of order; a session may come again although nothing is new. Without
/// `since` it begins with everything there is, with `since=now` behind it. Go on with the `since` of each answer: at once
/// while `next_cursor` is there, later when it is null.
#[utoipa::path(get, path = "/v1/tests/sessions/changes", tag = "sessions",
    params(("since" = Option<String>, Query, description = "`since` of the answer before, or `now`."),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the answer before; the same as `since`."),
           ("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20)),
    responses((status = 200, description = "One page.", body = Changes),
              (status = 400, description = "The token is not of this feed.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The token is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn changes(
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let page = params.page();
    let since = params.optional("since").map(|AsSent(since)| since);
    if since.is_some() && page.cursor.is_some() {
        params.refuse("cursor", "stands for `since`; give one of them");
    }
    params.finish()?;
    let token = since.or_else(|| page.cursor.clone());
    let limit = page.rows_max();
    let organisation_id = principal.organisation_id;
    let scope = WalkScope { organisation_id, list: "/v1/tests/sessions/changes", filters: "" };
    let tx = state.database.tenant(organisation_id).read().await?;
    let is_now = token.as_deref() == Some(NOW);
    let follow = state.cursor_key.follow(&tx, token.as_deref().filter(|_| !is_now), scope).await?;
    let changed = match is_now {
        true => Changed { sessions: Vec::new(), has_more: false },
        false => feed::changed(&tx, organisation_id, &follow.place, &follow.until, limit).await?,
    };
    let since = state.cursor_key.follow_on(&follow, &changed, scope)?;
    let next_cursor = changed.has_more.then(|| since.clone());
    let ids: Vec<Uuid> = changed.sessions.iter().map(|session| session.id).collect();
    let summaries = state.documents.read_many(&tx, organisation_id, &ids, Summary::of).await?;
    let sessions = changed.sessions.into_iter().zip(summaries);
    let data = sessions.map(|(session, summary)| SessionView::new(session, summary)).collect();
    let mut response = HttpResponse::Ok();
    if let Some(cursor) = &next_cursor {
        response.insert_header(link_next(&request, &["cursor", "since"], cursor));
    }
    Ok(response.json(Changes { data, since, next_cursor }))
}
