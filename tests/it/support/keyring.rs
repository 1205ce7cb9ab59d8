//! A stack whose keys lie in files, so that they can be changed while it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use super::stack::command;
use super::{Folder, Stack};

/// A setting of a key, and the variable that names the file with it.
const FILES: [(&str, &str); 5] = [
    ("jwt", "JWT_SECRET_KEY_FILE"),
    ("jwt_accepted", "JWT_ACCEPTED_KEYS_FILE"),
    ("internal", "INTERNAL_JWT_SECRET_KEY_FILE"),
    ("internal_accepted", "INTERNAL_JWT_ACCEPTED_KEYS_FILE"),
    ("pii", "PII_ENCRYPTION_KEY_FILE"),
];

/// Runs `firemode` with these words.
pub(crate) fn firemode(folder: &Folder, words: &[&str], env: &[(&str, &str)]) -> Output {
    command(folder.path()).args(words).envs(env.iter().copied()).output().unwrap()
}

/// All that it said.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The value that `firemode keys new` prints for a variable.
pub(crate) fn new_secret(which: &str) -> String {
    let line = text(&firemode(&Folder::new(), &["keys", "new", which], &[]));
    line.trim().split_once('=').unwrap().1.to_owned()
}

/// A stack whose keys lie in files, and what is done with them.
pub(crate) struct Keyring {
    pub(crate) stack: Stack,
    env: Vec<(String, String)>,
}

impl Keyring {
    /// Starts one with these keys.
    pub(crate) fn start(keys: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut env: Vec<(String, String)> =
            FILES.iter().map(|(name, variable)| ((*variable).to_owned(), path(name))).collect();
        for (name, value) in [
            ("FIREMODE__AUTH__REENCRYPTION_BATCH_ROWS", "1"),
            ("FIREMODE__AUTH__REENCRYPTION_PAUSE_MILLISECONDS", "20"),
            ("FIREMODE__AUTH__REENCRYPTION_INTERVAL_SECONDS", "1"),
            ("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1"),
            ("FIREMODE__WORKER__HOLD_SECONDS", "6"),
        ] {
            env.push((name.to_owned(), value.to_owned()));
        }
        FILES.iter().for_each(|(name, _)| fs::write(folder.path().join(name), "").unwrap());
        write(&folder, keys);
        let pairs: Vec<(&str, &str)> = env.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let stack = Stack::start_in(&folder, &pairs);
        Self { stack, env }
    }

    fn run(&self, words: &[&str]) -> Output {
        let pairs: Vec<(&str, &str)> = self.env.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        firemode(self.stack.folder(), words, &pairs)
    }

    /// Changes files and has every process replaced.
    pub(crate) fn change(&self, keys: &[(&str, &str)]) {
        write(self.stack.folder(), keys);
        let output = self.run(&["reload"]);
        assert!(output.status.success(), "{}", text(&output));
        self.stack.wait_until_ready();
    }

    /// What `firemode keys status` says of one kind of key: the words after its name, line by line.
    pub(crate) fn status(&self, kind: &str) -> Vec<String> {
        let said = text(&self.run(&["keys", "status"]));
        let lines = said.lines().filter_map(|line| line.strip_prefix(kind));
        lines.map(|line| line.trim().split_once("  ").unwrap().1.to_owned()).collect()
    }
}

/// Writes keys into files that nobody else may read.
pub(crate) fn write(folder: &Folder, keys: &[(&str, &str)]) {
    for (name, value) in keys {
        let path = folder.path().join(name);
        fs::write(&path, format!("{value}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
