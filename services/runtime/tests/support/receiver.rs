//! A receiver of OTLP over HTTP: takes one batch after the other, and decodes what is in it.
#![expect(clippy::unwrap_used, reason = "a request that is not as it should be fails the test")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message as _;

/// A span as it came in.
#[derive(Debug)]
pub(crate) struct ReceivedSpan {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent_id: String,
    pub(crate) attributes: HashMap<String, String>,
}

/// Starts a receiver that says yes to everything.
pub(crate) fn receiver() -> (SocketAddr, Receiver<ReceivedSpan>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (spans, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let spans = spans.clone();
            thread::spawn(move || while answer(stream.as_ref().unwrap(), &spans).is_some() {});
        }
    });
    (address, received)
}

/// Takes one request. Gives nothing at the connection's end.
fn answer(mut stream: &TcpStream, spans: &Sender<ReceivedSpan>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    decode(&body).into_iter().for_each(|span| drop(spans.send(span)));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}

fn decode(body: &[u8]) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    for of_resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        let service = texts(of_resource.resource.unwrap().attributes)["service.name"].clone();
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            spans.push(ReceivedSpan {
                service: service.clone(),
                name: span.name,
                trace_id: HEXLOWER.encode(&span.trace_id),
                id: HEXLOWER.encode(&span.span_id),
                parent_id: HEXLOWER.encode(&span.parent_span_id),
                attributes: texts(span.attributes),
            });
        }
    }
    spans
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        Value::StringValue(text) => Some((attribute.key, text)),
        Value::IntValue(number) => Some((attribute.key, number.to_string())),
        _ => None,
    };
    attributes.into_iter().filter_map(text).collect()
}
