//! Feeds for analysis, and registers as files.

mod csv;
mod kinds;
mod pieces;
mod query;
mod rows;
pub(crate) mod turns;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderName, VARY};
use actix_web::{HttpResponse, web};
use firemode_storage::assets::Asset;
use firemode_storage::audit::AuditRow;
use firemode_storage::buildings::Building;
use firemode_storage::exports::{FedChange, FedDefect, FedItem, FedObservation, FedSession, Walk};
use firemode_storage::feed::FeedPosition;
use firemode_storage::measures::Measure;
use firemode_storage::page;
use firemode_web::{CursorScope, Params, Problem};

use self::kinds::{Feed, Kind, Register};
use self::pieces::{End, Pieces};
use self::query::{Exported, Form};
use self::rows::Shown;
use crate::call::Call;

/// The token for the next time.
const NEXT_SINCE: HeaderName = HeaderName::from_static("next-since");

/// Exports all rows of a kind, or what is new
///
/// Feeds for analysis: `results`, `items`, `defects`, `observations`, `sessions` and `audit`, as NDJSON (a JSON object on each line) or CSV. They
/// have ids and no names of people. Without `since` a feed has everything, with the token of the last time what was written or has changed since:
/// nothing is left out and nothing comes twice, however many write meanwhile. The token for the next time is in `Next-Since`; in NDJSON
/// it is in the last line, `{"next_since": "…", "rows": 3}`, as well. **A feed without its last line broke off**: do not use the
/// token of its header. A CSV that broke off ends without the last chunk, which clients report as an error. Rows replace those with
/// the same `id` (`hash` for `results`, `session_id` and `item_id` for `items`); `is_removed` says that there is none any more.
///
/// Registers: `buildings.csv`, `assets.json`, `measures.csv` and so on have all that there are, deactivated ones too, by the fields with which
/// they are made. In CSV, texts that a spreadsheet would take for a formula begin with `'`.
///
/// A user has one export at a time; a second one is answered 429.
#[utoipa::path(get, path = "/v1/exports/{kind}", tag = "exports",
    params(("kind" = inline(Kind), Path, description = "What is wanted.", example = "sessions"), Params<Exported>),
    responses((status = 200, description = "All rows, in pieces.",
               content(("application/x-ndjson"), ("text/csv"), ("application/json")),
               headers(("Next-Since"), ("Content-Disposition")))))]
pub(crate) async fn export(
    kind: web::Path<String>,
    Params(wanted): Params<Exported>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    match kind.parse()? {
        Kind::Feed(feed) => {
            let form = wanted.form(&call.request);
            match feed {
                Feed::Results => send_feed::<FedChange>(feed, form, wanted, call).await,
                Feed::Items => send_feed::<FedItem>(feed, form, wanted, call).await,
                Feed::Defects => send_feed::<FedDefect>(feed, form, wanted, call).await,
                Feed::Observations => send_feed::<FedObservation>(feed, form, wanted, call).await,
                Feed::Sessions => send_feed::<FedSession>(feed, form, wanted, call).await,
                Feed::Audit => send_feed::<AuditRow>(feed, form, wanted, call).await,
            }
        }
        Kind::Register(register, form) => {
            wanted.refuse_for_registers()?;
            match register {
                Register::Buildings => send_register::<Building>(&kind, form, call).await,
                Register::Assets => send_register::<Asset>(&kind, form, call).await,
                Register::Measures => send_register::<Measure>(&kind, form, call).await,
            }
        }
    }
}

async fn send_feed<T: Shown>(
    feed: Feed,
    form: Form,
    wanted: Exported,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let state = &call.state;
    let turn = state.exports.take(call.user_id())?;
    let organisation_id = call.organisation_id();
    let list = format!("/v1/exports/{}", feed.as_str());
    let scope = CursorScope { organisation_id, list: &list, filters: "" };
    let tx = call.read().await?;
    let range = state.cursor_key.feed_range(&tx, wanted.since(), scope).await?;
    drop(tx);
    let next_since = state.cursor_key.feed_token(&range, None, scope)?;
    let walk = Walk::new::<T>(organisation_id, range.place, range.until)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((NEXT_SINCE, next_since.clone())).insert_header((VARY, "Accept"));
    let pieces = Pieces::<T>::new(&call, walk, form, End::Token(next_since), turn);
    send(response, pieces, feed.as_str(), form).await
}

async fn send_register<T: Shown>(kind: &str, form: Form, call: Call) -> Result<HttpResponse, Problem> {
    let state = &call.state;
    let turn = state.exports.take(call.user_id())?;
    let tx = call.read().await?;
    let until = page::visible_up_to(&tx).await?;
    drop(tx);
    let walk = Walk::new::<T>(call.organisation_id(), FeedPosition { seen: None, after: None }, until)?;
    let pieces = Pieces::<T>::new(&call, walk, form, End::Whole, turn);
    send(HttpResponse::Ok(), pieces, kind, form).await
}

/// The first piece is read before the answer begins: what fails by then has a status.
async fn send<T: Shown>(
    mut response: actix_web::HttpResponseBuilder,
    pieces: Pieces<T>,
    name: &str,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let stem = name.split('.').next().unwrap_or_default();
    let disposition = format!("attachment; filename=\"{stem}.{}\"", form.extension());
    response.insert_header((CONTENT_DISPOSITION, disposition)).insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.content_type(form.content_type()).streaming(pieces.begin().await?))
}
