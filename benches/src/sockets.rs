//! Live sockets that only listen, and what they cost the server.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::server::{Server, ServerArgs};

/// Arguments of `tephra-bench sockets`.
#[derive(Clone, Debug, clap::Args)]
pub struct SocketsArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// How many.
    #[arg(long, default_value_t = 2_000)]
    sockets: usize,
    /// How long they are held before the server's memory is read.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Opens the sockets, waits, and prints by how much the server's memory grew.
pub async fn run(args: &SocketsArgs) -> anyhow::Result<()> {
    use std::io::Write;
    let server = Server::new(&args.server)?;
    let pid = server.pid().context("the server's process is not known: give `--data-dir` or `--pid`")?;
    let before = rss(pid)?;
    let url = format!("{}/api/v1/live", server.url.replacen("http", "ws", 1));
    let mut sockets = Vec::with_capacity(args.sockets);
    for number in 0..args.sockets {
        let mut request = url.as_str().into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", server.token).parse()?);
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .with_context(|| format!("could not open socket {number} of {}", args.sockets))?;
        sockets.push(socket);
    }
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let after = rss(pid)?;
    if sockets.len() != args.sockets {
        bail!("{} sockets of {} were opened", sockets.len(), args.sockets);
    }
    let grown = after.saturating_sub(before) as f64;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} sockets: {:.1} MB more ({:.1} KB each), RSS {:.1} MB",
        args.sockets,
        grown / 1e6,
        grown / 1e3 / args.sockets as f64,
        after as f64 / 1e6
    )?;
    Ok(())
}

/// Resident memory of a process, bytes.
fn rss(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel shows no memory")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
