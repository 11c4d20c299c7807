//! Lanes: the five queues of a session, in the order of their urgency.

/// Which queue of a session a message travels in. Lower numbers go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Hello, Ping, Pong, Goodbye.
    Control = 0,
    /// Proposals, votes, view changes.
    Consensus = 1,
    /// Blocks and what asks for them.
    Blocks = 2,
    /// Transactions and their announcements.
    Tx = 3,
    /// Snapshots, peers, masternodes.
    State = 4,
}

impl Lane {
    /// How many lanes there are.
    pub const COUNT: usize = 5;

    /// All lanes, most urgent first.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Control,
        Self::Consensus,
        Self::Blocks,
        Self::Tx,
        Self::State,
    ];

    /// The lane with that number on the wire.
    pub fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Position in a table of [`Lane::COUNT`] entries.
    pub const fn index(self) -> usize {
        self as usize
    }
}
