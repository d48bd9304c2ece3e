//! `tephra serve`.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access::{FIRST_RUN_FILE, Secret};
use crate::cli::ServeArgs;
use crate::server::Server;
use crate::settings::Settings;

/// Runs the server until SIGTERM or SIGINT; a second signal ends it at once, as a crash would. SIGHUP reads the certificate
/// again.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = args.load()?.settings;
    crate::logs::start(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tephra")
        .build()
        .context("could not start the runtime")?;
    let result = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    // Taken even while there is nothing to read again: its default is the end of the process.
    let mut hangup = signal(SignalKind::hangup())?;
    let data_dir = settings.data_dir().clone();
    let server = tokio::select! {
        server = Server::start(settings) => server?,
        // Nothing was taken yet, so there is nothing to drain.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if let Some(first) = server.first_run() {
        let path = data_dir.join(FIRST_RUN_FILE);
        let shown = |name: &str, secret: &Option<Secret>, what: &str| {
            secret.as_ref().map_or_else(String::new, |secret| format!("  {name}     {}   ({what})\n", secret.show()))
        };
        let dsn = first.dsn().map_or_else(String::new, |dsn| format!("  DSN       {dsn}\n"));
        let keys = shown("key  ", &first.key, "writes events") + &dsn + &shown("token", &first.token, "reads them");
        let (http, grpc, email, password) = (&first.urls.http, &first.urls.grpc, &first.email, &first.password);
        let text = format!(
            "Tephra is ready.\n\n  HTTP      {http}   (its API: {http}/api/docs)\n  gRPC      {grpc}\n{keys}  \
             log in as {email} with {password}   (once; it is to be changed)\n\n\
             They are shown once, and written to `{}`.\n",
            path.display(),
        );
        super::print(&text)?;
    }
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = hangup.recv() => server.reload(),
        }
    }
    tokio::select! {
        stopped = server.stop() => stopped?,
        () = signals.next() => {
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
