//! In which form a report is given.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, VARY};
use firemode_domain::input::ClientKey;
use firemode_reports::{Format, Report, Table, content_security_policy};
use firemode_web::Problem;

use crate::call::Call;

/// The name of a table of a report.
pub(super) type TableName = ClientKey<64>;

/// The form that is asked for.
pub(super) struct Form {
    format: Format,
    table: Option<TableName>,
}

impl Form {
    /// The one that the query names, else the one that `Accept` likes best.
    ///
    /// # Errors
    /// 406 where it takes none that there is.
    pub(super) fn of(call: &Call, format: Option<Format>, table: Option<TableName>) -> Result<Self, Problem> {
        let accept = call.request.headers().get(ACCEPT).map(|accept| accept.to_str().unwrap_or_default());
        let format = match format {
            Some(format) => format,
            None => Format::accepted(accept.unwrap_or_default()).ok_or_else(none_is_accepted)?,
        };
        if table.is_some() && format != Format::Csv {
            return Err(Problem::invalid_field(
                "table",
                "only `format=csv` has one table alone; leave it out",
            ));
        }
        Ok(Self { format, table })
    }

    /// The answer with a report in this form. A workbook of many rows takes long to write, so that is done beside the requests of others.
    ///
    /// # Errors
    /// 422 where it does not have the table.
    pub(super) async fn answer(self, report: Report) -> Result<HttpResponse, Problem> {
        let Self { format, table } = self;
        let file_name = report.file_name(format);
        let written = tokio::task::spawn_blocking(move || {
            let table = table.as_ref().map(|name| table_of(&report, name)).transpose()?;
            report.render(format, table).map_err(Problem::internal)
        });
        let body = written.await.map_err(Problem::internal)??;
        let mut response = HttpResponse::Ok();
        response.content_type(format.content_type()).insert_header((VARY, "Accept"));
        match format {
            Format::Json => {}
            Format::Html => {
                response.insert_header((CONTENT_SECURITY_POLICY, content_security_policy()));
            }
            Format::Csv | Format::Xlsx => {
                response
                    .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")));
            }
        }
        Ok(response.body(body))
    }
}

fn table_of<'r>(report: &'r Report, name: &TableName) -> Result<&'r Table, Problem> {
    report.table(name).ok_or_else(|| {
        let names: Vec<&str> = report.tables.iter().map(Table::name).collect();
        Problem::invalid_field("table", format!("must be one of {}", names.join(", ")))
    })
}

fn none_is_accepted() -> Problem {
    let types = Format::ALL.map(Format::media_type).join(", ");
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        format!("A report is given as {types}; accept one of them, or say `format`."),
    )
}
