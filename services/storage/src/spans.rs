//! What a trace shows of the database: each statement with its text, which holds no values, and the wait for a connection.

use tracing::{Instrument as _, Span, field};

/// Runs a statement in a span of its own.
pub(crate) async fn traced<T>(
    sql: &str,
    run: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, tokio_postgres::Error> {
    let span = tracing::debug_span!(
        "sql",
        otel.name = %Summary(sql),
        otel.kind = "client",
        otel.status_code = field::Empty,
        db.system.name = "postgresql",
        db.query.text = sql,
        db.response.status_code = field::Empty,
    );
    let result = run.instrument(span.clone()).await;
    if let Err(error) = &result {
        note_error(&span, error);
    }
    result
}

/// The span of waiting for a connection.
pub(crate) fn waiting_for_connection() -> Span {
    tracing::debug_span!("connection", otel.name = "wait for a connection")
}

fn note_error(span: &Span, error: &tokio_postgres::Error) {
    span.record("otel.status_code", "ERROR");
    if let Some(state) = error.code() {
        span.record("db.response.status_code", state.code());
    }
}

/// A statement in few words: what it does, and to which table.
struct Summary<'a>(&'a str);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = self.0.split_ascii_whitespace();
        let Some(verb) = words.next() else { return Ok(()) };
        f.write_str(verb)?;
        let table = match verb {
            "update" => words.next(),
            _ => words.skip_while(|word| !matches!(*word, "from" | "into")).nth(1),
        };
        // The word after `from` may be a bracket, and a name may have its columns' bracket right behind it.
        let name = table.and_then(|word| word.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next());
        name.filter(|name| !name.is_empty()).map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn a_summary_names_the_verb_and_the_table() {
        for (sql, summary) in [
            ("select id from buildings where id = $1", "select buildings"),
            ("insert into audit_log(id)\n values ($1)", "insert audit_log"),
            ("update test_sessions set status = $1", "update test_sessions"),
            ("delete from refresh_tokens where id in (select 1)", "delete refresh_tokens"),
            ("select pg_try_advisory_xact_lock($1)", "select"),
            ("select 1 from (select 2 from users) u", "select"),
            ("commit", "commit"),
        ] {
            assert_eq!(Summary(sql).to_string(), summary);
        }
    }
}
