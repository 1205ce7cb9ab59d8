//! Reports: figures of a building or of the whole organisation.

mod asked;
mod form;

use actix_web::HttpResponse;
use firemode_storage::reports::{self, Period, ReportFilter};
use firemode_web::{Params, Problem};
use time::{Date, Duration, Month, OffsetDateTime};

use self::asked::{AboutBuilding, AboutDays, AboutDefects, AboutPeople, AboutPeriods, ReportBody, asked};
use self::form::Form;
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
    let form = Form::of(&call, about.format, about.table.clone())?;
    let tx = call.read().await?;
    let asked = asked(&tx, &call, about.filter()?).await?;
    form.answer(&reports::compliance(&tx, &asked).await?)
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
    let form = Form::of(&call, about.format, about.table.clone())?;
    let period = about.by.unwrap_or(Period::Month);
    let mut filter = about.filter()?;
    let days = days_of(period, &filter)?;
    (filter.from, filter.to) = (Some(days.0), Some(days.1));
    let tx = call.read().await?;
    let asked = asked(&tx, &call, filter).await?;
    form.answer(&reports::trends(&tx, &asked, period, days).await?)
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
    let form = Form::of(&call, about.format, about.table.clone())?;
    let tx = call.read().await?;
    let asked = asked(&tx, &call, about.filter()?).await?;
    form.answer(&reports::defects(&tx, &asked).await?)
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
    let form = Form::of(&call, about.format, about.table.clone())?;
    let filter = ReportFilter { building_id: about.building_id, ..ReportFilter::default() };
    let tx = call.read().await?;
    let asked = asked(&tx, &call, filter).await?;
    form.answer(&reports::sync(&tx, &asked).await?)
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
    let form = Form::of(&call, about.format, about.table.clone())?;
    let tx = call.read().await?;
    let asked = asked(&tx, &call, about.filter()?).await?;
    form.answer(&reports::technicians(&tx, &asked).await?)
}

/// The most years that trends go back.
const YEARS_MAX: i32 = 10;

/// The days of trends: those that are asked for, else the last months or years up to today.
fn days_of(period: Period, filter: &ReportFilter) -> Result<(Date, Date), Problem> {
    let until = filter.as_of.unwrap_or_else(OffsetDateTime::now_utc).date();
    // At a building it may be tomorrow already.
    let until = until.saturating_add(Duration::DAY);
    let to = filter.to.unwrap_or_else(|| filter.from.map_or(until, |from| from.max(until)));
    let usual = match period {
        Period::Month => months_before(to, 11),
        Period::Year => months_before(to, 4 * 12).replace_month(Month::January).unwrap_or(to),
    };
    let from = filter.from.unwrap_or(usual);
    if from < months_before(to, 12 * YEARS_MAX) {
        let message = format!("must lie within {YEARS_MAX} years before `to`");
        return Err(Problem::invalid_field("from", message));
    }
    Ok((from, to))
}

/// The first day of the month so many months before that of a day.
fn months_before(day: Date, months: i32) -> Date {
    let month = 12 * day.year() + i32::from(u8::from(day.month())) - 1 - months;
    let of_year = u8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
    let first = Month::try_from(of_year)
        .and_then(|of_year| Date::from_calendar_date(month.div_euclid(12), of_year, 1));
    first.unwrap_or(day)
}
