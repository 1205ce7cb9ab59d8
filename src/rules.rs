//! `firemode rules check`: would the API take these rules?

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use firemode_domain::classification::CreateRule;
use firemode_domain::input::{self, At, Faults, FieldError};
use serde_json::Value;

use crate::cli::RulesCommand;
use crate::operate::EXIT_INPUT;
use crate::roles::Failure;

/// Most that is read of a file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Carries a command out.
pub(crate) fn run(command: &RulesCommand) -> Result<ExitCode, Failure> {
    let RulesCommand::Check { file } = command;
    let mut out = io::stdout().lock();
    let mut is_good = true;
    for rule in rules_in(&read(file)?) {
        match rule {
            Ok(name) => writeln!(out, "{name}: good")?,
            Err(faults) => {
                is_good = false;
                faults.iter().try_for_each(|fault| writeln!(out, "{}", described(fault)))?;
            }
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INPUT) })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn io::Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
    };
    let mut bytes = Vec::new();
    let read = source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "{} has more than {FILE_BYTES_MAX} bytes",
        path.display()
    );
    Ok(bytes)
}

/// The rules of a file, one or a list of them: code and version of each, or its faults.
fn rules_in(bytes: &[u8]) -> Vec<Result<String, Vec<FieldError>>> {
    let mut faults = Faults::default();
    let value = match input::parse(bytes, &At::Body, &mut faults) {
        Ok(value) => value,
        Err(malformed) => return vec![Err(vec![FieldError::new("(file)", malformed.to_string())])],
    };
    let value = match faults.into_result(Some(value)) {
        Ok(value) => value,
        Err(faults) => return vec![Err(faults)],
    };
    let mut seen = HashSet::new();
    match value {
        Value::Array(rules) => rules
            .into_iter()
            .enumerate()
            .map(|(index, rule)| named(rule, &mut seen).map_err(|faults| within(index, faults)))
            .collect(),
        rule => vec![named(rule, &mut seen)],
    }
}

/// Code and version of a rule, where the API would take it beside those before it.
fn named(rule: Value, seen: &mut HashSet<String>) -> Result<String, Vec<FieldError>> {
    let rule: CreateRule = input::read(rule)?;
    let name = format!("{} {}", rule.rule_code.as_str(), rule.version);
    if seen.insert(name.clone()) {
        Ok(name)
    } else {
        Err(vec![FieldError::new("version", format!("{name} stands in this file already"))])
    }
}

/// Faults of one rule of a list.
fn within(index: usize, faults: Vec<FieldError>) -> Vec<FieldError> {
    let of_list = |fault: FieldError| FieldError {
        field: format!("[{index}].{}", fault.field),
        pointer: fault.pointer.map(|pointer| format!("/{index}{pointer}")),
        ..fault
    };
    faults.into_iter().map(of_list).collect()
}

fn described(FieldError { field, message, pointer }: &FieldError) -> String {
    format!("{}: {message}", pointer.as_ref().unwrap_or(field))
}
