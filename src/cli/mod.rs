//! The command line: arguments, one file for each command, and the translation of every error into
//! a code, a sentence and an exit status.
//!
//! Answers go to stdout, everything else to stderr. Every error reads
//! `error[TD-xxxx]: what; why; what to do`, and each code has its heading in
//! docs/troubleshooting.md.

mod args;
mod attach;
mod backup;
mod client;
mod completions;
mod config;
mod db;
mod debug;
mod devnet;
mod docs;
mod doctor;
mod failure;
mod health;
mod identity;
mod init;
mod key_copy;
mod keys;
mod load;
mod log;
mod manager;
mod masternode;
mod migrate;
mod output;
mod passphrase;
mod payer;
mod payment;
mod peers;
mod reload;
mod replay;
mod resync;
mod run;
mod service;
mod signals;
mod signer;
mod signer_serve;
mod start_lines;
mod status;
mod stop;
mod token;
mod tx;
mod version;
mod wait;
mod wallet;
mod wallet_history;
mod wizard;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, DebugCommand};
use failure::Failure;

pub use docs::{Reference, references};
pub use failure::Code;

/// Runs the program that the arguments ask for; what it returns is the exit status of the process.
pub fn main() -> ExitCode {
    // Clap prints usage errors, help and version itself and ends the process with 2 or 0.
    let arguments = Arguments::parse();
    let finished = std::panic::catch_unwind(|| dispatch(arguments));
    match finished {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            output::diagnostic(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
        // The panic hook has told what and where.
        Err(_) => ExitCode::from(failure::EXIT_PANIC),
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    let run = || run::run(&arguments.run);
    match &arguments.command {
        None => run(),
        Some(Command::Run(arguments)) => run::run(arguments),
        Some(Command::Init(arguments)) => init::init(arguments),
        Some(Command::Status(arguments)) => status::status(arguments),
        Some(Command::Health(arguments)) => health::health(arguments),
        Some(Command::Peers(command)) => peers::peers(command),
        Some(Command::Attach(arguments)) => attach::attach(arguments),
        Some(Command::Replay(arguments)) => replay::replay(arguments),
        Some(Command::Stop(arguments)) => stop::stop(arguments),
        Some(Command::Log(command)) => log::log(command),
        Some(Command::Token(command)) => token::token(command),
        Some(Command::Keys(command)) => keys::keys(command),
        Some(Command::Backup(command)) => backup::backup(command),
        Some(Command::Signer(command)) => signer::signer(command),
        Some(Command::Wallet(command)) => wallet::wallet(command),
        Some(Command::Masternode(command)) => masternode::masternode(command),
        Some(Command::Tx(command)) => tx::tx(command),
        Some(Command::Config(command)) => config::config(command),
        Some(Command::Doctor(arguments)) => doctor::doctor(arguments),
        Some(Command::Debug(DebugCommand::Dump(arguments))) => debug::dump(arguments),
        Some(Command::Db(command)) => db::db(command),
        Some(Command::Resync(arguments)) => resync::resync(arguments),
        Some(Command::Devnet(arguments)) => devnet::devnet(arguments),
        Some(Command::Load(arguments)) => load::load(arguments),
        Some(Command::Completions { shell }) => completions::completions(*shell),
        Some(Command::Docs(arguments)) => docs::docs(arguments),
        Some(Command::Man { dir }) => docs::man(dir),
        Some(Command::Version { json }) => version::version(*json),
    }
}
