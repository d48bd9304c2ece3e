//! SQL over HTTP: forms of the answer, faults with their place, what is refused, and whose events are seen.

use std::io::Cursor;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use serde_json::{Value, json};

use crate::admin::admin;
use crate::person::Person;
use crate::protocol::{Protocol, Sample, samples};
use crate::server::{Server, Setup};

#[tokio::test]
async fn one_answer_in_four_forms_by_accept() {
    let server = Server::start().await;
    let batch: Vec<_> = (0..3).map(|number| Sample::new(format!("a,\"{number}\"\n"))).collect();
    Protocol::Ndjson.send(&server, &batch).await.expect_whole();
    let sql = "SELECT message, severity IS NULL AS bare, 7 AS n FROM events ORDER BY message";
    let message = |number: usize| format!("a,\"{number}\"\n");

    let get = async |accept: &str| {
        let answer = server.ask(sql, accept).await;
        assert_eq!(answer.status(), 200, "{accept}");
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(content_type.starts_with(accept), "{content_type} for {accept}");
        answer.bytes().await.unwrap()
    };
    let lines = get("application/x-ndjson").await;
    let lines: Vec<Value> =
        lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["message"], &lines[1]["n"]), (&json!(message(1)), &json!(7)));

    let whole: Value = serde_json::from_slice(&get("application/json").await).unwrap();
    assert!(whole.to_string().contains(&serde_json::to_string(&message(2)).unwrap()), "{whole:#}");

    let csv = String::from_utf8(get("text/csv").await.to_vec()).unwrap();
    assert!(csv.starts_with("message,bare,n\r\n") && csv.contains("\"a,\"\"0\"\"\n\",false,7\r\n"), "{csv}");

    let reader = StreamReader::try_new(Cursor::new(get("application/vnd.apache.arrow.stream").await), None).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
    assert_eq!(batches[0].column_by_name("n").unwrap().as_primitive::<Int64Type>().value(0), 7);
}

#[tokio::test]
async fn a_faulty_statement_is_told_where_and_what_may_help() {
    let server = Server::start().await;
    for (sql, place, help) in [
        ("SELEC 1", Some((1, 1)), None),
        ("SELECT mesage FROM events", Some((1, 8)), Some("message")),
        ("SELECT 1 FROM evnts", None, Some("events")),
        ("SELECT\n  FROM FROM events", Some((2, 8)), None),
        ("SELECT no_such(message) FROM events", None, None),
        ("", None, None),
    ] {
        let answer = server.ask(sql, "application/json").await;
        assert_eq!(answer.status(), 400, "{sql}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["kind"], "invalid", "{sql}: {problem:#}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{sql}: {problem:#}");
        if let Some((line, column)) = place {
            assert_eq!((&problem["line"], &problem["column"]), (&json!(line), &json!(column)), "{sql}: {problem:#}");
        }
        if let Some(help) = help {
            assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains(help)), "{sql}: {problem:#}");
        }
    }
}

#[tokio::test]
async fn nothing_but_reading_is_allowed() {
    let server = Server::start().await;
    Protocol::Ndjson.send(&server, &samples(2)).await.expect_whole();
    for sql in [
        "DROP TABLE events",
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET message = 'x'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE p STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT * FROM '/etc/passwd'",
        "EXPLAIN ANALYZE DROP TABLE events",
    ] {
        let answer = server.ask(sql, "application/json").await;
        assert_eq!(answer.status(), 400, "{sql}: {}", answer.text().await.unwrap());
    }
    assert_eq!(server.count("true").await, 2);
}

#[tokio::test]
async fn what_would_grow_without_bound_is_refused_and_the_server_lives() {
    let server = Setup::default().set("query.time_ms_max", 5_000).start().await;
    Protocol::Ndjson.send(&server, &samples(100)).await.expect_whole();
    let pid = server.pid();
    for sql in [
        "SELECT repeat('x', 2000000000)",
        "SELECT length(repeat(repeat(repeat('x', 100000), 1000), 1000))",
        "SELECT lpad('x', 2000000000, 'y')",
        "SELECT rpad('x', 2000000000)",
        "SELECT range(0, 1000000000000)",
        "SELECT generate_series(0, 1000000000000)",
        "SELECT array_repeat('x', 2000000000)",
        "SELECT array_resize([1], 2000000000)",
        "SELECT * FROM generate_series(1, 1000000000000) ORDER BY 1 DESC",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r",
        "SELECT count(*) FROM events a, events b, events c, events d, events e, events f WHERE a.message < f.message",
        "SELECT length(array_to_string(array_agg(a.message || b.message || c.message || d.message), ','))
         FROM events a, events b, events c, events d",
    ] {
        let began = Instant::now();
        let answer = server.ask(sql, "application/json").await;
        let (status, body) = (answer.status().as_u16(), answer.text().await);
        assert!([400, 422, 504].contains(&status) || body.is_err(), "{sql}: {status} {body:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{sql} took {:?}", began.elapsed());
        assert_eq!(server.get("/livez").await.0, 200, "{sql}");
    }
    assert_eq!(server.pid(), pid);
    assert_eq!(server.count("true").await, 100);
    assert!(resident_mb(&server) < 1500, "the server holds {} MiB", resident_mb(&server));
}

