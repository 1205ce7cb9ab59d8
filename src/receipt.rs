//! `firemode receipt verify`: is a receipt genuine, and for what?

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use firemode_identity::{Receipt, ReceiptKeySet, ReceiptKeys, ReceiptSubject};
use firemode_runtime::settings::{Environ, Settings, ensure_development_secrets};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::ReceiptAct;
use crate::roles::{EXIT_NOT_GENUINE, Failure, configuration};

/// Most that is read of a file with a receipt or with keys: an answer to results may be long.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Keys from a URL are given up after this.
const FETCH_TIME_MAX: Duration = Duration::from_secs(30);

/// Verifies and prints.
pub(crate) fn run(act: &ReceiptAct, env: &Environ) -> Result<ExitCode, Failure> {
    let ReceiptAct::Verify { file, keys, content } = act;
    let text = receipt_in(&read(file)?);
    let keys = match keys.as_deref() {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => fetch(url)?,
        Some(path) => serde_json::from_str(&read(Path::new(path))?)
            .with_context(|| format!("{path} holds no key set as GET /v1/receipts/keys gives it"))?,
        None => own_keys(env)?,
    };
    let receipt = keys.verify(&text).map_err(|error| Failure::new(EXIT_NOT_GENUINE, error))?;
    if let Some(content) = content {
        check_content(&receipt, content)?;
    }
    writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&receipt)?)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let source: Box<dyn io::Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
    };
    let mut text = String::new();
    let read = source.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// The receipt in an answer, or the text itself.
fn receipt_in(text: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    answer["receipt"].as_str().unwrap_or(text).to_owned()
}

fn fetch(url: &str) -> anyhow::Result<ReceiptKeySet> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(FETCH_TIME_MAX)).build().into();
    let mut answer = agent.get(url).call().with_context(|| format!("cannot read keys from {url}"))?;
    answer.body_mut().read_json().with_context(|| format!("{url} gives no key set"))
}

fn own_keys(env: &Environ) -> Result<ReceiptKeySet, Failure> {
    let mut settings = Settings::load(env).map_err(configuration)?;
    ensure_development_secrets(&mut settings).map_err(configuration)?;
    let keys = ReceiptKeys::new(&settings.receipts.signing_key);
    Ok(keys.context("receipts.signing_key holds no usable key").map_err(configuration)?.public().clone())
}

fn check_content(receipt: &Receipt, path: &Path) -> Result<(), Failure> {
    let hash = sha256_hex(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (ReceiptSubject::Evidence { sha256, .. } | ReceiptSubject::Results { request_sha256: sha256, .. }) =
        &receipt.subject;
    if *sha256 == hash {
        Ok(())
    } else {
        let message = format!("the receipt is genuine, but for other bytes than those of {}", path.display());
        Err(Failure::new(EXIT_NOT_GENUINE, anyhow::anyhow!(message)))
    }
}

fn sha256_hex(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hasher, mut part) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        let count = file.read(&mut part)?;
        if count == 0 {
            return Ok(HEXLOWER.encode(&hasher.finalize()));
        }
        hasher.update(&part[..count]);
    }
}
