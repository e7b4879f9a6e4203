//! Parse, log, do it, and answer with an exit code.

use std::process::ExitCode;

use aftercall::cli::Cli;
use aftercall::telemetry;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    // One TLS provider for every client in the tree. A second installation is refused, and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    telemetry::init(cli.log_level());
    telemetry::hush_panics();
    let code = cli.run().await;
    telemetry::flush();
    code
}
