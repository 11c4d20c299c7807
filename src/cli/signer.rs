//! `timed signer state`: what this masternode has signed, and how an operator lets it sign again after
//! its consensus log was lost.

use std::process::ExitCode;

use super::{
    args::{SignerCommand, StateCommand, StateExportArguments, StateImportArguments, StateInitArguments},
    client::load_place,
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output, signer_serve,
};
use crate::{
    chain::Height,
    config::DataDir,
    node::{
        handover::{self, StateFile},
        signer_state::{self, SignerMemory, SignerState},
    },
    signer::{VALIDATOR_KEY_FILE, public_key_of},
};

/// Longest line that is read as the confirmation.
const TYPED_BYTES_MAX: u64 = 64;

pub(super) fn signer(command: &SignerCommand) -> Result<ExitCode, Failure> {
    let command = match command {
        SignerCommand::State(command) => command,
        SignerCommand::Serve(arguments) => return signer_serve::serve(arguments),
    };
    match command {
        StateCommand::Show { place, json } => {
            let dir = load_place(place)?.data_dir()?;
            show(&dir, *json)?;
        }
        StateCommand::Init(arguments) => init(arguments)?,
        StateCommand::Export(arguments) => export(arguments)?,
        StateCommand::Import(arguments) => import(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(dir: &DataDir, as_json: bool) -> Result<(), Failure> {
    let state = signer_state::read(dir.root())?;
    if as_json {
        return output::json(&state);
    }
    let SignerState {
        memory,
        last_signed,
        signs_above,
        given_away,
    } = state;
    output::line(&format!("log           {}", dir.consensus().display()))?;
    output::line(&format!(
        "memory        {}",
        match memory {
            SignerMemory::Missing => "missing: the node will observe before it signs",
            SignerMemory::Lost => "lost: the node observes until the chain has moved on",
            SignerMemory::New => "new: nothing was signed with this key",
            SignerMemory::Whole => "whole",
        }
    ))?;
    if let Some(last) = last_signed {
        output::line(&format!(
            "last signed   {} at height {}, round {}",
            last.step, last.height, last.round
        ))?;
    }
    if let Some(height) = signs_above {
        output::line(&format!("signs above   {height}"))?;
    }
    if given_away {
        output::line("given away    yes: the state was exported, no node starts here with this key")?;
    }
    Ok(())
}

fn init(arguments: &StateInitArguments) -> Result<(), Failure> {
    let above = arguments.above;
    if !arguments.i_have_stopped_every_other_node {
        return Err(Failure::new(
            Code::SignGuard,
            "if any other process holds this key, two nodes sign with it and it is punished; stop them all, then say so with --i-have-stopped-every-other-node",
        ));
    }
    let loaded = load_chain(&arguments.chain)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    let key = public_key_of(&dir.keys().join(VALIDATOR_KEY_FILE))?;
    output::raw(&format!(
        "This lets {key} sign above height {above} although nobody remembers what it signed.\n\
         If more than f validators do this at one height that is not decided, the chain can fork and\n\
         final transactions can be lost. Where enough others run, a node finds its way back by itself:\n\
         start it and wait. Go on only if it says that it cannot, no other process holds this key, and\n\
         {above} is the highest height that is final on ANY node.\n\
         Type the height to go on: "
    ))?;
    if typed()?.trim() != above.to_string() {
        return Err(Failure::new(
            Code::SignGuard,
            format!("{above} was not typed; nothing was changed"),
        ));
    }
    signer_state::lift(
        dir.root(),
        &genesis,
        loaded.config.store_options(),
        Height::new(above),
    )?;
    output::line(&format!(
        "the node signs nothing at or below {above}; it signs above once {above} is final here"
    ))
}

fn export(arguments: &StateExportArguments) -> Result<(), Failure> {
    let loaded = load_chain(&arguments.chain)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    let key = public_key_of(&dir.keys().join(VALIDATOR_KEY_FILE))?;
    let options = loaded.config.store_options();
    let state = handover::export(dir.root(), &genesis, key, options, &arguments.file)?;
    if arguments.json {
        return output::json(&state);
    }
    output::line(&format!(
        "{} holds what {key} has signed, up to height {}",
        arguments.file.display(),
        state.height()
    ))?;
    output::line(&format!(
        "{} gave it away: no node starts there with this key until a state is imported again",
        dir.root().display()
    ))
}

fn import(arguments: &StateImportArguments) -> Result<(), Failure> {
    let loaded = load_chain(&arguments.chain)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    let key = public_key_of(&dir.keys().join(VALIDATOR_KEY_FILE))?;
    let state = StateFile::read(&arguments.file)?;
    let is_only_one = arguments.i_have_stopped_every_other_node;
    let imported = handover::import(dir.root(), &genesis, key, &state, is_only_one)?;
    if arguments.json {
        return output::json(&imported);
    }
    let how = if imported.raised {
        "is taken over"
    } else {
        "was known here already"
    };
    output::line(&format!(
        "what {key} has signed {how}; it signs above height {}",
        imported.signs_above
    ))?;
    if imported.taken_back {
        output::line("this place had given it away and has it back")?;
    }
    Ok(())
}

fn typed() -> Result<String, Failure> {
    use std::io::{BufRead, Read};
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(TYPED_BYTES_MAX);
    input
        .read_line(&mut line)
        .map_err(|error| Failure::io(std::path::Path::new("standard input"), &error))?;
    Ok(line)
}