/// Longer than any test waits, and allowed.
const SLOW: &str = "SELECT count(*) FROM events a, events b, events c, events d WHERE a.message < d.message";

#[tokio::test]
async fn a_query_ends_with_its_client() {
    let server = Server::start().await;
    Protocol::Ndjson.send(&server, &samples(300)).await.expect_whole();

    let asking = tokio::time::timeout(Duration::from_secs(2), server.ask(SLOW, "application/json")).await;
    assert!(asking.is_err(), "the query was not slow: {asking:?}");
    wait_for_running(&server, 0).await;

    let mut asking = server.spawn_cli(&["sql", SLOW]);
    wait_for_running(&server, 1).await;
    crate::server::signal(asking.id(), "INT");
    wait_for_running(&server, 0).await;
    assert!(!asking.wait().unwrap().success());
}

async fn wait_for_running(server: &Server, queries: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let line = format!("tephra_queries_running {queries}");
    while !server.get("/metrics").await.1.lines().any(|other| other == line) {
        assert!(Instant::now() < deadline, "no `{line}`");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_long_statement_and_a_deep_one_are_refused() {
    let server = Server::start().await;
    for sql in [
        format!("SELECT {}", "1 + ".repeat(100_000) + "1"),
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {} true", "NOT ".repeat(10_000)),
        format!("SELECT {}", "1 + ".repeat(10_000) + "1"),
        format!("SELECT 1 FROM events WHERE {} true", "message = 'x' OR ".repeat(1_000)),
        format!("{} SELECT 1", "SELECT 1 UNION ALL ".repeat(2_000)),
    ] {
        let answer = server.ask(&sql, "application/json").await;
        let status = answer.status().as_u16();
        assert!([200, 400, 413, 422, 504].contains(&status), "{status}: {}", answer.text().await.unwrap());
        assert_eq!(server.get("/livez").await.0, 200, "{}", &sql[..40]);
    }
}

#[tokio::test]
async fn only_a_token_may_read() {
    let server = Server::start().await;
    let ask = async |authorization: Option<String>| {
        server.ask_as("SELECT 1", "application/json", authorization).await.status().as_u16()
    };
    assert_eq!(ask(None).await, 401);
    assert_eq!(ask(Some("Bearer nothing".into())).await, 401);
    assert_eq!(ask(Some(format!("Bearer {}", server.key))).await, 403);
    assert_eq!(ask(Some(format!("Bearer {}", server.token))).await, 200);
    let roll = |token: String| server.http.post(format!("{}/api/v1/admin/roll", server.url)).bearer_auth(token).send();
    assert_eq!(roll(server.key.clone()).await.unwrap().status(), 403);
    assert_eq!(roll("nothing".into()).await.unwrap().status(), 401);
}

/// A second project, and a token for each.
#[tokio::test]
async fn a_token_sees_its_own_project_and_no_other() {
    let server = Server::start().await;
    admin(&server, &["project", "add", "second"]);
    let mut owner = Person::owner(&server).await;
    let (_, key) = owner.post("/api/v1/projects/second/keys", &json!({ "name": "second" })).await;
    let key = key["key"].as_str().unwrap().to_owned();
    let mut tokens = Vec::new();
    for project in [1, 2] {
        let (_, made) = owner.post("/api/v1/tokens", &json!({ "name": "reads", "projects": [project] })).await;
        tokens.push(made["text"].as_str().unwrap().to_owned());
    }
    let [first, token] = <[String; 2]>::try_from(tokens).unwrap();

    Protocol::Ndjson.send(&server, &samples(3)).await.expect_whole();
    for protocol in Protocol::ALL {
        let secret = protocol.encode(&[Sample::new("a secret of project 2")]);
        protocol.send_raw(&server, secret, None, Some(&key)).await.expect_whole();
    }
    for tier in ["hot", "cold"] {
        assert_eq!(counts(&server, &first).await, [3, 0, 1], "{tier}");
        assert_eq!(counts(&server, &token).await, [5, 5, 1], "{tier}");
        server.roll().await;
    }
    // The same id in two projects is two events.
    let shared = Protocol::Native.encode(&samples(1));
    for key in [&server.key, &key] {
        Protocol::Native.send_raw(&server, shared.clone(), None, Some(key)).await.expect_whole();
    }
    assert_eq!(counts(&server, &first).await, [4, 0, 1]);
    assert_eq!(counts(&server, &server.token).await, [10, 5, 2]);
    assert_eq!(counts(&server, &token).await, [6, 5, 1]);
}

/// All events, those with the secret, and how many projects they are of.
async fn counts(server: &Server, token: &str) -> [u64; 3] {
    let sql = "SELECT count(*) AS a, count(*) FILTER (WHERE message LIKE '%secret%') AS b, count(DISTINCT project_id) AS c FROM events";
    let answer = server.ask_as(sql, "application/x-ndjson", Some(format!("Bearer {token}"))).await;
    let row: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    ["a", "b", "c"].map(|name| row[name].as_u64().unwrap())
}

fn resident_mb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
