//! Packets, reassembly and the codec.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::wire::{codec, limits::*, *};

/// Lets everything in, and counts.
#[derive(Default)]
struct Open {
    admitted: usize,
}

impl Gate for Open {
    fn admit(&mut self, _: Lane, _: &StartHeader) -> Result<Admission, FrameError> {
        self.admitted += 1;
        Ok(Admission::Take(None))
    }
}

struct Skipping;

impl Gate for Skipping {
    fn admit(&mut self, _: Lane, _: &StartHeader) -> Result<Admission, FrameError> {
        Ok(Admission::Skip)
    }
}

fn message(lane: Lane, type_id: u16, len: usize) -> Outgoing {
    let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    Outgoing::new(lane, type_id, 7, Bytes::from(body)).unwrap()
}

fn bytes_of(mut message: Outgoing) -> BytesMut {
    let mut out = BytesMut::new();
    while !message.write_packet(&mut out) {}
    out
}

#[test]
fn a_message_survives_being_split_at_every_byte() {
    for len in [0, 1, 100, PACKET_PAYLOAD_MAX_BYTES, PACKET_PAYLOAD_MAX_BYTES + 1] {
        let wire = bytes_of(message(Lane::Blocks, 23, len));
        let expected = message(Lane::Blocks, 23, len);
        let step = if len > 1000 { 97 } else { 1 };
        for at in (0..=wire.len()).step_by(step) {
            let mut assembler = Assembler::default();
            let mut gate = Open::default();
            let mut buffer = BytesMut::from(&wire[..at]);
            let first = assembler.next_frame(&mut buffer, &mut gate, 0).unwrap();
            assert_eq!(first.is_some(), at == wire.len());
            buffer.extend_from_slice(&wire[at..]);
            let frame = match first {
                Some(frame) => frame,
                None => assembler.next_frame(&mut buffer, &mut gate, 0).unwrap().unwrap(),
            };
            assert_eq!(
                (frame.lane, frame.type_id, frame.request_id),
                (Lane::Blocks, 23, 7)
            );
            assert_eq!(frame.body.len(), expected.len());
            assert!(
                frame
                    .body
                    .iter()
                    .enumerate()
                    .all(|(i, byte)| *byte == (i % 251) as u8)
            );
            assert_eq!(gate.admitted, 1, "a message is judged once however it is split");
            assert!(buffer.is_empty() && !assembler.is_partial());
        }
    }
}

/// What needs no share of the budget is never half received beside the read buffer.
#[test]
fn a_message_of_one_packet_that_is_cut_into_more_is_refused() {
    let cut = |wire_len: usize| {
        let mut wire = BytesMut::new();
        message(Lane::Blocks, 23, wire_len).write_packet(&mut wire);
        // All but the last byte, and more to come.
        wire[..2].copy_from_slice(&(wire_len.min(PACKET_PAYLOAD_MAX_BYTES) as u16 - 1).to_le_bytes());
        wire[3] &= !FLAG_END;
        wire.truncate(wire.len() - 1);
        Assembler::default().next_frame(&mut wire, &mut Open::default(), 0)
    };
    for wire_len in [2, 100, PACKET_PAYLOAD_MAX_BYTES] {
        let error = cut(wire_len).unwrap_err();
        assert_eq!(error, FrameError::Torn(wire_len as u32));
    }
    assert!(cut(PACKET_PAYLOAD_MAX_BYTES + 1).unwrap().is_none());
    let mut whole = bytes_of(message(Lane::Blocks, 23, PACKET_PAYLOAD_MAX_BYTES));
    let frame = Assembler::default().next_frame(&mut whole, &mut Open::default(), 0);
    assert!(frame.unwrap().is_some());
}

