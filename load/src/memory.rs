//! Watches the memory of the ingest process while the load runs.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::{client, fetch};

const SAMPLE_SECONDS: u64 = 1;

/// What was seen.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Memory {
    pub(crate) samples: u64,
    /// Times that the process did not say.
    pub(crate) missed: u64,
    /// Resident memory at its highest among the samples, in bytes.
    pub(crate) rss_bytes_max: u64,
}

/// Asks once a second until it is stopped.
pub(crate) struct Sampler {
    stop: watch::Sender<bool>,
    task: JoinHandle<Memory>,
}

impl Sampler {
    /// Starts to watch the ingest process at this address.
    pub(crate) fn start(ingest: Url) -> Result<Self> {
        let url = ingest.join("/memory").context("the address of the ingest process")?;
        let client = client()?;
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut memory = Memory::default();
            let mut ticks = interval(Duration::from_secs(SAMPLE_SECONDS));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    _ = stopped.changed() => return memory,
                    _ = ticks.tick() => memory.add(fetch(client.get(url.clone())).await.ok()),
                }
            }
        });
        Ok(Self { stop, task })
    }

    /// Stops; what was seen until now.
    pub(crate) async fn stop(self) -> Memory {
        // Where the task is gone already, nobody listens.
        let _ = self.stop.send(true);
        self.task.await.unwrap_or_default()
    }
}

impl Memory {
    fn add(&mut self, answer: Option<Value>) {
        match answer.and_then(|answer| answer["rss_bytes"].as_u64()) {
            Some(bytes) => {
                self.samples += 1;
                self.rss_bytes_max = self.rss_bytes_max.max(bytes);
            }
            None => self.missed += 1,
        }
    }
}
