//! `tephra-bench`: makes events, sends them, asks for them, and says what that took.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use tephra_bench::generate::{DataSet, JsonEncoder, write_parquet};
use tephra_bench::load::LoadArgs;
use tephra_bench::queries::QueriesArgs;
use tephra_bench::reads::ReadsArgs;
use tephra_bench::sockets::SocketsArgs;
use tephra_bench::{DataSetArgs, load, queries, reads, sockets};

/// Benchmarks of Tephra.
#[derive(Debug, Parser)]
#[command(name = "tephra-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes events to a file.
    Generate(GenerateArgs),
    /// Sends events to a server and measures both sides.
    Load(LoadArgs),
    /// Asks the seven queries and checks the answers.
    Queries(QueriesArgs),
    /// Reads issues and events as people do, at an even rate, and measures how long each read takes.
    Reads(ReadsArgs),
    /// Opens live sockets that only listen, and measures what they cost the server.
    Sockets(SocketsArgs),
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    #[command(flatten)]
    data: DataSetArgs,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// The file; `-` is standard output.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A JSON object per line, as `POST /api/v1/ingest` takes them.
    Ndjson,
    /// Plain Parquet in order of time.
    Parquet,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Generate(args) => generate(&args),
        Command::Load(args) => runtime()?.block_on(load::run(&args)),
        Command::Queries(args) => runtime()?.block_on(queries::run(&args)),
        Command::Reads(args) => runtime()?.block_on(reads::run(&args)),
        Command::Sockets(args) => runtime()?.block_on(sockets::run(&args)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("could not start the runtime")
}

fn generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let data = Arc::new(DataSet::new(args.data.settings(None)?));
    let file: Box<dyn Write + Send> = if args.out.as_os_str() == "-" {
        Box::new(std::io::stdout())
    } else {
        Box::new(File::create(&args.out).with_context(|| format!("could not create `{}`", args.out.display()))?)
    };
    let mut out = BufWriter::with_capacity(1 << 20, file);
    match args.format {
        Format::Parquet => write_parquet(&data, args.data.range(), &mut out)?,
        Format::Ndjson => {
            let encoder = JsonEncoder::new(&data);
            let mut line = Vec::new();
            for index in args.data.range() {
                line.clear();
                encoder.encode(&data.draw(index), &mut line);
                out.write_all(&line)?;
            }
        }
    }
    out.flush().context("could not write the events")
}
