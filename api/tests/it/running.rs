//! Running it: first start, settings, one process per folder, health, metrics, the commands.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::protocol::{Protocol, samples};
use crate::server::{Folder, Server, Setup, tephra, text};

#[tokio::test]
async fn the_first_start_prints_and_writes_what_a_script_needs() {
    let server = Server::start().await;
    let path = server.data_dir().join("first-run.env");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let log = server.log();
    for value in [&server.url, &server.key, &server.token] {
        assert!(log.contains(value.as_str()), "{value} is not printed: {log}");
    }
    let (key, token) = (server.key.clone(), server.token.clone());
    let server = server.stop_and_restart().await;
    assert_eq!((&server.key, &server.token), (&key, &token));
    Protocol::OtlpGrpc.send(&server, &samples(1)).await.expect_whole();
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused() {
    let server = Server::start().await;
    let printed = Setup::default().refuse(&server.data_dir());
    assert!(printed.contains("in use") && printed.contains(&server.pid().to_string()), "{printed}");
    Protocol::Ndjson.send(&server, &samples(1)).await.expect_whole();
}

#[test]
fn config_tells_each_value_and_where_it_came_from() {
    let folder = Folder::new();
    let file = folder.path().join("tephra.toml");
    std::fs::write(&file, "[query]\nrows_max = 77\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("TEPHRA_HOT_DEDUP_WINDOW_HOURS", "48"), ("TEPHRA_COLD_S3_SECRET_ACCESS_KEY", "hunter2")];
    let output = tephra(&["config", "--config", file], &variables);
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    let line =
        |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}: {shown}"));
    assert!(line("rows_max").contains("77") && line("rows_max").contains("file"), "{shown}");
    assert!(line("dedup_window_hours").contains("TEPHRA_HOT_DEDUP_WINDOW_HOURS"), "{shown}");
    assert!(line("time_ms_max").contains("default"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    let folder = Folder::new();
    let file = folder.path().join("tephra.toml");
    std::fs::write(&file, "[query]\nmemory_byte_max = 1\n").unwrap();
    let output = tephra(&["config", "--config", file.to_str().unwrap()], &[]);
    assert!(!output.status.success());
    assert!(text(&output).contains("query.memory_bytes_max"), "{}", text(&output));

    let output = tephra(&["config"], &[("TEPHRA_HTTP_ADRESS", "127.0.0.1:0")]);
    assert!(!output.status.success());
    assert!(text(&output).contains("TEPHRA_HTTP_ADDRESS"), "{}", text(&output));

    let printed = Setup::default().set("hot.memry_bytes_max", 1).refuse(&folder.path().join("data"));
    assert!(printed.contains("TEPHRA_HOT_MEMORY_BYTES_MAX"), "{printed}");
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let server = Server::start().await;
    Protocol::OtlpGrpc.send(&server, &samples(3)).await.expect_whole();
    server.roll().await;
    server.count("true").await;
    assert_eq!(server.get("/livez").await.0, 200);
    assert_eq!(server.get("/readyz").await.0, 200);
    let (status, metrics) = server.get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "tephra_ingest_events_accepted_total",
        "tephra_ingest_requests_total",
        "tephra_append_queue_bytes",
        "tephra_append_group",
        "tephra_append_sync_seconds",
        "tephra_hot_bytes",
        "tephra_roll_lag_seconds",
        "tephra_cold_files",
        "tephra_query_seconds",
    ] {
        assert!(metrics.contains(name), "no `{name}` in:\n{metrics}");
    }
    assert!(metrics.lines().any(|line| line == "tephra_cold_rows 3"), "{metrics}");
}

#[tokio::test]
async fn the_commands_work_against_a_running_server() {
    let server = Server::start().await;
    Protocol::Native.send(&server, &samples(3)).await.expect_whole();
    let data_dir = server.data_dir();
    let data_dir = data_dir.to_str().unwrap();

    let rolled = server.cli(&["roll"]);
    assert!(rolled.status.success() && text(&rolled).contains('3'), "{}", text(&rolled));
    let by_folder = tephra(&["sql", "--data-dir", data_dir, "SELECT count(*) AS n FROM events"], &[]);
    assert!(by_folder.status.success() && text(&by_folder).contains('3'), "{}", text(&by_folder));
    let faulty = server.cli(&["sql", "SELECT mesage FROM events"]);
    assert!(!faulty.status.success() && text(&faulty).contains("message"), "{}", text(&faulty));
    for format in ["json", "csv", "ndjson", "table"] {
        let output = server.cli(&["sql", "--format", format, "SELECT message FROM events ORDER BY message"]);
        assert!(output.status.success() && text(&output).contains("sample 2"), "{format}: {}", text(&output));
    }
    let version = tephra(&["version"], &[]);
    assert!(text(&version).contains(env!("CARGO_PKG_VERSION")), "{}", text(&version));
}

#[tokio::test]
async fn check_finds_a_sound_folder_sound() {
    let mut server = Server::start().await;
    Protocol::Native.send(&server, &samples(3)).await.expect_whole();
    server.roll().await;
    Protocol::Native.send(&server, &samples(4)).await.expect_whole();
    assert!(server.stop().success());
    let checked = server.cli(&["check", "--data-dir", server.data_dir().to_str().unwrap()]);
    assert!(checked.status.success(), "{}", text(&checked));
}

#[tokio::test]
async fn events_roll_by_age_without_being_asked() {
    let server = Setup::default().set("roll.age_ms_max", 200).start().await;
    Protocol::Native.send(&server, &samples(3)).await.expect_whole();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !server.get("/metrics").await.1.lines().any(|line| line == "tephra_cold_rows 3") {
        assert!(std::time::Instant::now() < deadline, "nothing rolled:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.count("true").await, 3);
}
