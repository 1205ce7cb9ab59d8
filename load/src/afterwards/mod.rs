//! What is looked at when the load has ended.

mod growth;
mod read_back;
mod recovery;

use anyhow::Result;

use crate::api::Api;
use crate::rule::Rule;
use crate::scenarios::Afterwards;
use crate::stage::Stage;
use crate::watch::Point;

/// What had to be looked at before the load began.
pub(crate) struct Before {
    what: Afterwards,
    reads: Option<recovery::Reads>,
}

impl Before {
    pub(crate) async fn look(what: Afterwards, api: &Api, stage: &Stage) -> Result<Self> {
        let reads = match what {
            Afterwards::Recovery => Some(recovery::Reads::measure(api, stage.token()).await?),
            Afterwards::Nothing | Afterwards::Growth | Afterwards::ReadBack => None,
        };
        Ok(Self { what, reads })
    }

    /// What must hold now that the load has ended.
    pub(crate) async fn judge(self, api: &Api, stage: &Stage, points: &[Point]) -> Result<Vec<Rule>> {
        let mut rules = vec![nothing_started_again(points)];
        match (self.what, self.reads) {
            (Afterwards::Growth, _) => rules.extend(growth::rules(points)),
            (Afterwards::ReadBack, _) => rules.extend(read_back::rules(&stage.seats).await?),
            (Afterwards::Recovery, Some(reads)) => rules.extend(reads.rules(api, stage.token()).await?),
            (Afterwards::Recovery, None) | (Afterwards::Nothing, _) => {}
        }
        Ok(rules)
    }
}

fn nothing_started_again(points: &[Point]) -> Rule {
    let counts = || points.iter().filter_map(|point| point.restarts);
    let rule = "no process was started again";
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) => Rule::new(rule, format!("{} times", most - least), most == least),
        _ => Rule::new(rule, "the appliance did not say", false),
    }
}
