//! Profiles of the ingest process in pprof's format.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use flate2::read::GzDecoder;
use prost::Message;

use crate::support::{Client, Stack, eventually};

const ENABLED: (&str, &str) = ("FIREMODE__INGEST__PROFILES", "true");

const PROCESSOR: &str = "/debug/pprof/profile";
const HEAP: &str = "/debug/pprof/heap";

/// What the tests read of `perftools.profiles.Profile`.
#[derive(Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
}

#[derive(Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

impl Profile {
    /// Takes one, while others use the process.
    fn take(client: &Client, path: &str) -> Self {
        let done = AtomicBool::new(false);
        let answer = thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    client.get("/metrics").expect(200);
                }
            });
            let answer = client.get(path).expect(200);
            done.store(true, Ordering::Release);
            answer
        });
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        let mut bytes = Vec::new();
        GzDecoder::new(answer.body.as_slice()).read_to_end(&mut bytes).unwrap();
        Self::decode(bytes.as_slice()).unwrap()
    }

    fn text(&self, index: i64) -> &str {
        &self.string_table[usize::try_from(index).unwrap()]
    }

    fn values(&self) -> Vec<(&str, &str)> {
        self.sample_type.iter().map(|value| (self.text(value.kind), self.text(value.unit))).collect()
    }

    /// The functions of one sample, the innermost first.
    fn stack(&self, sample: &Sample) -> Vec<&str> {
        let location = |id: &u64| self.location.iter().find(|location| location.id == *id).unwrap();
        let function = |line: &Line| self.function.iter().find(|known| known.id == line.function_id).unwrap();
        let lines = sample.location_id.iter().flat_map(|id| &location(id).line);
        lines.map(|line| self.text(function(line).name)).collect()
    }

    fn some_stack_is_ours(&self) -> bool {
        let is_ours = |stack: Vec<&str>| stack.iter().any(|name| name.contains("firemode_ingest::"));
        self.sample.iter().any(|sample| is_ours(self.stack(sample)))
    }
}

#[test]
fn there_are_no_profiles_unless_they_are_enabled() {
    let stack = Stack::shared();
    for path in [PROCESSOR, HEAP] {
        stack.ingest().get(path).problem(404, "FIRE-404-ROUTE");
    }
}

#[test]
fn a_profile_of_the_processors_time_names_functions_and_never_leaves_the_machine() {
    let stack = Stack::start(&[ENABLED]);
    let profile = Profile::take(&stack.ingest(), &format!("{PROCESSOR}?seconds=1"));
    assert_eq!(profile.text(0), "", "the format wants an empty text in front");
    assert_eq!(profile.values(), [("samples", "count"), ("cpu", "nanoseconds")]);
    assert!(profile.duration_nanos >= 1_000_000_000);
    for sample in &profile.sample {
        let [count, nanoseconds] = sample.value[..] else { panic!("{sample:?}") };
        assert!(count > 0 && nanoseconds == count * (1_000_000_000 / 99), "{sample:?}");
        let innermost = profile.stack(sample)[0];
        assert!(!innermost.contains("pprof::"), "{innermost} is what takes the sample");
    }
    eventually("a function of ours is in a profile", || {
        let path = format!("{PROCESSOR}?seconds=1");
        Profile::take(&stack.ingest(), &path).some_stack_is_ours().then_some(())
    });
    for path in [PROCESSOR, HEAP] {
        stack.client().get(path).problem(404, "FIRE-404-ROUTE");
    }
}

#[test]
fn one_profile_is_taken_at_a_time() {
    let stack = Stack::start(&[ENABLED]);
    let mut first = TcpStream::connect(("127.0.0.1", stack.ingest_port())).unwrap();
    write!(first, "GET {PROCESSOR}?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("the first is being taken", || {
        stack.logs().find(|event| event["message"] == "taking a profile of the processor's time")
    });
    for path in [PROCESSOR, HEAP] {
        stack.ingest().get(path).problem(503, "FIRE-503");
    }
}

#[test]
fn a_profile_takes_a_minute_at_most() {
    let stack = Stack::start(&[ENABLED]);
    for query in ["seconds=0", "seconds=61", "seconds=-1", "seconds=1.5", "seconds=", "seconds=soon"] {
        let answer = stack.ingest().get(&format!("{PROCESSOR}?{query}")).problem(422, "FIRE-422");
        assert_eq!(answer.fields(), ["seconds"], "{query}");
    }
    let answer = stack.ingest().get(&format!("{PROCESSOR}?second=1")).problem(422, "FIRE-422");
    assert_eq!(answer.fields(), ["second"]);
}

#[test]
fn a_profile_that_would_go_over_the_memory_ceiling_is_not_begun() {
    let stack = Stack::start(&[ENABLED, ("FIREMODE__SUPERVISOR__INGEST_MEMORY_BYTES_MAX", "200000000")]);
    let answer = stack.ingest().get(PROCESSOR).problem(503, "FIRE-503");
    assert!(answer.text("/detail").contains("supervisor.ingest_memory_bytes_max"), "{}", answer.json);
}

#[cfg(not(feature = "heap-profiles"))]
#[test]
fn a_build_that_cannot_sample_allocations_says_which_one_can() {
    let stack = Stack::start(&[ENABLED]);
    let answer = stack.ingest().get(HEAP).problem(501, "FIRE-501");
    assert!(answer.text("/detail").contains("--features heap-profiles"), "{}", answer.json);
}

#[cfg(feature = "heap-profiles")]
#[test]
fn a_profile_of_memory_names_the_functions_that_hold_it() {
    let stack = Stack::start(&[ENABLED, ("_RJEM_MALLOC_CONF", "prof:true,lg_prof_sample:12")]);
    let profile = Profile::take(&stack.ingest(), HEAP);
    assert_eq!(profile.values(), [("inuse_space", "bytes")]);
    assert!(profile.some_stack_is_ours(), "{:?}", profile.string_table);
    let unprepared = Stack::start(&[ENABLED]);
    let answer = unprepared.ingest().get(HEAP).problem(501, "FIRE-501");
    assert!(answer.text("/detail").contains("prof:true"), "{}", answer.json);
}
