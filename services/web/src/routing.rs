//! What a request's method and path mean: decided once, before anything else.
//!
//! Access, limits, the start-up gate, labels, the scope of an idempotency key and the handler all follow from one [`Routed`].
//! A server's own router goes by it too ([`Routes::add`]), so that no path can be checked as one route and served as another.

use std::borrow::Cow;

use actix_web::dev::ServiceRequest;
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::{Method, Uri};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Resource};

use crate::{Problem, catalogue, paths, tus};

/// The routes of a server, to be asked what a path means.
#[derive(Debug)]
struct RouteTable {
    /// By their number of segments; among those of one length, words come before parameters.
    by_length: Vec<Vec<Pattern>>,
}

/// What a request's method and path mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    /// A route.
    Route {
        /// Its place in the server's table.
        row: usize,
        /// Its path as the table has it: `/v1/users/{user_id}`.
        pattern: &'static str,
    },
    /// A path of ours that does not take this method.
    OtherMethod {
        /// The path as the table has it.
        pattern: &'static str,
        /// What it takes.
        allowed: Vec<Method>,
    },
    /// No path of ours.
    Nowhere,
}

/// Adds routes to a server, and makes its table of them.
pub struct Routes<'a> {
    server: &'a mut ServiceConfig,
    rows: Vec<(Method, &'static str)>,
}

#[derive(Debug)]
struct Pattern {
    text: &'static str,
    segments: Vec<Segment>,
    rows: Vec<(Method, usize)>,
}

/// In the order in which they are tried.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Word(&'static str),
    /// The id of an object.
    Id,
    Text,
}

/// Lets a service take the requests of one row alone.
struct OfRow(usize);

