//! Cursors of lists: small, opaque, tamper-evident.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_domain::body;
use firemode_domain::input::{AsSent, Members, Whole};
use firemode_storage::page::{Keyset, VisibleUpTo};
use firemode_storage::pg_snapshot::PgSnapshot;
use firemode_storage::{Executor, page};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Problem, catalogue};
use actix_web::http::StatusCode;

/// Longest cursor that is looked at.
const CURSOR_BYTES_MAX: usize = 4096;

const LIMIT_DEFAULT: i64 = 20;

/// Rows on a page.
pub type PageLimit = Whole<1, 100>;

body! {
    /// The part of a query that pages through a list.
    #[derive(Debug)]
    pub struct PageQuery {
        /// Rows on a page, 1 to 100; 20, where left out.
        pub limit: Option<PageLimit> = 20,
        /// `next_cursor` of the page before.
        pub cursor: Option<AsSent>,
    }
}

/// What a cursor is bound to: a cursor of another tenant, list or set of filters is refused.
#[derive(Debug, Clone, Copy)]
pub struct CursorScope<'a> {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The list: its path.
    pub list: &'a str,
    /// The filters, in a fixed form.
    pub filters: &'a str,
}

/// Signs and reads cursors. The first key signs, all read.
#[derive(Clone)]
pub struct CursorKey(Vec<[u8; 32]>);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    last_evaluated_id: Uuid,
    sort_key: i128,
    /// What of each writer the pass may see: the database's incarnation and its snapshot, in which every instance's
    /// transactions are numbered.
    vector_clock: BTreeMap<Uuid, String>,
    scope: String,
}

impl CursorKey {
    /// Keys of their own, derived from the secrets of access tokens, so that all instances share them, and a pass over a list outlives
    /// the replacement of the first.
    pub fn derive(secret: &SecretString, accepted: &[SecretString]) -> Self {
        let key = |secret: &SecretString| mac(secret.expose_secret().as_bytes(), b"firemode cursor v1");
        Self(std::iter::once(secret).chain(accepted).map(key).collect())
    }

    /// The place in a list that a query asks for: the first page, or where a cursor left off.
    ///
    /// # Errors
    /// 422 for a limit outside 1 to 100, 400 for a cursor that is not of this list, 410 for one from before a restore or a failover.
    pub async fn keyset(
        &self,
        on: &impl Executor,
        query: &PageQuery,
        scope: CursorScope<'_>,
    ) -> Result<Keyset, Problem> {
        let limit = rows_max(query.limit);
        let present = page::visible_up_to(on).await?;
        let Some(AsSent(cursor)) = &query.cursor else {
            return Ok(Keyset { visible_up_to: present, after: None, limit });
        };
        let content = self.read(cursor, scope).ok_or_else(|| {
            let detail =
                "The cursor does not belong to this list and these filters. Start again without one.";
            Problem::of(catalogue::CURSOR, detail)
        })?;
        let (incarnation, snapshot) = content.vector_clock.first_key_value().ok_or_else(damaged)?;
        let snapshot = known(&present, *incarnation, snapshot, damaged)?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(content.sort_key).map_err(|_| damaged())?;
        let visible_up_to = VisibleUpTo { snapshot, ..present };
        Ok(Keyset { visible_up_to, after: Some((at, content.last_evaluated_id)), limit })
    }

    /// The cursor that goes on where a page ended.
    ///
    /// # Errors
    /// None that can happen: PostgreSQL's snapshots can be read, and such a small value can be serialised.
    pub fn next(
        &self,
        keyset: &Keyset,
        last: (OffsetDateTime, Uuid),
        scope: CursorScope<'_>,
    ) -> Result<String, Problem> {
        let snapshot = compact(&keyset.visible_up_to.snapshot)?;
        let content = Content {
            last_evaluated_id: last.1,
            sort_key: last.0.unix_timestamp_nanos(),
            vector_clock: BTreeMap::from([(keyset.visible_up_to.incarnation, snapshot)]),
            scope: self.scope_text(scope),
        };
        self.seal(&content)
    }

    fn read(&self, cursor: &str, scope: CursorScope<'_>) -> Option<Content> {
        let content: Content = self.unseal(cursor)?;
        (content.scope == self.scope_text(scope)).then_some(content)
    }

    /// A token that says this and cannot be changed.
    pub(crate) fn seal(&self, content: &impl Serialize) -> Result<String, Problem> {
        let mut value = serde_json::to_value(content).map_err(Problem::internal)?;
        let signature = self.signature(&value);
        value["mac"] = signature.into();
        Ok(URL_SAFE_NO_PAD.encode(value.to_string()))
    }

    /// What a token says, if it is one of ours.
    pub(crate) fn unseal<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        if token.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let claimed = value.as_object_mut()?.remove("mac")?;
        let claimed = URL_SAFE_NO_PAD.decode(claimed.as_str()?).ok()?;
        let text = value.to_string();
        let signed_by = |key: &[u8; 32]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            mac.update(text.as_bytes());
            mac.verify_slice(&claimed).is_ok()
        };
        self.0.iter().any(signed_by).then_some(())?;
        serde_json::from_value(value).ok()
    }

    fn signature(&self, value: &serde_json::Value) -> String {
        URL_SAFE_NO_PAD.encode(mac(&self.0[0], value.to_string().as_bytes()))
    }

    pub(crate) fn scope_text(&self, scope: CursorScope<'_>) -> String {
        let mut hasher = Sha256::new();
        hasher.update(scope.organisation_id.as_bytes());
        for part in [scope.list, scope.filters] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let hash: [u8; 32] = hasher.finalize().into();
        URL_SAFE_NO_PAD.encode(&hash[..12])
    }
}

impl PageQuery {
    /// Takes it out of a query that has filters too.
    pub fn take(members: &mut Members<'_>) -> Option<Self> {
        let (limit, cursor) = (members.take("limit"), members.take("cursor"));
        Some(Self { limit: limit?, cursor: cursor? })
    }
}

/// How many rows a page has at most.
pub fn rows_max(limit: Option<PageLimit>) -> i64 {
    limit.map_or(LIMIT_DEFAULT, PageLimit::get)
}

/// A snapshot as tokens carry it.
pub(crate) fn compact(snapshot: &str) -> Result<String, Problem> {
    let unreadable = || Problem::internal(format!("'{snapshot}' is no snapshot"));
    Ok(PgSnapshot::parse(snapshot).ok_or_else(unreadable)?.compact())
}

/// A token's snapshot in PostgreSQL's own form, if it is of the present history of this database.
pub(crate) fn known(
    present: &VisibleUpTo,
    incarnation: Uuid,
    snapshot: &str,
    damaged: fn() -> Problem,
) -> Result<String, Problem> {
    let snapshot = PgSnapshot::parse_compact(snapshot).ok_or_else(damaged)?;
    // A database that was taken back to an earlier moment has not reached what the token has seen.
    let is_ahead = PgSnapshot::parse(&present.snapshot).is_none_or(|now| snapshot.is_ahead_of(&now));
    if incarnation != present.incarnation || is_ahead {
        let detail =
            "It is from before the database was restored, or a standby took over. Start again without one.";
        return Err(Problem::new(StatusCode::GONE, detail));
    }
    Ok(snapshot.to_string())
}

fn damaged() -> Problem {
    Problem::of(catalogue::CURSOR, "The cursor is damaged. Start again without one.")
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