#[test]
fn lanes_interleave_packet_by_packet() {
    let mut bulk = message(Lane::Blocks, 23, 3 * PACKET_PAYLOAD_MAX_BYTES);
    let mut vote = message(Lane::Consensus, 31, 100);
    let mut wire = BytesMut::new();
    assert!(!bulk.write_packet(&mut wire));
    assert!(vote.write_packet(&mut wire));
    while !bulk.write_packet(&mut wire) {}
    let mut assembler = Assembler::default();
    let mut order = Vec::new();
    while let Some(frame) = assembler.next_frame(&mut wire, &mut Open::default(), 0).unwrap() {
        order.push((frame.type_id, frame.body.len()));
    }
    assert_eq!(order, [(31, 100), (23, 3 * PACKET_PAYLOAD_MAX_BYTES)]);
}

#[test]
fn a_skipped_message_passes_by_without_being_kept() {
    let mut wire = bytes_of(message(Lane::Tx, 999, 40_000));
    wire.extend_from_slice(&bytes_of(message(Lane::Tx, 40, 10)));
    let mut assembler = Assembler::default();
    assert!(
        assembler
            .next_frame(&mut wire, &mut Skipping, 0)
            .unwrap()
            .is_none()
    );
    assert!(wire.is_empty());
}

#[test]
fn announcing_too_much_is_refused_with_the_first_header() {
    let header = |wire_len: u32, raw_len: u32| {
        let mut bytes = vec![0, 0, Lane::Blocks as u8, FLAG_START];
        bytes.extend_from_slice(&23u16.to_le_bytes());
        bytes.extend_from_slice(&0u64.to_le_bytes());
        bytes.extend_from_slice(&wire_len.to_le_bytes());
        bytes.extend_from_slice(&raw_len.to_le_bytes());
        BytesMut::from(&bytes[..])
    };
    for (wire_len, raw_len) in [
        (2_800_000_000, 2_800_000_000),
        (1, u32::MAX),
        (MESSAGE_MAX_BYTES as u32 + 1, 1),
    ] {
        let mut gate = Open::default();
        let error = Assembler::default()
            .next_frame(&mut header(wire_len, raw_len), &mut gate, 0)
            .unwrap_err();
        assert!(matches!(error, FrameError::Oversize { .. }), "{error}");
        assert_eq!(gate.admitted, 0);
    }
    let largest = MESSAGE_MAX_BYTES as u32;
    assert!(
        Assembler::default()
            .next_frame(&mut header(largest, largest), &mut Open::default(), 0)
            .is_err_and(|e| e == FrameError::EmptyPacket)
    );
}

#[test]
fn broken_framing_is_named() {
    let run =
        |bytes: &[u8]| Assembler::default().next_frame(&mut BytesMut::from(bytes), &mut Open::default(), 0);
    assert_eq!(run(&[0, 0, 9, 0]).unwrap_err(), FrameError::UnknownLane(9));
    assert_eq!(
        // Compression is said where a message begins, and nowhere else.
        run(&[0, 0, 0, FLAG_COMPRESSED]).unwrap_err(),
        FrameError::Flags(FLAG_COMPRESSED)
    );
    assert_eq!(
        run(&[1, 0x40, 0, 0]).unwrap_err(),
        FrameError::PacketTooLong(16385)
    );
    assert_eq!(run(&[0, 0, 0, FLAG_END]).unwrap_err(), FrameError::NoMessage);

    let mut twice = BytesMut::new();
    let mut bulk = message(Lane::Blocks, 23, 20_000);
    bulk.write_packet(&mut twice);
    twice.extend_from_slice(&bytes_of(message(Lane::Blocks, 23, 5)));
    assert_eq!(run(&twice).unwrap_err(), FrameError::StartInsideMessage);

    let mut short = bytes_of(message(Lane::Blocks, 23, 20));
    short[0] = 19;
    assert_eq!(
        run(&short).unwrap_err(),
        FrameError::LengthMismatch {
            got: 19,
            announced: 20
        }
    );
}

#[test]
fn a_message_that_drips_is_given_up() {
    let mut wire = BytesMut::new();
    message(Lane::Blocks, 23, 10 * PACKET_PAYLOAD_MAX_BYTES).write_packet(&mut wire);
    let mut assembler = Assembler::default();
    assert!(
        assembler
            .next_frame(&mut wire, &mut Open::default(), 1_000)
            .unwrap()
            .is_none()
    );
    assert!(assembler.is_partial());
    // One packet came: worth a second beyond the first thirty, whatever length was claimed.
    assert_eq!(assembler.check_pace(1_000 + 31_000), Ok(()));
    assert_eq!(assembler.check_pace(1_000 + 31_001), Err(FrameError::TooSlow));
}

