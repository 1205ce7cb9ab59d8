//! Jobs as those see them who started them.

use firemode_domain::body;
use firemode_domain::input::{self, Repeated};
use firemode_domain::job::JobState;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, sql};

row! {
    /// Background work.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = JobView)]
    pub struct Job {
        /// The job's id.
        pub id: Uuid,
        /// What is to be done.
        pub kind: String,
        /// Where it stands.
        pub state: JobState,
        /// How far it is, from 0 to 1.
        #[schema(minimum = 0, maximum = 1)]
        pub progress: f32,
        /// When it was started.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it ended, if it has.
        #[serde(with = "time::serde::rfc3339::option")]
        pub finished_at: Option<OffsetDateTime> = database,
        /// What it came to, once it is done.
        #[schema(schema_with = input::any)]
        pub result: Option<Value>,
        /// Why it was given up, if it was.
        pub error: Option<String>,
    }
}

body! {
    /// Which jobs are wanted.
    #[derive(Debug, Default)]
    pub struct JobFilter {
        /// Any of these; may be repeated.
        pub state: Repeated<JobState>,
    }
}

/// A job of the organisation that a user started.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    user_id: Uuid,
    id: Uuid,
) -> Result<Option<Job>, StorageError> {
    let sql = format!(
        "select {} from jobs where organisation_id = $1 and created_by = $2 and id = $3",
        Job::columns()
    );
    sql::optional(on, &sql, &[&organisation_id, &user_id, &id]).await?.as_ref().map(Job::read).transpose()
}

/// One page of the jobs that a user started, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    user_id: Uuid,
    filter: &JobFilter,
    keyset: &Keyset,
) -> Result<Page<Job>, StorageError> {
    let states: Vec<&str> = filter.state.0.iter().map(|state| state.as_str()).collect();
    Listing::of("jobs", organisation_id, keyset)
        .only("created_by = {}", user_id)
        .only_if("state = any ({})", Some(states).filter(|states| !states.is_empty()))
        .page(on)
        .await
}
