//! The proof that a thing's signatures were checked.

use std::ops::Deref;

/// Something whose signatures can be checked in a context (keys, chain id).
pub trait Verifiable {
    /// What the check needs to know.
    type Context<'a>: Copy;
    /// Why a check fails.
    type Error;

    /// Checks every signature this value carries or stands on.
    ///
    /// # Errors
    /// Whatever the first failing check says.
    fn check_signatures(&self, context: Self::Context<'_>) -> Result<(), Self::Error>;

    /// Checks many values at once: `Ok` exactly if each of them would pass alone. Worth its own
    /// implementation where signatures can be batched.
    ///
    /// # Errors
    /// Some failing check's error; which value it was is found by splitting.
    fn check_batch(values: &[Self], context: Self::Context<'_>) -> Result<(), Self::Error>
    where
        Self: Sized,
    {
        values
            .iter()
            .try_for_each(|value| value.check_signatures(context))
    }
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

    /// Checks `values` in one batch and wraps those that hold; the verdicts stand in the order of
    /// the values and equal those of [`Verified::check`]. A failed batch is halved until the
    /// culprits stand alone, so k culprits among n cost about k · log n batches.
    pub fn check_all(values: Vec<T>, context: T::Context<'_>) -> Vec<Result<Self, (T, T::Error)>> {
        let mut errors: Vec<Option<T::Error>> = Vec::with_capacity(values.len());
        find_culprits(&values, context, &mut errors);
        values
            .into_iter()
            .zip(errors)
            .map(|(value, error)| match error {
                None => Ok(Self(value)),
                Some(error) => Err((value, error)),
            })
            .collect()
    }
}

/// Appends one verdict per value.
fn find_culprits<T: Verifiable>(values: &[T], context: T::Context<'_>, verdicts: &mut Vec<Option<T::Error>>) {
    match values {
        [] => {}
        [value] => verdicts.push(value.check_signatures(context).err()),
        _ => {
            if T::check_batch(values, context).is_ok() {
                verdicts.extend(values.iter().map(|_| None));
            } else {
                let (left, right) = values.split_at(values.len() / 2);
                find_culprits(left, context, verdicts);
                find_culprits(right, context, verdicts);
            }
        }
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
