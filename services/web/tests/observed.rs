//! What the conventions middleware counts: routes, never paths as a client wrote them.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, test};
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::Database;
use firemode_web::{Metrics, Routes, conventions};

async fn figures() -> String {
    // Nothing is asked of this database, so it need not be there.
    let mut env = Environ::new();
    env.insert("DATABASE_URL".into(), "postgresql://nobody@127.0.0.1:1/none".into());
    let database = Database::new(&Settings::load(&env).expect("it is complete"), 3).expect("a URL");
    let answer = Metrics::of_process().respond(&database, "# TYPE others gauge\nothers 1\n");
    let body = actix_web::body::to_bytes(answer.into_body()).await.expect("a body in memory");
    String::from_utf8(body.to_vec()).expect("text")
}

#[actix_web::test]
async fn requests_are_counted_by_route_method_and_status() {
    Metrics::of_process();
    let app = test::init_service(
        App::new()
            .configure(|server| {
                let mut routes = Routes::new(server);
                routes.add(Method::GET, "/v1/things/{thing_id}", |service| service.to(HttpResponse::Ok));
                routes.finish();
            })
            .wrap(from_fn(conventions)),
    )
    .await;
    for path in ["/v1/things/1", "//v1/thing%73/2/", "/v1/secret-path", "/v1/other"] {
        test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
    }
    let made_up = Method::from_bytes(b"MADEUP").unwrap();
    let request = test::TestRequest::default().method(made_up).uri("/v1/things/3").to_request();
    test::call_service(&app, request).await;

    let figures = figures().await;
    let has = |line: &str| figures.lines().any(|known| known == line);
    assert!(
        has(r#"firemode_http_requests_total{method="GET",route="/v1/things/{thing_id}",status="200"} 2"#),
        "{figures}"
    );
    assert!(has(r#"firemode_http_requests_total{method="GET",route="none",status="404"} 2"#), "{figures}");
    assert!(has(
        r#"firemode_http_request_seconds_bucket{method="GET",route="/v1/things/{thing_id}",status="200",le="+Inf"} 2"#
    ));
    assert!(figures.contains(r#"method="_OTHER",route="/v1/things/{thing_id}""#), "{figures}");
    assert!(has("firemode_http_requests_in_flight 0"));
    assert!(has("firemode_database_connections_max 3"));
    assert!(figures.ends_with("# TYPE others gauge\nothers 1\n"));
    assert!(!figures.contains("secret-path") && !figures.contains("MADEUP"), "{figures}");
}
