//! pprof's format: gzip over the Protocol Buffers message `perftools.profiles.Profile`.
//!
//! Field numbers are those of <https://github.com/google/pprof/blob/main/proto/profile.proto>; what is not written is left out.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write as _;
use std::time::UNIX_EPOCH;

use firemode_web::Problem;
use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::{Report, Symbol};
use prost::Message;

/// A profile of the processor's time: for each stack the samples and the nanoseconds that they stand for.
pub(super) fn encode(report: &Report) -> Result<Vec<u8>, Problem> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&profile(report).encode_to_vec()).map_err(Problem::internal)?;
    gzip.finish().map_err(Problem::internal)
}

fn profile(report: &Report) -> Profile {
    let mut tables = Tables::default();
    // The first text of the table has to be the empty one.
    tables.text("");
    let nanoseconds_per_sample = 1_000_000_000 / i64::from(report.timing.frequency.max(1));
    let samples = ValueType { kind: tables.text("samples"), unit: tables.text("count") };
    let time = ValueType { kind: tables.text("cpu"), unit: tables.text("nanoseconds") };
    let thread = tables.text("thread");
    let mut profile = Profile {
        sample_type: vec![samples, time.clone()],
        time_nanos: report
            .timing
            .start_time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as i64),
        duration_nanos: report.timing.duration.as_nanos() as i64,
        period_type: Some(time),
        period: nanoseconds_per_sample,
        ..Profile::default()
    };
    for (stack, count) in &report.data {
        let count = *count as i64;
        let frames = stack.frames.iter().skip_while(|frame| frame.iter().all(is_of_the_sampler));
        profile.sample.push(Sample {
            location_id: frames.map(|frame| tables.location(frame)).collect(),
            value: vec![count, count * nanoseconds_per_sample],
            label: vec![Label { key: thread, text: tables.text(&stack.thread_name) }],
        });
    }
    profile.location = tables.locations.rows(|id, line| Location { id, line });
    profile.function = tables.functions.rows(|id, (name, system_name, filename)| Function {
        id,
        name,
        system_name,
        filename,
    });
    profile.string_table = tables.texts.rows(|_, text| text);
    profile
}

/// The frames that take a sample come first.
fn is_of_the_sampler(symbol: &Symbol) -> bool {
    let name = symbol.name();
    ["backtrace::", "pprof::", "<pprof::"].iter().any(|start| name.starts_with(start))
}

/// What samples refer to by number.
#[derive(Default)]
struct Tables {
    texts: Numbered<String>,
    /// Name, name as the linker knows it, and file.
    functions: Numbered<(i64, i64, i64)>,
    locations: Numbered<Vec<Line>>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        // Texts are counted from 0, the others from 1.
        self.texts.id(text.to_owned()) as i64 - 1
    }

    /// One place of the code: a function, after those that were inlined into it.
    fn location(&mut self, symbols: &[Symbol]) -> u64 {
        let lines = symbols
            .iter()
            .map(|symbol| Line { function_id: self.function(symbol), line: i64::from(symbol.lineno()) });
        let lines = lines.collect();
        self.locations.id(lines)
    }

    fn function(&mut self, symbol: &Symbol) -> u64 {
        let names = (self.text(&symbol.name()), self.text(&symbol.sys_name()), self.text(&symbol.filename()));
        self.functions.id(names)
    }
}

/// Different values, numbered from 1 in the order in which they were first seen.
struct Numbered<T>(HashMap<T, u64>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Numbered<T> {
    fn id(&mut self, value: T) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(value).or_insert(next)
    }

    fn rows<R>(self, row: impl Fn(u64, T) -> R) -> Vec<R> {
        let mut numbered: Vec<_> = self.0.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, id)| *id);
        numbered.into_iter().map(|(value, id)| row(id, value)).collect()
    }
}

#[derive(Clone, PartialEq, Message)]
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
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// The innermost location comes first.
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}
