//! Formats that must never change, and texts that must round trip.

use super::*;
use crate::crypto::{Hash256, HashWriter, PublicKey, SecretKey, Signature};

/// The placeholder set of the included genesis files, from seeds that this function publishes.
fn placeholder(network: Network) -> Genesis {
    let key = |role: &str, n: u64| {
        let seed = HashWriter::new("timecoin/placeholder-seed")
            .bytes(role.as_bytes())
            .bytes(network.name().as_bytes())
            .u64(n)
            .finish();
        SecretKey::from_seed(seed.as_bytes()).public_key()
    };
    let masternodes: Vec<_> = (0..4u64)
        .map(|n| GenesisMasternode {
            name: format!("founder{n}"),
            validator_key: key("validator", n),
            node_key: None,
            payout: Address::of(&key("payout", n)),
            tier: Tier::Bronze,
        })
        .collect();
    let outputs = masternodes
        .iter()
        .map(|masternode| GenesisOutput {
            address: masternode.payout,
            amount: Tier::Bronze.collateral(),
        })
        .collect();
    Genesis {
        network,
        timestamp_ms: TimestampMs::new(1_767_225_600_000),
        params: Params::default_for(network),
        masternodes,
        outputs,
    }
}

fn sample_transaction() -> Transaction {
    let mut transaction = Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::Transfer,
        inputs: vec![
            OutPoint::new(TxId::from_bytes([7; 32]), 1),
            OutPoint::new(TxId::from_bytes([8; 32]), 0),
        ],
        outputs: vec![Output {
            amount: Amount::from_units(5_000),
            address: Address::from_bytes([9; 20]),
        }],
        valid_until_height: Height::new(77),
        witnesses: vec![],
    };
    let key = SecretKey::from_seed(&[3; 32]);
    transaction.sign(&Hash256::from_bytes([1; 32]), &[&key, &key]);
    transaction
}

#[test]
fn included_genesis_files_are_the_published_placeholders() {
    for network in [Network::Mainnet, Network::Testnet] {
        assert_eq!(Genesis::builtin(network).unwrap().unwrap(), placeholder(network));
    }
    assert_eq!(Genesis::builtin(Network::Devnet), Ok(None));
}

#[test]
fn genesis_round_trips_and_its_id_is_over_values_not_text() {
    let genesis = placeholder(Network::Testnet);
    let text = genesis.to_toml();
    assert_eq!(Genesis::from_toml(&text).unwrap(), genesis);
    let commented = text.replace("gossip_grace_ms = 300\n", "# gossip grace is the default\n");
    assert_ne!(commented, text);
    assert_eq!(
        Genesis::from_toml(&commented).unwrap().chain_id(),
        genesis.chain_id()
    );
    let faster = text.replace("block_interval_ms = 30000", "block_interval_ms = 29000");
    assert_ne!(
        Genesis::from_toml(&faster).unwrap().chain_id(),
        genesis.chain_id()
    );
}

#[test]
fn genesis_refuses_what_it_does_not_know_by_name() {
    let text = placeholder(Network::Devnet).to_toml();
    let refused = |text: &str| Genesis::from_toml(text).unwrap_err().to_string();
    assert!(refused(&format!("blok_interval_ms = 5\n{text}")).contains("blok_interval_ms"));
    assert!(refused(&text.replace("\"devnet\"", "\"testnet\"")).contains("timet1"));
    assert!(refused(&text.replace("\"devnet\"", "\"moonnet\"")).contains("moonnet"));
    assert!(
        refused(&text.replace("proposal_timeout_ms = 400", "proposal_timeout_ms = 0"))
            .contains("proposal_timeout_ms")
    );
    assert!(refused(&text.replace("founder1", "founder0")).contains("share a name"));
    assert!(refused(&text.replace("amount = 100000000000", "amount = 0")).contains("output 0"));
}

#[test]
fn addresses_round_trip_over_20_000_keys_on_every_network() {
    for n in 0u64..20_000 {
        let hash = HashWriter::new("test").u64(n).finish();
        let address = Address::of(&PublicKey::from_bytes(*hash.as_bytes()));
        let network = Network::ALL[(n % 3) as usize];
        let text = address.to_text(network);
        assert!(text.starts_with(&format!("{}1", network.hrp())));
        assert_eq!(Address::from_text(&text, network), Ok(address));
        assert_eq!(
            Address::from_any_text(&text.to_ascii_uppercase()),
            Ok((network, address))
        );
    }
}

#[test]
fn a_damaged_or_foreign_address_is_refused() {
    let address = Address::from_bytes([1; 20]);
    let text = address.to_text(Network::Mainnet);
    for at in 5..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[at] = if damaged[at] == b'q' { b'p' } else { b'q' };
        assert!(Address::from_any_text(std::str::from_utf8(&damaged).unwrap()).is_err());
    }
    let foreign = Address::from_text(&text, Network::Testnet).unwrap_err();
    assert_eq!(
        foreign,
        AddressError::OtherNetwork {
            expected: Network::Testnet,
            found: Network::Mainnet
        }
    );
    let hrp = bech32::Hrp::parse_unchecked("time");
    for len in [19, 21, 32] {
        let other = bech32::encode::<bech32::Bech32m>(hrp, &vec![0; len]).unwrap();
        assert_eq!(Address::from_any_text(&other), Err(AddressError::Malformed));
    }
}

