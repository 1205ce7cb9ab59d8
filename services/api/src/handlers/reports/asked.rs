//! What reports are asked for, and how the documentation shows them.

use std::borrow::Cow;

use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::input::{Day, Time};
use firemode_reports::Format;
use firemode_storage::reports::{Period, ReportFilter};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::form::TableName;

body! {
    /// What a report is to be about.
    #[derive(Debug)]
    pub(crate) struct AboutDays {
        /// One building; left out: all.
        building_id: Option<Uuid>,
        /// One section of AS 1851-2012; left out: all.
        section: Option<Section>,
        /// From this day on, at each building.
        from: Option<Day> = "2026-01-01",
        /// Up to this day, at each building.
        to: Option<Day> = "2026-12-31",
        /// As it was known then (RFC 3339); left out: now.
        as_of: Option<Time>,
        /// In which form; left out: `Accept` says, and without that it is JSON.
        pub(super) format: Option<Format>,
        /// Which table of the report; only with CSV. Left out: the first.
        pub(super) table: Option<TableName>,
    }
}

body! {
    /// What a report of trends is to be about.
    #[derive(Debug)]
    pub(crate) struct AboutPeriods {
        /// What a row stands for; left out: a month.
        pub(super) by: Option<Period>,
        /// One building; left out: all.
        building_id: Option<Uuid>,
        /// One section of AS 1851-2012; left out: all.
        section: Option<Section>,
        /// From this day on, at each building; at most ten years before `to`.
        from: Option<Day> = "2026-01-01",
        /// Up to this day, at each building.
        to: Option<Day> = "2026-12-31",
        /// As it was known then (RFC 3339); left out: now.
        as_of: Option<Time>,
        /// In which form; left out: `Accept` says, and without that it is JSON.
        pub(super) format: Option<Format>,
        /// Which table of the report; only with CSV. Left out: the first.
        pub(super) table: Option<TableName>,
    }
}

body! {
    /// Which defects a report is to be about.
    #[derive(Debug)]
    pub(crate) struct AboutDefects {
        /// Those of one building; left out: all.
        building_id: Option<Uuid>,
        /// Those of one section of AS 1851-2012; left out: all.
        section: Option<Section>,
        /// Those that were first observed on this day or later.
        from: Option<Day> = "2026-01-01",
        /// Those that were first observed on this day or earlier.
        to: Option<Day> = "2026-12-31",
        /// As they were known then (RFC 3339); left out: now.
        as_of: Option<Time>,
        /// In which form; left out: `Accept` says, and without that it is JSON.
        pub(super) format: Option<Format>,
        /// Which table of the report; only with CSV. Left out: the first.
        pub(super) table: Option<TableName>,
    }
}

body! {
    /// What a report of people's work is to be about.
    #[derive(Debug)]
    pub(crate) struct AboutPeople {
        /// One building; left out: all.
        building_id: Option<Uuid>,
        /// From this day on, at each building.
        from: Option<Day> = "2026-01-01",
        /// Up to this day, at each building.
        to: Option<Day> = "2026-12-31",
        /// As it was known then (RFC 3339); left out: now.
        as_of: Option<Time>,
        /// In which form; left out: `Accept` says, and without that it is JSON.
        pub(super) format: Option<Format>,
        /// Which table of the report; only with CSV. Left out: the first.
        pub(super) table: Option<TableName>,
    }
}

body! {
    /// Which building a report is to be about.
    #[derive(Debug)]
    pub(crate) struct AboutBuilding {
        /// One building; left out: all.
        pub(super) building_id: Option<Uuid>,
        /// In which form; left out: `Accept` says, and without that it is JSON.
        pub(super) format: Option<Format>,
        /// Which table of the report; only with CSV. Left out: the first.
        pub(super) table: Option<TableName>,
    }
}

impl AboutDays {
    pub(super) fn filter(&self) -> ReportFilter {
        filter(self.building_id, self.section, (self.from, self.to), self.as_of)
    }
}

impl AboutPeriods {
    pub(super) fn filter(&self) -> ReportFilter {
        filter(self.building_id, self.section, (self.from, self.to), self.as_of)
    }
}

impl AboutDefects {
    pub(super) fn filter(&self) -> ReportFilter {
        filter(self.building_id, self.section, (self.from, self.to), self.as_of)
    }
}

impl AboutPeople {
    pub(super) fn filter(&self) -> ReportFilter {
        filter(self.building_id, None, (self.from, self.to), self.as_of)
    }
}

fn filter(
    building_id: Option<Uuid>,
    section: Option<Section>,
    (from, to): (Option<Day>, Option<Day>),
    as_of: Option<Time>,
) -> ReportFilter {
    ReportFilter {
        building_id,
        section: section.map(Section::to_i16),
        from: from.map(Day::get),
        to: to.map(Day::get),
        as_of: as_of.map(Time::get),
    }
}

/// How the documentation describes a report.
pub(crate) struct ReportBody;

impl ToSchema for ReportBody {
    fn name() -> Cow<'static, str> {
        "Report".into()
    }
}

impl PartialSchema for ReportBody {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let time = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let row = ObjectBuilder::new()
            .description(Some("The columns by their names: texts, ids, counts, shares from 0 to 1, days, months and times. Null: there is nothing to say."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let rows = ArrayBuilder::new().items(row);
        let tables = ObjectBuilder::new()
            .description(Some("The rows of each table, by its name."))
            .additional_properties(Some(AdditionalProperties::RefOr(Schema::Array(rows.build()).into())));
        let filters = ObjectBuilder::new()
            .description(Some("What it was asked for, by the names of the parameters."))
            .additional_properties(Some(AdditionalProperties::RefOr(Schema::Object(text().build()).into())));
        let as_of = time()
            .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some(
                "The figures are those that were known then; null: those that were known when it was made.",
            ));
        let notes =
            ArrayBuilder::new().items(text()).description(Some("What one has to know to read the figures."));
        ObjectBuilder::new()
            .description(Some("Tables of figures, and what one has to know to read them."))
            .property("report", text())
            .property("title", text())
            .property("generated_at", time().description(Some("When the figures were read.")))
            .property("as_of", as_of)
            .property(
                "time_zone",
                text().description(Some("Of the building that it is about, else of the organisation.")),
            )
            .property("filters", filters)
            .property("notes", notes)
            .property("tables", tables)
            .required("report")
            .required("title")
            .required("generated_at")
            .required("as_of")
            .required("time_zone")
            .required("filters")
            .required("notes")
            .required("tables")
            .build()
            .into()
    }
}
