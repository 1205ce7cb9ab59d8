//! Databases of earlier releases, migrated: what those releases ask must still work, since they run beside this one for a while.

use std::fs;
use std::path::PathBuf;

use crate::support::postgres::PORT;
use crate::support::stack::{command, repository_file};
use crate::support::{Data, Folder, Postgres, Sql};

/// What a release has left of its database.
struct Release {
    name: String,
    folder: PathBuf,
}

impl Release {
    fn all() -> Vec<Self> {
        let folders = fs::read_dir(repository_file("tests/upgrade/releases")).unwrap();
        let release = |entry: fs::DirEntry| Self {
            name: entry.file_name().into_string().unwrap(),
            folder: entry.path(),
        };
        folders.map(|entry| release(entry.unwrap())).collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }
}

#[test]
fn what_a_release_asks_works_in_the_same_form_after_the_migration() {
    let (data, sockets) = (Data::of_a_stack(), Folder::new());
    let postgres = Postgres::start(&data, &sockets, PORT, &[]);
    let releases = Release::all();
    assert!(!releases.is_empty());
    for release in releases {
        let database = format!("release_{}", release.name);
        postgres.sql().batch(&format!("create database {database} owner firemode"));
        let place = format!("host={} port={PORT} user=firemode dbname={database}", sockets.path().display());
        Sql::connect(&place).batch(&release.read("schema.sql"));
        let statements = release.read("statements.sql");
        let forms = || {
            let sql = Sql::connect(&place);
            statements.lines().map(|statement| sql.form(statement)).collect::<Vec<_>>()
        };
        let before = forms();

        let folder = sockets.path().to_str().unwrap().replace('/', "%2F");
        let url = format!("postgresql://firemode@{folder}:{PORT}/{database}");
        let migrated = command(data.folder.path()).arg("migrate").env("DATABASE_URL", url).output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        for ((statement, before), after) in statements.lines().zip(before).zip(forms()) {
            assert_eq!(after, before, "{} asks: {statement}", release.name);
        }
    }
}
