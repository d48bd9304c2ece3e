//! The machine is gone, the lake is not: an empty data directory gets everything back that the lake and its copy hold.

use std::path::Path;

use url::Url;

use crate::protocol::{Protocol, samples};
use crate::server::{Folder, Setup, tephra, text};

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
