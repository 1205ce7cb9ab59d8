//! Settings that had another name in an earlier release. Both names are read; one of them at a time.

use config::{Config, Map, Value, ValueKind};

use super::SettingProblem;

/// Former names and today's.
const RENAMED: &[(&str, &str)] = &[("auth.session_days_max", "auth.sign_in_days_max")];

/// A setting that was given under its former name.
#[derive(Debug)]
pub(super) struct Renamed {
    pub(super) former: &'static str,
    pub(super) name: &'static str,
    /// Is it given under today's name too?
    is_given_twice: bool,
}

impl Renamed {
    /// What stops a start: nobody can say which of two values is meant.
    pub(super) fn fault(&self) -> Option<SettingProblem> {
        self.is_given_twice.then(|| SettingProblem {
            setting: self.former.to_owned(),
            message: format!("is the former name of {}, which is set too; remove this one", self.name),
        })
    }

    /// What works for now.
    pub(super) fn warning(&self) -> SettingProblem {
        SettingProblem {
            setting: self.former.to_owned(),
            message: format!("is called {} now; the former name is still read", self.name),
        }
    }
}

/// Moves what was given under former names to today's, and says what that was. `given` is what users set, without defaults.
pub(super) fn rename(given: &mut Config) -> Vec<Renamed> {
    let ValueKind::Table(settings) = &mut given.cache.kind else { return Vec::new() };
    let moved = RENAMED.iter().filter_map(|&(former, name)| {
        let value = take(settings, former)?;
        let is_given_twice = take(settings, name).is_some();
        put(settings, name, value);
        Some(Renamed { former, name, is_given_twice })
    });
    moved.collect()
}

fn take(settings: &mut Map<String, Value>, name: &str) -> Option<Value> {
    match name.split_once('.') {
        None => settings.remove(name),
        Some((section, rest)) => match &mut settings.get_mut(section)?.kind {
            ValueKind::Table(section) => take(section, rest),
            _ => None,
        },
    }
}

fn put(settings: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(settings.insert(name.to_owned(), value)),
        Some((section, rest)) => {
            let empty = || Value::new(None, ValueKind::Table(Map::new()));
            let section = settings.entry(section.to_owned()).or_insert_with(empty);
            // A section that is a plain value is reported as such.
            if let ValueKind::Table(section) = &mut section.kind {
                put(section, rest, value);
            }
        }
    }
}
