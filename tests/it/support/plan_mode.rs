//! How the database plans statements that are prepared: once for all values, or again for those of each call.

use super::Stack;

pub(crate) const GENERIC: &str = "force_generic_plan";
pub(crate) const CUSTOM: &str = "force_custom_plan";

impl Stack {
    /// As [`Stack::beside`], with statements planned in this mode.
    pub(crate) fn beside_planning(&self, mode: &str, env: &[(&str, &str)]) -> Self {
        let url = self.folder().database_url();
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options=-c%20plan_cache_mode%3D{mode}");
        self.beside(&[&[("DATABASE_URL", url.as_str())], env].concat())
    }
}
