//! Reports: figures of a building or of the whole organisation.

mod asked;
mod form;

use actix_web::HttpResponse;
use firemode_reports::Format;
use firemode_storage::reports::{self, Period, ReportFilter, ReportName};
use firemode_web::{Params, Problem};

use self::asked::{AboutBuilding, AboutDays, AboutDefects, AboutPeople, AboutPeriods, ReportBody};
use self::form::{Form, TableName};
use crate::call::Call;

/// Sessions, items tested and untested, pass rates, open defects and evidence
///
/// Of all buildings, or of one. `totals` has each figure once, `buildings` by building, `sections` and `building_sections` what came of items
/// by section, and `open_defects` those at the end of what is reported, by class and age.
#[utoipa::path(get, path = "/v1/reports/compliance", tag = "reports", params(Params<AboutDays>),
    responses((status = 200, description = "The figures.", content(
        (ReportBody = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 406, description = "None of the forms that there are is accepted.")))]
pub(crate) async fn compliance(
    Params(about): Params<AboutDays>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let filter = about.filter();
    answer(&call, ReportName::Compliance, filter, Period::Month, (about.format, about.table)).await
}

/// What was tested and found from month to month, or from year to year
///
/// Without `from` and `to`: twelve months, or five years, with the present one.
#[utoipa::path(get, path = "/v1/reports/trends", tag = "reports", params(Params<AboutPeriods>),
    responses((status = 200, description = "The figures.", content(
        (ReportBody = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 406, description = "None of the forms that there are is accepted.")))]
pub(crate) async fn trends(Params(about): Params<AboutPeriods>, call: Call) -> Result<HttpResponse, Problem> {
    let (filter, period) = (about.filter(), about.by.unwrap_or(Period::Month));
    answer(&call, ReportName::Trends, filter, period, (about.format, about.table)).await
}

/// Defects by class, status, section and age, and those that have been open for longest
///
/// `from` and `to` narrow them to those that were first observed on these days.
#[utoipa::path(get, path = "/v1/reports/defects", tag = "reports", params(Params<AboutDefects>),
    responses((status = 200, description = "The figures.", content(
        (ReportBody = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 406, description = "None of the forms that there are is accepted.")))]
pub(crate) async fn defects(
    Params(about): Params<AboutDefects>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let filter = about.filter();
    answer(&call, ReportName::Defects, filter, Period::Month, (about.format, about.table)).await
}

/// Devices and sessions with work that is not in the record
///
/// Work waits for other work, would damage a document, or came late and waits for a decision. What has been held for over 24 hours comes
/// first.
#[utoipa::path(get, path = "/v1/reports/sync", tag = "reports", params(Params<AboutBuilding>),
    responses((status = 200, description = "What waits now.", content(
        (ReportBody = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 406, description = "None of the forms that there are is accepted.")))]
pub(crate) async fn sync(Params(about): Params<AboutBuilding>, call: Call) -> Result<HttpResponse, Problem> {
    let filter = ReportFilter { building_id: about.building_id, ..ReportFilter::default() };
    answer(&call, ReportName::Sync, filter, Period::Month, (about.format, about.table)).await
}

/// How much each person did, in counts
///
/// Sessions and items by whom they were given to, evidence and acts about defects by who brought them.
#[utoipa::path(get, path = "/v1/reports/technicians", tag = "reports", params(Params<AboutPeople>),
    responses((status = 200, description = "The counts.", content(
        (ReportBody = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 406, description = "None of the forms that there are is accepted.")))]
pub(crate) async fn technicians(
    Params(about): Params<AboutPeople>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let filter = about.filter();
    answer(&call, ReportName::Technicians, filter, Period::Month, (about.format, about.table)).await
}

async fn answer(
    call: &Call,
    name: ReportName,
    filter: ReportFilter,
    period: Period,
    (format, table): (Option<Format>, Option<TableName>),
) -> Result<HttpResponse, Problem> {
    let form = Form::of(call, format, table)?;
    let tx = call.read().await?;
    let report = reports::report(&tx, call.organisation_id(), name, filter, period).await?;
    drop(tx);
    let report = report.map_err(|fault| Problem::invalid_field(fault.field(), fault.to_string()))?;
    form.answer(report).await
}
