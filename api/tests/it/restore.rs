//! The machine is gone, the lake is not: an empty data directory gets everything back that the lake and its copy hold.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use url::Url;

use crate::protocol::{Protocol, samples};
use crate::server::{Folder, Server, Setup, tephra, text};

fn restore(from: &str, data_dir: &Path) -> std::process::Output {
    tephra(&["restore", "--from", from, "--data-dir", data_dir.to_str().unwrap()], &[])
}

#[tokio::test]
async fn an_empty_machine_comes_back_from_the_lake_alone() {
    let lake = Folder::new();
    let url = Url::from_directory_path(lake.path()).unwrap().to_string();
    let setup = Setup::default().set("cold.url", &url).set("meta.copy_interval_ms", 0);
    let mut server = setup.clone().start().await;
    Protocol::Ndjson.send(&server, &samples(20)).await.expect_whole();
    server.roll().await;
    let rows = server.rows("SELECT * FROM events ORDER BY event_id").await;
    assert!(server.stop().success());
    let first_run = std::fs::read_to_string(server.data_dir().join("first-run.env")).unwrap();
    let (key, token) = (server.key.clone(), server.token.clone());
    drop(server);

    let folder = Folder::new();
    let data_dir = folder.path().join("data");
    let output = restore(&url, &data_dir);
    assert!(output.status.success(), "{}", text(&output));
    let printed = text(&output);
    assert!(printed.contains("20 events in") && printed.contains(" ago") && printed.contains(&url), "{printed}");
    // Secrets are not in the lake; scripts keep theirs.
    std::fs::write(data_dir.join("first-run.env"), first_run).unwrap();

    let server = setup.start_in(folder).await;
    assert_eq!((&server.key, &server.token), (&key, &token));
    assert_eq!(server.rows("SELECT * FROM events ORDER BY event_id").await, rows);
    Protocol::Ndjson.send(&server, &samples(5)).await.expect_whole();
    server.roll().await;
    assert_eq!(server.count("true").await, 25);

    let again = restore(&url, &server.data_dir());
    assert!(!again.status.success() && text(&again).contains("in use"), "{}", text(&again));
}

#[tokio::test]
async fn issues_come_back_with_the_counts_of_the_history() {
    let lake = Folder::new();
    let url = Url::from_directory_path(lake.path()).unwrap().to_string();
    let setup = Setup::default().set("cold.url", &url).set("meta.copy_interval_ms", 0).set("live.keep_ms", 0);
    let mut server = setup.clone().start().await;
    fail(&server, "Before", 4).await;
    server.roll().await;
    until_counted(&server, json!({ "Before": 4 })).await;
    assert!(server.stop().success());
    // After the copy of that stop: more of the same, something new, and something that goes with the machine.
    let server = server.restart().await;
    fail(&server, "Before", 3).await;
    fail(&server, "After", 2).await;
    server.roll().await;
    fail(&server, "Lost", 1).await;
    let first_run = std::fs::read_to_string(server.data_dir().join("first-run.env")).unwrap();
    drop(server);

    let folder = Folder::new();
    let data_dir = folder.path().join("data");
    let output = restore(&url, &data_dir);
    assert!(output.status.success(), "{}", text(&output));
    std::fs::write(data_dir.join("first-run.env"), first_run).unwrap();
    let server = setup.start_in(folder).await;
    until_counted(&server, json!({ "Before": 7, "After": 2 })).await;
    fail(&server, "After", 1).await;
    until_counted(&server, json!({ "Before": 7, "After": 3 })).await;
}

async fn fail(server: &Server, kind: &str, times: usize) {
    let line = json!({ "level": "error", "exception_type": kind, "exception_value": "broke" }).to_string() + "\n";
    let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(&server.key);
    let answer = request.body(line.repeat(times)).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// Waits until there are just these issues, by the type in their title, with so many events.
async fn until_counted(server: &Server, wanted: Value) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = server.http.get(format!("{}/api/v1/issues?project=1", server.url)).bearer_auth(&server.token);
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        let issues = page["items"].as_array().unwrap().iter();
        let title = |issue: &Value| issue["title"].as_str().unwrap().split(':').next().unwrap().to_owned();
        let found: Map<_, _> = issues.map(|issue| (title(issue), issue["events"].clone())).collect();
        if Value::Object(found) == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{wanted} is wanted, and stays {page:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_machine_that_holds_something_is_left_alone() {
    let lake = Folder::new();
    let url = Url::from_directory_path(lake.path()).unwrap().to_string();
    let mut server = Setup::default().set("cold.url", &url).start().await;
    Protocol::Ndjson.send(&server, &samples(1)).await.expect_whole();
    assert!(server.stop().success());
    let output = restore(&url, &server.data_dir());
    assert!(!output.status.success() && text(&output).contains("of its own"), "{}", text(&output));
    let server = server.restart().await;
    assert_eq!(server.count("true").await, 1);
}

#[test]
fn a_wrong_place_is_told_and_nothing_is_made_there() {
    let folder = Folder::new();
    let data_dir = folder.path().join("data");
    let absent = Url::from_directory_path(folder.path().join("absent")).unwrap().to_string();
    let output = restore(&absent, &data_dir);
    assert!(!output.status.success() && text(&output).contains("there is no folder"), "{}", text(&output));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let empty = Url::from_directory_path(folder.path().join("empty")).unwrap().to_string();
    let output = restore(&empty, &data_dir);
    assert!(!output.status.success() && text(&output).contains("no copy of the metadata"), "{}", text(&output));
    let output = tephra(&["restore", "--data-dir", data_dir.to_str().unwrap()], &[]);
    assert!(!output.status.success() && text(&output).contains("--from"), "{}", text(&output));
}
