//! The table of pending transactions.