#[test]
fn the_budget_is_never_exceeded_and_keeps_its_reserve() {
    let budget = Arc::new(Budget::new(20, 70, 100));
    let unasked = budget.try_take(20, Purpose::Unasked).unwrap();
    assert!(budget.try_take(1, Purpose::Unasked).is_none());
    let stranger = budget.try_take(50, Purpose::Common).unwrap();
    drop(unasked);
    assert!(budget.try_take(20, Purpose::Unasked).is_none());
    let other = budget.try_take(20, Purpose::Common).unwrap();
    assert!(budget.try_take(1, Purpose::Common).is_none());
    let masternode = budget.try_take(30, Purpose::Consensus).unwrap();
    assert!(budget.try_take(1, Purpose::Consensus).is_none());
    assert!(budget.try_take(usize::MAX, Purpose::Consensus).is_none());
    drop((stranger, other));
    assert_eq!(budget.used_bytes(), 30);
    drop(masternode);
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn dos_02_however_many_hold_what_they_can_the_next_one_finds_room() {
    let budget = Arc::new(Budget::default());
    let size = 64 << 10;
    let fill = |share: &Share| -> Vec<Permit> {
        std::iter::from_fn(|| budget.try_take_of(share, size, size, Purpose::Common, true)).collect()
    };
    // Ten of 31 validators are the most that a network bears.
    let shares: Vec<Share> = (0..10).map(|_| Share::default()).collect();
    let held: Vec<Vec<Permit>> = shares.iter().map(fill).collect();
    assert!(held[0].len() * size > 4 << 20, "one alone has room for a block");
    let next = fill(&Share::default()).len() * size;
    assert!(next >= 2 * size, "{next}");
    // Two proposals of the largest block, each of another, come in beside each other.
    drop(held);
    let take = || {
        let (share, size) = (Share::default(), BLOCK_MESSAGE_MAX_BYTES);
        budget.try_take_of(&share, size, size, Purpose::Common, true)
    };
    assert!(take().is_some() && (take(), take()).1.is_some());
}

#[test]
fn dos_05_a_claimed_list_length_reserves_nothing() {
    let mut bytes = (1u64 << 60).to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0; 24]);
    assert_eq!(codec::decode::<Vec<u64>, 4096>(&bytes), Err(CodecError::Limit));
    assert_eq!(
        codec::decode::<BoundedVec<u64, 10>, 4096>(&bytes),
        Err(CodecError::Limit)
    );
    let eleven = codec::encode(&vec![0u64; 11]).unwrap();
    assert_eq!(
        codec::decode::<BoundedVec<u64, 10>, 4096>(&eleven),
        Err(CodecError::Limit)
    );
    // Of whole messages too, and at once: nothing of that size is walked or reserved. The best of some
    // tries, since other tests share the machine.
    for kind in [
        MessageType::TxInv,
        MessageType::GetTxs,
        MessageType::Txs,
        MessageType::Blocks,
    ] {
        let mut body = vec![0; 16];
        body[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        body[8..].copy_from_slice(&(1u64 << 60).to_le_bytes());
        let took = (0..50).map(|_| {
            let began = std::time::Instant::now();
            assert!(Message::decode(kind, &body).is_err(), "{kind:?}");
            began.elapsed()
        });
        let took = took.min().unwrap();
        assert!(took < std::time::Duration::from_millis(1), "{kind:?}: {took:?}");
    }
    let ten = codec::encode(&vec![5u64; 10]).unwrap();
    assert_eq!(
        codec::decode::<BoundedVec<u64, 10>, 4096>(&ten).unwrap().len(),
        10
    );
}

