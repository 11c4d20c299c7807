//! The four questions of a first run: network, role, port, passphrase. Asked only of a person at a
//! terminal, and only what no flag has answered.

use std::net::{Ipv4Addr, SocketAddr};

use super::{
    args::InitArguments,
    failure::{Code, Failure},
    output,
    passphrase::optional_passphrase,
};
use crate::{chain::Network, signer::Passphrase};

/// Times a question is put before it is given up.
const TRIES_MAX: u32 = 3;

/// What was chosen beyond what flags can say.
pub(super) struct Chosen {
    /// For the keys; `None`: they are not encrypted.
    pub(super) passphrase: Option<Passphrase>,
}

/// Asks, and fills in what was answered.
pub(super) fn ask(arguments: &mut InitArguments) -> Result<Chosen, Failure> {
    output::line("No node is here yet. Enter takes what stands in brackets.")?;
    if arguments.chain.place.network.is_none() && arguments.chain.genesis.is_none() {
        let network = question("Network, testnet or mainnet [testnet]: ", |answer| match answer {
            "" | "testnet" => Some(Network::Testnet),
            "mainnet" => Some(Network::Mainnet),
            _ => None,
        })?;
        arguments.chain.place.network = Some(network.name().to_owned());
    }
    if !arguments.follower {
        let says =
            "Role, masternode (votes, once registered) or follower (only follows and serves) [masternode]: ";
        arguments.follower = question(says, |answer| match answer {
            "" | "masternode" => Some(false),
            "follower" => Some(true),
            _ => None,
        })?;
    }
    if arguments.listen.is_none() {
        let network: Option<Network> = arguments
            .chain
            .place
            .network
            .as_ref()
            .and_then(|name| name.parse().ok());
        let usual = network.unwrap_or(Network::Testnet).p2p_port();
        let port = question(&format!("Port for peers [{usual}]: "), |answer| match answer {
            "" => Some(usual),
            answer => answer.parse().ok().filter(|port| *port > 0),
        })?;
        if port != usual {
            arguments.listen = Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).to_string());
        }
    }
    let passphrase = match arguments.encrypt || arguments.passphrase.passphrase_file.is_some() {
        true => None,
        false => optional_passphrase()?,
    };
    Ok(Chosen { passphrase })
}

fn question<T>(says: &str, understood: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
    for _ in 0..TRIES_MAX {
        match understood(&output::ask(says)?) {
            Some(answer) => return Ok(answer),
            None => output::diagnostic("that is none of the answers"),
        }
    }
    Err(Failure::new(
        Code::Argument,
        "no answer that can be used; `timed init --help` has a flag for each",
    ))
}
