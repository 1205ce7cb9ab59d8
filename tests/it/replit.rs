//! `.replit` says what the platform needs to know, and names nothing that is not here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use toml::{Table, Value};

use crate::support::stack::repository_file;

fn parsed() -> Table {
    fs::read_to_string(repository_file(".replit")).unwrap().parse().expect(".replit is TOML")
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn it_deploys_on_autoscale_with_the_commands_of_run_sh() {
    let file = parsed();
    let deployment = &file["deployment"];
    assert_eq!(deployment["deploymentTarget"].as_str(), Some("autoscale"));
    assert_eq!(words(&deployment["build"]), ["./run.sh", "build"]);
    assert_eq!(words(&deployment["run"]), ["./run.sh", "start"]);
    assert_eq!(file["run"].as_str(), Some("./run.sh"));
    let mode = fs::metadata(repository_file("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "run.sh is executable");
}

#[test]
fn one_port_is_external_and_it_is_the_public_one() {
    let file = parsed();
    let ports = file["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 1, "the ingest process stays inside");
    assert_eq!(ports[0]["localPort"].as_integer(), Some(8080));
    assert_eq!(ports[0]["externalPort"].as_integer(), Some(80));
    assert_eq!(file["env"]["PORT"].as_str(), Some("8080"));
}

#[test]
fn no_secret_stands_in_it() {
    let file = parsed();
    for name in file["env"].as_table().unwrap().keys() {
        assert!(
            !["SECRET", "KEY", "PASSWORD", "DATABASE_URL"].iter().any(|word| name.contains(word)),
            "{name}"
        );
    }
}

#[test]
fn its_workflows_are_commands_of_run_sh() {
    let file = parsed();
    let workflows = file["workflows"]["workflow"].as_array().unwrap();
    let names: Vec<_> = workflows.iter().map(|workflow| workflow["name"].as_str().unwrap()).collect();
    let validations = ["contracts", "performance", "resilience", "complete", "all"];
    let validations = validations.map(|name| format!("validate_{name}"));
    assert_eq!(names[..2], ["test", "test_load"]);
    assert_eq!(names[2..], validations);
    let help = fs::read_to_string(repository_file("run.sh")).unwrap();
    for workflow in workflows {
        let command = workflow["tasks"][0]["args"].as_str().unwrap();
        let name = command.strip_prefix("./run.sh ").unwrap().split(' ').next().unwrap();
        assert!(help.contains(&format!("\n        {name}) ")), "run.sh has no command {name}");
    }
}
