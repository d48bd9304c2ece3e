//! Sentry's SDKs for servers, the real packages: what they report is read back by SQL, hot and cold alike, and they go on after
//! a 413, a 503 and a 429.

use serde_json::Value;

use crate::sdk::{DEADLINE, Front, Program, check_rows, is_stored, rows_hot_and_cold, until_reported, until_stored};
use crate::server::{Server, Setup};

/// A limit that SDKs keep to for longer than a test needs to look, and shorter than it waits.
const LIMITED_S: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_needs_nothing_but_the_dsn() {
    let Some(program) = Program::python(false) else { return };
    let front = reports(&program, ["ValueError", "RuntimeError"]).await;
    assert!(front.passed().iter().all(|passed| passed.encoding == "gzip"), "{:?}", front.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_with_brotli_needs_nothing_but_the_dsn() {
    let Some(program) = Program::python(true) else { return };
    let front = reports(&program, ["ValueError", "RuntimeError"]).await;
    assert!(front.passed().iter().all(|passed| passed.encoding == "br"), "{:?}", front.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_11_needs_nothing_but_the_dsn() {
    let Some(program) = Program::node("11") else { return };
    reports(&program, ["TypeError", "Error"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_8_needs_nothing_but_the_dsn() {
    let Some(program) = Program::node("8") else { return };
    reports(&program, ["TypeError", "Error"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_7_needs_nothing_but_the_dsn() {
    let Some(program) = Program::node("7") else { return };
    reports(&program, ["TypeError", "Error"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_needs_nothing_but_the_dsn() {
    let Some(program) = Program::rust() else { return };
    reports(&program, ["DeclinedError", "CheckoutError"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_goes_on_after_refusals() {
    let Some(program) = Program::python(true) else { return };
    goes_on(&program, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_11_goes_on_after_refusals() {
    let Some(program) = Program::node("11") else { return };
    goes_on(&program, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_8_goes_on_after_refusals() {
    let Some(program) = Program::node("8") else { return };
    goes_on(&program, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_7_goes_on_after_refusals() {
    let Some(program) = Program::node("7") else { return };
    goes_on(&program, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_goes_on_after_refusals() {
    let Some(program) = Program::rust() else { return };
    goes_on(&program, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_this_server_are_kept_by_every_sdk() {
    let programs =
        [Program::python(true), Program::node("11"), Program::node("8"), Program::node("7"), Program::rust()];
    for program in programs.iter().flatten() {
        let server = Setup::default().set("limit.project_events_per_day", 2).start().await;
        let front = Front::start(&server).await;
        let mut driven = program.drive(&front.dsn());
        for line in ["message one", "message two"] {
            let id = driven.tell(line).await;
            assert!(is_stored(&server, &id).await, "{}: {:?}", program.name, front.passed());
        }
        for line in ["message three", "message four", "message five"] {
            let id = driven.tell(line).await;
            assert!(!is_stored(&server, &id).await, "{}", program.name);
        }
        // Once told, it sends no more of them.
        assert_eq!((front.events(429), front.events(200)), (1, 2), "{}: {:?}", program.name, front.passed());
    }
}

async fn reports(program: &Program, kinds: [&str; 2]) -> Front {
    let server = Server::start().await;
    let front = Front::start(&server).await;
    let printed = program.run(&["send", &front.dsn()]).await;
    let ids: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{}: {printed}", program.name));
    let rows = rows_hot_and_cold(&server, &ids, program.name).await;
    check_rows(&rows, kinds, program.name);
    for row in &rows {
        assert_eq!(row["server_name"], "web-3", "{}: {row:#}", program.name);
    }
    for passed in front.passed() {
        assert_eq!(passed.status, 200, "{}: {passed:?}\n{}", program.name, server.log());
        assert!(passed.path.starts_with("/errors/of/api/1/"), "{passed:?}");
    }
    front
}

/// `reports` says whether the SDK is known to report what it dropped while it kept to a limit.
async fn goes_on(program: &Program, reports: bool) {
    let name = program.name;
    let server = Setup::default().set("ingest.wire_bytes_max", 100_000).start().await;
    let front = Front::start(&server).await;
    let mut driven = program.drive(&front.dsn());
    let id = driven.tell("message before").await;
    assert!(is_stored(&server, &id).await, "{name}: {id} {:?}\n{}", front.passed(), server.log());

    let id = driven.tell("large").await;
    assert_eq!(front.events(413), 1, "{name}: {:?}", front.passed());
    assert!(!is_stored(&server, &id).await, "{name}");
    until_stored(&server, async |line: String| driven.tell(&line).await, name).await;

    front.answer(503, &[("retry-after", "1")]);
    let id = driven.tell("message into 503").await;
    assert!(front.events(503) > 0, "{name}: {:?}", front.passed());
    front.forward();
    assert!(!is_stored(&server, &id).await, "{name}");
    until_stored(&server, async |line: String| driven.tell(&line).await, name).await;

    let (after, limits) = (LIMITED_S.to_string(), format!("{LIMITED_S}:error;default:key:quota"));
    front.answer(429, &[("retry-after", &after), ("x-sentry-rate-limits", &limits)]);
    driven.tell("message into 429").await;
    assert_eq!(front.events(429), 1, "{name}: {:?}", front.passed());
    front.forward();
    let sent = front.events(200);
    driven.tell("message within the limit").await;
    assert_eq!(front.events(200), sent, "{name} does not keep to the limit");
    until_stored(&server, async |line: String| driven.tell(&line).await, name).await;
    if reports {
        let again = async |line: String| driven.tell(&line).await;
        until_stored(&server, again, name).await;
        tokio::time::timeout(DEADLINE, until_reported(&server, "ratelimit_backoff", name)).await.unwrap();
    }
}