#[test]
fn amounts_are_written_and_read_in_time() {
    for (units, text) in [
        (0, "0"),
        (1, "0.00000001"),
        (1_250_000_000, "12.5"),
        (UNITS_PER_TIME, "1"),
    ] {
        assert_eq!(Amount::from_units(units).to_string(), text);
        assert_eq!(text.parse(), Ok(Amount::from_units(units)));
    }
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "1.123456789",
        "1e3",
        "999999999999",
        "1 ",
    ] {
        assert_eq!(text.parse::<Amount>(), Err(AmountError), "{text}");
    }
}

#[test]
fn canonical_bytes_read_back_and_nothing_else_does() {
    let transaction = sample_transaction();
    let bytes = transaction.canonical_bytes();
    assert_eq!(bytes.len(), transaction.canonical_size());
    assert_eq!(Transaction::from_canonical(&bytes), Ok(transaction));
    for len in 0..bytes.len() {
        assert!(Transaction::from_canonical(&bytes[..len]).is_err());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(
        Transaction::from_canonical(&longer),
        Err(CanonicalError::Trailing(1))
    );
    let mut other = bytes;
    other[2] = 9;
    assert_eq!(
        Transaction::from_canonical(&other),
        Err(CanonicalError::UnknownKind(9))
    );
}

#[test]
fn ids_do_not_depend_on_witnesses_and_signatures_fit_one_place() {
    let chain = Hash256::from_bytes([1; 32]);
    let signed = sample_transaction();
    let bare = Transaction {
        witnesses: vec![],
        ..signed.clone()
    };
    assert_eq!(signed.txid(), bare.txid());
    assert_ne!(signed.wtxid(), bare.wtxid());
    assert_ne!(signed.sighash(&chain, 0), signed.sighash(&chain, 1));
    assert_ne!(signed.sighash(&chain, 0), signed.sighash(&Hash256::ZERO, 0));
    let shared = SharedTransaction::new(signed.clone());
    assert_eq!((shared.txid(), shared.wtxid()), (signed.txid(), signed.wtxid()));
    assert_eq!(shared.size(), signed.canonical_bytes().len());
}

#[test]
fn golden_ids() {
    let transaction = sample_transaction();
    let header = BlockHeader {
        version: BLOCK_VERSION,
        height: Height::new(5),
        prev_hash: BlockHash::from_bytes([1; 32]),
        timestamp_ms: TimestampMs::new(1_700_000_000_000),
        proposer: PublicKey::from_bytes([2; 32]),
        created_round: 3,
        tx_root: Hash256::from_bytes([4; 32]),
        utxo_commitment: Hash256::from_bytes([5; 32]),
        vset_hash: Hash256::from_bytes([6; 32]),
        next_vset_hash: Hash256::from_bytes([7; 32]),
        prev_commit_hash: Hash256::from_bytes([8; 32]),
        evidence_root: Hash256::from_bytes([9; 32]),
    };
    let certificate = CommitCertificate {
        height: Height::new(4),
        round: 1,
        block_hash: header.hash(),
        signatures: vec![
            (0, Signature::from_bytes([1; 64])),
            (2, Signature::from_bytes([2; 64])),
        ],
    };
    insta::assert_snapshot!(
        [
            const_hex::encode(transaction.canonical_body()),
            transaction.txid().to_string(),
            transaction.sighash(&Hash256::from_bytes([1; 32]), 1).to_string(),
            header.hash().to_string(),
            certificate.hash().to_string(),
            validator_set_hash(&[PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32])]).to_string(),
            placeholder(Network::Mainnet).chain_id().to_string(),
            Address::from_bytes([0xab; 20]).to_text(Network::Mainnet),
        ]
        .join("\n"),
        @r"
        0100000200000007070707070707070707070707070707070707070707070707070707070707070100000008080808080808080808080808080808080808080808080808080808080808080000000001000000881300000000000009090909090909090909090909090909090909094d00000000000000
        4ea7c4a6b88184ac2aa4f529129604bec2a370c72876b59354c4cd9bfba932a3
        d5d2658a9d3918ed74e7b3c8b62dc19539d82208aa3d0d407c9744b40698ef11
        265878cd29f51bccf861dbde769f34a3554a825ed193bb53fb998016cf6cdf9f
        5c56bd382fafce5ba99299ae7a2172505ee55286b205308fe716b46b433a5277
        7f5ff0d931ba2ae3c010581c068b883f76859db798633c13c6aaddbc4e97f773
        c3e85f5e42af920c763daa0f60216b42801394978812a897517b40711b0d06d3
        time14w46h2at4w46h2at4w46h2at4w46h2atde3mmz
        "
    );
}

#[test]
fn shared_transactions_travel_as_transactions() {
    let config = bincode::config::standard().with_fixed_int_encoding();
    let shared = SharedTransaction::new(sample_transaction());
    let bytes = bincode::encode_to_vec(&shared, config).unwrap();
    assert_eq!(
        bytes,
        bincode::encode_to_vec(shared.transaction(), config).unwrap()
    );
    let (back, used): (SharedTransaction, usize) = bincode::decode_from_slice(&bytes, config).unwrap();
    assert_eq!((back.txid(), used), (shared.txid(), bytes.len()));
}
