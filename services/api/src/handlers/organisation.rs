//! The caller's organisation.

use actix_web::HttpResponse;
use firemode_domain::body;
use firemode_domain::input::{Given, Line, Text};
use firemode_domain::place::{Jurisdiction, TimeZone};
use firemode_storage::organisations::Organisation;
use firemode_web::{Body, Problem};

use crate::call::Call;
use crate::etag::IfMatch;
use crate::object::{Object, shown};

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateOrganisation like {
        "default_jurisdiction": "NSW", "default_time_zone": "Australia/Sydney"
    } {
        name: Given<Line<200>> = "Example Fire Services",
        /// Whose law applies to buildings that do not say so.
        default_jurisdiction: Given<Option<Jurisdiction>>,
        /// An IANA time zone, for buildings that say neither theirs nor their jurisdiction. Null: by the default jurisdiction.
        default_time_zone: Given<Option<TimeZone>>,
        /// Are items to be refused that no rule covers? Otherwise they are taken with a warning.
        strict_item_codes: Given<bool>,
        /// What stands at the head of its papers: its name, address and numbers. Null: its name.
        letterhead: Given<Option<Text<2000>>>,
        /// May people verify repairs that they made themselves?
        allow_own_verification: Given<bool>,
    }
}

impl UpdateOrganisation {
    fn apply(self, organisation: &mut Organisation) {
        self.name.apply(&mut organisation.name);
        self.default_jurisdiction.apply(&mut organisation.default_jurisdiction);
        self.default_time_zone.apply(&mut organisation.default_time_zone);
        self.strict_item_codes.apply(&mut organisation.strict_item_codes);
        self.letterhead.apply(&mut organisation.letterhead);
        self.allow_own_verification.apply(&mut organisation.allow_own_verification);
    }
}

impl Object for Organisation {
    const NOUN: &'static str = "organisation";
}

/// Reads the caller's organisation
#[utoipa::path(get, path = "/v1/organisation", tag = "organisation",
    responses((status = 200, description = "The organisation; `ETag` names its state.", body = Organisation)))]
pub(crate) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    call.show::<Organisation>(call.organisation_id()).await
}

/// Changes the caller's organisation
///
/// Rules and days of buildings that do not say their own jurisdiction and time zone follow from it.
#[utoipa::path(patch, path = "/v1/organisation", tag = "organisation", request_body = UpdateOrganisation,
    params(IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = Organisation)))]
pub(crate) async fn update(body: Body<UpdateOrganisation>, call: Call) -> Result<HttpResponse, Problem> {
    let apply = |organisation: &mut Organisation| body.value.apply(organisation);
    Ok(shown(&call.change(call.organisation_id(), "organisation.update", apply).await?))
}
