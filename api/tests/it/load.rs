//! A few clients that send all the time and keep a ledger: what they sent, and what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::server::Server;

/// What was sent and what was acknowledged, so far.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) sent: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    /// The ids of each batch, and whether it was acknowledged.
    batches: Mutex<Vec<(Vec<String>, bool)>>,
}

/// Clients at work.
pub(crate) struct Load {
    pub(crate) ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts `clients` that each send their next batch once the last is answered.
    pub(crate) fn start(server: &Server, clients: usize) -> Self {
        let ledger = Arc::new(Ledger::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (http, url, key) = (server.http.clone(), format!("{}/api/v1/ingest", server.url), server.key.clone());
            let (ledger, stop) = (ledger.clone(), stop.clone());
            tasks.spawn(async move {
                let mut size = 1;
                while !stop.load(Ordering::SeqCst) {
                    size = size % 20 + 1;
                    let ids: Vec<_> = (0..size).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
                    let lines = ids.iter().map(|id| format!("{}\n", json!({ "event_id": id, "message": "load" })));
                    let request = http.post(&url).bearer_auth(&key).header("content-type", "application/x-ndjson");
                    let batch = ledger.begin(ids.clone());
                    match request.body(lines.collect::<String>()).send().await {
                        Ok(answer) if answer.status().is_success() => ledger.acknowledge(batch, size),
                        Ok(answer) => assert_eq!(answer.status(), 503, "{:?}", answer.text().await),
                        Err(_) => break,
                    }
                }
            });
        }
        Self { ledger, stop, clients: tasks }
    }

    /// Whether every client has met the end of the server.
    pub(crate) async fn finish(mut self) -> Arc<Ledger> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.ledger
    }
}

impl Ledger {
    fn begin(&self, ids: Vec<String>) -> usize {
        self.sent.fetch_add(ids.len() as u64, Ordering::SeqCst);
        let mut batches = self.batches.lock();
        batches.push((ids, false));
        batches.len() - 1
    }

    fn acknowledge(&self, batch: usize, size: u64) {
        self.batches.lock()[batch].1 = true;
        self.acknowledged.fetch_add(size, Ordering::SeqCst);
    }

    /// Acknowledged is stored, stored was sent, each event is there once and each batch whole or not at all.
    pub(crate) async fn check(&self, server: &Server) {
        let rows = server.rows("SELECT event_id, count(*) AS n FROM events GROUP BY event_id").await;
        let stored: std::collections::HashMap<&str, &Value> =
            rows.iter().map(|row| (row["event_id"].as_str().unwrap(), &row["n"])).collect();
        let mut known = 0;
        for (ids, acknowledged) in self.batches.lock().iter() {
            let found = ids.iter().filter(|id| stored.contains_key(id.as_str())).count();
            assert!(!acknowledged || found == ids.len(), "{found} of {} acknowledged events are stored", ids.len());
            assert!(found == 0 || found == ids.len(), "{found} of {} events of a batch are stored", ids.len());
            known += found;
        }
        assert_eq!(known, stored.len(), "there are events that nobody sent");
        assert!(stored.values().all(|n| **n == 1), "there are events twice");
    }
}
