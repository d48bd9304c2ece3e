//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::settings::{Flag, Loaded, load};

/// An error log database: takes errors and logs from any SDK, keeps them small, answers in SQL.
#[derive(Debug, Parser)]
#[command(name = "tephra", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(ServeArgs),
    /// Asks a running server a question in SQL.
    Sql(SqlArgs),
    /// Asks a running server to write its hot events to Parquet now, and waits for it.
    Roll(RollArgs),
    /// Shows what grouping rules would split and merge among stored events, or has a running server do it.
    Regroup(RegroupArgs),
    /// Prints the settings in force and where each came from.
    Config(ConfigArgs),
    /// Verifies everything that is stored; the server must be stopped.
    Check(CheckArgs),
    /// Fills an empty data directory from a lake: history, and people, projects and issues from the newest copy there.
    Restore(RestoreArgs),
    /// Cares for people, projects, keys and tokens, beside a running server or without one.
    Admin(commands::admin::AdminArgs),
    /// Prints the version.
    Version,
}

/// Where settings come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Settings file [default: tephra.toml, where it is there].
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where everything that is local lies [default: ./data].
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to serve REST, OTLP/HTTP, health and metrics [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where to serve OTLP/gRPC and the native protocol [default: 127.0.0.1:4317].
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
    /// The form of the log [default: text].
    #[arg(long, value_name = "text|json")]
    log_format: Option<String>,
    /// Start even though acknowledged events are missing.
    #[arg(long)]
    accept_data_loss: bool,
}

/// Which server, and with which right.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address [default: TEPHRA_URL, else of first-run.env in the data directory].
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A token [default: TEPHRA_TOKEN, else of first-run.env in the data directory].
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// A PEM file with the root certificate of the server's own certificate [default: TEPHRA_CA].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The server's data directory [default: TEPHRA_DATA_DIR, else ./data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The statement; read from standard input where absent or `-`.
    pub(crate) sql: Option<String>,
    /// How the rows are printed.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print no more rows than this.
    #[arg(long, value_name = "N")]
    pub(crate) rows_max: Option<u64>,
    /// Wait no longer than this many milliseconds.
    #[arg(long, value_name = "MS")]
    pub(crate) time_ms_max: Option<u64>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One document.
    Json,
    /// One object per line.
    Ndjson,
    /// With a header line.
    Csv,
    /// Arrow's stream format.
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct RollArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RegroupArgs {
    /// Change nothing, and show what would.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The project, by its number or slug [default: all that the token reaches].
    #[arg(long, short, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// A file with the project's rules as they would be; they come into force unless it is a dry run [default: those in force].
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Look at events from this time on, or of this age: `2026-01-31T12:00:00Z`, `7d`, `24h` [default: all of history].
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Look at events before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Look at events that this search finds.
    #[arg(long, value_name = "SEARCH")]
    pub(crate) query: Option<String>,
    /// Print what the server answers.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Print docs/SETTINGS.md instead.
    #[arg(long, hide = true)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where the lake lies, `file:///path` or `s3://bucket/prefix` [default: `cold.url`].
    #[arg(long, value_name = "URL")]
    from: Option<String>,
}

impl SettingsArgs {
    pub(crate) fn load(&self, mut flags: Vec<Flag>) -> anyhow::Result<Loaded> {
        if let Some(dir) = &self.data_dir {
            flags.push(Flag { flag: "--data-dir", name: "data_dir", value: dir.to_string_lossy().into_owned() });
        }
        load(self.config.as_deref(), &flags)
    }
}

impl ServeArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let accept = self.accept_data_loss.then(|| "true".to_owned());
        let given = [
            ("--http", "http.address", &self.http),
            ("--grpc", "grpc.address", &self.grpc),
            ("--log-format", "log.format", &self.log_format),
            ("--accept-data-loss", "hot.accept_data_loss", &accept),
        ];
        let flags =
            given.into_iter().filter_map(|(flag, name, value)| Some(Flag { flag, name, value: value.clone()? }));
        self.settings.load(flags.collect())
    }
}

impl ConfigArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        self.serve.load()
    }
}

impl CheckArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        self.settings.load(Vec::new())
    }
}

impl RestoreArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let from = self.from.clone().map(|value| Flag { flag: "--from", name: "cold.url", value });
        self.settings.load(from.into_iter().collect())
    }
}

/// Runs one command. What goes wrong is printed to standard error, and the exit code is 1.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Sql(args) => commands::sql::run(&args),
        Command::Roll(args) => commands::roll::run(&args),
        Command::Regroup(args) => commands::regroup::run(&args),
        Command::Config(args) => commands::config::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Restore(args) => commands::restore::run(&args),
        Command::Admin(args) => commands::admin::run(&args),
        Command::Version => commands::version(),
    };
    result.unwrap_or_else(|error| {
        if commands::is_broken_pipe(&error) {
            // Whoever read our output has enough: what `head` does to every program.
            return ExitCode::from(141);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