#[test]
fn dos_06_one_value_has_one_encoding() {
    assert_eq!(codec::encode(&7u32).unwrap()[..], [7, 0, 0, 0]);
    assert_eq!(
        codec::decode::<u32, 64>(&[7, 0, 0, 0, 0]),
        Err(CodecError::Trailing(1))
    );
    assert_eq!(
        codec::decode::<u32, 64>(&[7, 0, 0]),
        Err(CodecError::Truncated { missing: 1 })
    );
    assert!(matches!(
        codec::decode::<bool, 64>(&[2]),
        Err(CodecError::Malformed(_))
    ));
}

/// The first packet of a compressed message.
fn compressed(lane: Lane, wire_len: u32, raw_len: u32) -> BytesMut {
    let mut bytes = BytesMut::from(&[0u8, 0, lane as u8, FLAG_START | FLAG_COMPRESSED][..]);
    bytes.extend_from_slice(&23u16.to_le_bytes());
    bytes.extend_from_slice(&5u64.to_le_bytes());
    bytes.extend_from_slice(&wire_len.to_le_bytes());
    bytes.extend_from_slice(&raw_len.to_le_bytes());
    bytes
}

#[test]
fn dos_04_a_compression_bomb_is_refused_before_or_at_its_announced_size() {
    let judge = |lane, wire_len, raw_len| {
        Assembler::default()
            .next_frame(&mut compressed(lane, wire_len, raw_len), &mut Open::default(), 0)
            .unwrap_err()
    };
    // 32 kB that claim a gigabyte, or more than the format can hold, or nothing.
    assert!(matches!(
        judge(Lane::Blocks, 32_000, 1 << 30),
        FrameError::Oversize { .. }
    ));
    assert_eq!(judge(Lane::Blocks, 1_000, 1_000_000), FrameError::Compression);
    assert_eq!(judge(Lane::Blocks, 1_000, 1_000), FrameError::Compression);
    assert_eq!(judge(Lane::Consensus, 1_000, 2_000), FrameError::Compression);
    assert_eq!(judge(Lane::Tx, 1_000, 2_000), FrameError::Compression);
    // What grows beyond what it announced stops there, and what falls short is refused as well.
    let bomb = lz4_flex::block::compress(&vec![0u8; 8 * 1024 * 1024]);
    assert!(bomb.len() < 40_000);
    assert_eq!(inflate(&bomb, 64 * 1024), Err(FrameError::Compression));
    assert_eq!(inflate(&bomb, 8 * 1024 * 1024 + 1), Err(FrameError::Compression));
    assert_eq!(inflate(&bomb, 8 * 1024 * 1024).unwrap().len(), 8 * 1024 * 1024);
}

#[test]
fn arbitrary_bytes_never_inflate_to_another_length() {
    use proptest::prelude::*;
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300), length in 0usize..5_000)| {
        prop_assert!(inflate(&bytes, length).is_ok_and(|raw| raw.len() == length) || inflate(&bytes, length).is_err());
    });
}

#[test]
fn bulk_that_shrinks_travels_compressed_and_nothing_else_does() {
    let body = Bytes::from(b"unspent output ".repeat(4_000));
    let send = |lane| Outgoing::new(lane, 23, 5, body.clone()).unwrap().compressed();
    for lane in Lane::ALL {
        let is_bulk = matches!(lane, Lane::Blocks | Lane::State);
        let mut wire = BytesMut::new();
        let mut message = send(lane);
        assert_eq!(message.len() < body.len(), is_bulk, "{lane:?}");
        while !message.write_packet(&mut wire) {}
        let frame = Assembler::default().next_frame(&mut wire, &mut Open::default(), 0);
        let frame = frame.unwrap().unwrap();
        assert_eq!(frame.inflated_len, is_bulk.then_some(body.len()));
        match frame.inflated_len {
            Some(length) => assert_eq!(inflate(&frame.body, length).unwrap(), body),
            None => assert_eq!(frame.body, body),
        }
    }
    // What does not shrink by a tenth stays as it is.
    let noise: Vec<u8> = (0..4_096u32)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect();
    let noise = Bytes::from(noise);
    assert_eq!(
        Outgoing::new(Lane::Blocks, 23, 5, noise.clone())
            .unwrap()
            .compressed()
            .len(),
        noise.len()
    );
}
