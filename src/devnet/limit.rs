//! The signature limit: what a machine that does nothing but verify could do.
//!
//! A batch costs half where all its signatures are of one key, because the terms of a key are merged; so the limit
//! is measured with as many keys as the load has that it is compared with.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::crypto::{PublicKey, SecretKey, Signature, verify_batch};

/// Signatures in a batch when the machine's limit is measured, as in a node's.
const LIMIT_BATCH: usize = 256;
/// How long it is measured.
const LIMIT_TIME: Duration = Duration::from_millis(1_500);

/// Signatures that all cores together verify in a second when nothing else runs, in batches of a node's size with `keys`
/// different keys each, as many as fit at most. Takes a second and a half.
pub fn signatures_per_s(keys: usize) -> f64 {
    let keys: Vec<SecretKey> = (0..keys.clamp(1, LIMIT_BATCH))
        .map(|key| SecretKey::from_seed(&[key as u8; 32]))
        .collect();
    let sign = |n: u64| {
        let (key, message) = (&keys[n as usize % keys.len()], n.to_le_bytes());
        (key.public_key(), message, key.sign(&message))
    };
    let batches: Vec<Vec<(PublicKey, [u8; 8], Signature)>> = (0..2 * rayon::current_num_threads() as u64)
        .map(|batch| {
            let numbers = batch * LIMIT_BATCH as u64..(batch + 1) * LIMIT_BATCH as u64;
            numbers.map(sign).collect()
        })
        .collect();
    let started = Instant::now();
    let mut verified = 0;
    while started.elapsed() < LIMIT_TIME {
        verified += batches
            .par_iter()
            .map(|batch| {
                let items: Vec<(PublicKey, &[u8], Signature)> = batch
                    .iter()
                    .map(|(key, message, signature)| (*key, &message[..], *signature))
                    .collect();
                if verify_batch(&items).is_ok() {
                    items.len()
                } else {
                    0
                }
            })
            .sum::<usize>();
    }
    verified as f64 / started.elapsed().as_secs_f64()
}