impl RouteTable {
    fn new(rows: &[(Method, &'static str)]) -> Self {
        let mut by_length: Vec<Vec<Pattern>> = Vec::new();
        for (row, (method, text)) in rows.iter().enumerate() {
            let segments: Vec<Segment> =
                text.split('/').filter(|part| !part.is_empty()).map(Segment::of).collect();
            by_length.resize_with(by_length.len().max(segments.len() + 1), Vec::new);
            let of_length = &mut by_length[segments.len()];
            match of_length.iter_mut().find(|pattern| pattern.segments == segments) {
                Some(pattern) => pattern.rows.push((method.clone(), row)),
                None => of_length.push(Pattern { text, segments, rows: vec![(method.clone(), row)] }),
            }
        }
        by_length.iter_mut().for_each(|of_length| of_length.sort_by(|a, b| a.segments.cmp(&b.segments)));
        Self { by_length }
    }

    /// The pattern of a path of ours.
    fn find(&self, segments: &[Cow<'_, str>]) -> Option<&Pattern> {
        self.by_length.get(segments.len())?.iter().find(|pattern| pattern.takes(segments))
    }
}

impl Pattern {
    fn takes(&self, segments: &[Cow<'_, str>]) -> bool {
        self.segments.iter().zip(segments).all(|(own, given)| match own {
            Segment::Word(word) => word == given,
            Segment::Id | Segment::Text => true,
        })
    }

    /// HEAD is served as GET is.
    fn routed(&self, method: Option<&Method>) -> Routed {
        let served = method.map(|method| if method == Method::HEAD { &Method::GET } else { method });
        match self.rows.iter().find(|(known, _)| Some(known) == served) {
            Some((_, row)) => Routed::Route { row: *row, pattern: self.text },
            None => {
                let allowed = self.rows.iter().map(|(method, _)| method.clone()).collect();
                Routed::OtherMethod { pattern: self.text, allowed }
            }
        }
    }

    fn write(&self, segments: &[Cow<'_, str>]) -> String {
        if segments.is_empty() {
            return "/".to_owned();
        }
        let mut path = String::new();
        for (own, given) in self.segments.iter().zip(segments) {
            match own {
                Segment::Id => paths::push_id(&mut path, given),
                Segment::Word(_) | Segment::Text => paths::push(&mut path, given),
            }
        }
        path
    }
}

impl Segment {
    fn of(part: &'static str) -> Self {
        match part.strip_prefix('{') {
            Some(name) if name == "id}" || name.ends_with("_id}") => Self::Id,
            Some(_) => Self::Text,
            None => Self::Word(part),
        }
    }
}

impl Routed {
    /// What was decided for a request.
    pub fn of(request: &impl HttpMessage) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or(Self::Nowhere)
    }

    /// The path as the server's table has it.
    pub fn pattern(&self) -> Option<&'static str> {
        match self {
            Self::Route { pattern, .. } | Self::OtherMethod { pattern, .. } => Some(pattern),
            Self::Nowhere => None,
        }
    }

    /// The route's place in the server's table.
    ///
    /// # Errors
    /// 404 where no path of ours was asked for, 405 where it does not take the method.
    pub fn row(&self) -> Result<usize, Problem> {
        match self {
            Self::Route { row, .. } => Ok(*row),
            Self::OtherMethod { allowed, .. } => Err(Problem::method_not_allowed(allowed)),
            Self::Nowhere => Err(Problem::of(catalogue::ROUTE, "There is nothing at this address.")),
        }
    }
}

/// What was decided of a request, before the request goes by it.
pub(crate) struct Decision {
    pub(crate) routed: Routed,
    /// The method that the client means, where that can be read.
    method: Option<Method>,
    /// The request's target with the one form of its path, where that is another than the client's.
    target: Option<Uri>,
}

impl Decision {
    /// Decides what a request means.
    pub(crate) fn of(request: &ServiceRequest) -> Self {
        Self::find(request).unwrap_or(Self { routed: Routed::Nowhere, method: None, target: None })
    }

    fn find(request: &ServiceRequest) -> Option<Self> {
        let segments = paths::segments(request.path())?;
        let pattern = request.app_data::<RouteTable>()?.find(&segments)?;
        let method = tus::method(request, pattern.text);
        let path = pattern.write(&segments);
        let target = (path != request.path()).then(|| match request.uri().query() {
            Some(query) => Uri::try_from(format!("{path}?{query}")),
            None => Uri::try_from(path),
        });
        Some(Self { routed: pattern.routed(method.as_ref()), method, target: target.transpose().ok()? })
    }

    /// Makes the request one that everything behind takes as it was decided. HEAD is served as GET is; the server leaves the
    /// body out.
    pub(crate) fn apply(self, request: &mut ServiceRequest) {
        if let Some(target) = self.target {
            request.match_info_mut().get_mut().update(&target);
            request.head_mut().uri = target;
        }
        if let Some(method) = self.method {
            request.head_mut().method = method;
        }
        if request.method() == Method::HEAD {
            request.head_mut().method = Method::GET;
        }
        request.extensions_mut().insert(self.routed);
    }
}

impl<'a> Routes<'a> {
    /// No routes yet.
    pub fn new(server: &'a mut ServiceConfig) -> Self {
        Self { server, rows: Vec::new() }
    }

    /// Adds a route with the service that takes its requests, and nobody else's.
    pub fn add(&mut self, method: Method, pattern: &'static str, service: impl FnOnce(Resource) -> Resource) {
        self.server.service(service(web::resource(pattern).guard(OfRow(self.rows.len()))));
        self.rows.push((method, pattern));
    }

    /// The routes are all there.
    pub fn finish(self) {
        self.server.app_data(RouteTable::new(&self.rows)).default_service(web::to(no_route));
    }
}

impl Guard for OfRow {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let request = context.req_data();
        matches!(request.get::<Routed>(), Some(Routed::Route { row, .. }) if *row == self.0)
    }
}

/// Answers what no route takes.
async fn no_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Routed::of(&request).row()?;
    Err(Problem::internal("a route of the table is not one of the server's"))
}
