//! The body of an export, a piece for each page of rows. While a client takes its time with one, no connection to the database is held and
//! no transaction is open.

use std::marker::PhantomData;

use actix_web::web;
use firemode_storage::exports::Walk;
use firemode_web::Problem;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::json;
use uuid::Uuid;

use super::csv;
use super::query::Form;
use super::rows::{Seen, Shown};
use super::turns::Turn;
use crate::call::Call;
use crate::state::ApiState;

/// What stands behind the last row.
pub(super) enum End {
    /// The token for the next time.
    Token(String),
    /// Nothing: it is a register.
    Whole,
}

/// An export under way.
pub(super) struct Pieces<T> {
    state: web::Data<ApiState>,
    organisation_id: Uuid,
    transaction_id: Uuid,
    walk: Walk,
    seen: Seen,
    form: Form,
    end: End,
    rows: u64,
    is_ended: bool,
    _turn: Turn,
    of: PhantomData<fn() -> T>,
}

impl<T: Shown> Pieces<T> {
    pub(super) fn new(call: &Call, walk: Walk, form: Form, end: End, turn: Turn) -> Self {
        Self {
            state: call.state.clone(),
            organisation_id: call.organisation_id(),
            transaction_id: call.context.transaction_id,
            walk,
            seen: Seen::default(),
            form,
            end,
            rows: 0,
            is_ended: false,
            _turn: turn,
            of: PhantomData,
        }
    }

    /// All of it, once the first piece is read.
    ///
    /// # Errors
    /// That the first piece cannot be read.
    pub(super) async fn begin(
        mut self,
    ) -> Result<impl Stream<Item = Result<web::Bytes, std::io::Error>>, Problem> {
        let mut first = Vec::new();
        self.write_head(&mut first);
        self.write_page(&mut first).await?;
        let rest = stream::try_unfold(self, async |mut pieces: Self| {
            if pieces.is_ended {
                return Ok(None);
            }
            let mut piece = Vec::new();
            match pieces.write_page(&mut piece).await {
                Ok(()) => Ok(Some((web::Bytes::from(piece), pieces))),
                Err(problem) => {
                    let transaction_id = pieces.transaction_id;
                    let cause = problem.cause().unwrap_or(problem.detail());
                    tracing::warn!(%transaction_id, cause, rows = pieces.rows, "an export broke off");
                    Err(std::io::Error::other("the export broke off"))
                }
            }
        });
        Ok(stream::iter([Ok(web::Bytes::from(first))]).chain(rest))
    }

    /// Writes the next rows, or what stands behind the last one.
    async fn write_page(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        let page = {
            let closed = |_| Problem::unavailable("The process is stopping.");
            let _turn = self.state.export_pages.acquire().await.map_err(closed)?;
            let tx = self.state.database.tenant(self.organisation_id).read().await?;
            let page = self.walk.next::<T>(&tx).await?;
            drop(tx);
            match page {
                Some(rows) => {
                    let key = self.organisation_id;
                    Some(T::shown(&self.state, key, &self.walk, &mut self.seen, rows).await?)
                }
                None => None,
            }
        };
        let Some(rows) = page else {
            self.is_ended = true;
            self.write_end(out);
            return Ok(());
        };
        for row in rows {
            self.write_row(out, &row).map_err(Problem::internal)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        match self.form {
            Form::Csv => csv::write_line(out, T::COLUMNS.iter().map(|name| (*name).to_owned())),
            Form::Json => out.extend_from_slice(b"["),
            Form::Ndjson => {}
        }
    }

    fn write_row(&self, out: &mut Vec<u8>, row: &T::View) -> serde_json::Result<()> {
        match self.form {
            Form::Ndjson => {
                serde_json::to_writer(&mut *out, row)?;
                out.push(b'\n');
            }
            Form::Csv => {
                let row = serde_json::to_value(row)?;
                csv::write_line(out, T::COLUMNS.iter().map(|name| csv::cell(&row[*name])));
            }
            Form::Json => {
                let separator: &[u8] = if self.rows == 0 { b"\n" } else { b",\n" };
                out.extend_from_slice(separator);
                serde_json::to_writer(out, row)?;
            }
        }
        Ok(())
    }

    fn write_end(&self, out: &mut Vec<u8>) {
        match (self.form, &self.end) {
            (Form::Ndjson, End::Token(next_since)) => {
                let end = json!({"next_since": next_since, "rows": self.rows});
                out.extend_from_slice(format!("{end}\n").as_bytes());
            }
            (Form::Json, _) => out.extend_from_slice(b"\n]\n"),
            _ => {}
        }
    }
}
