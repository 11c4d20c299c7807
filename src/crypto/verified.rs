//! The proof that a thing's signatures were checked.

use std::ops::Deref;

/// Something whose signatures can be checked in a context (keys, chain id).
pub trait Verifiable {
    /// What the check needs to know.
    type Context<'a>;
    /// Why a check fails.
    type Error;

    /// Checks every signature this value carries or stands on.
    ///
    /// # Errors
    /// Whatever the first failing check says.
    fn check_signatures(&self, context: Self::Context<'_>) -> Result<(), Self::Error>;
}

/// A value whose signatures were checked. The only way to make one is [`Verified::check`], so a
/// function that takes it cannot be handed unchecked input by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T: Verifiable> Verified<T> {
    /// Checks `value` and wraps it.
    ///
    /// # Errors
    /// The error of [`Verifiable::check_signatures`].
    pub fn check(value: T, context: T::Context<'_>) -> Result<Self, T::Error> {
        value.check_signatures(context)?;
        Ok(Self(value))
    }
}

impl<T> Verified<T> {
    /// Gives the value up; the proof is gone with it.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
