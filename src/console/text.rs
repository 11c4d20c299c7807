//! Text with meaning: pieces that carry a role instead of a colour. View-models speak in these,
//! views only place them.

use unicode_width::UnicodeWidthStr;

use super::theme::Role;

/// A run of text in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) role: Role,
}

/// One line of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) pieces: Vec<Piece>,
}

impl Row {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A row of one piece.
    pub(super) fn of(role: Role, text: impl Into<String>) -> Self {
        Self::new().with(role, text)
    }

    /// Appends a piece; empty ones vanish.
    pub(super) fn with(mut self, role: Role, text: impl Into<String>) -> Self {
        self.push(role, text);
        self
    }

    pub(super) fn push(&mut self, role: Role, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.pieces.push(Piece { text, role });
        }
    }

    pub(super) fn text(self, text: impl Into<String>) -> Self {
        self.with(Role::Text, text)
    }

    pub(super) fn dim(self, text: impl Into<String>) -> Self {
        self.with(Role::Dim, text)
    }

    pub(super) fn strong(self, text: impl Into<String>) -> Self {
        self.with(Role::Strong, text)
    }

    pub(super) fn append(mut self, other: Row) -> Self {
        self.pieces.extend(other.pieces);
        self
    }

    /// Spaces up to a column, at least one if anything stands there already.
    pub(super) fn until_column(self, column: usize) -> Self {
        let width = self.width();
        let gap = match width < column {
            true => column - width,
            false => 1,
        };
        self.text(" ".repeat(gap))
    }

    /// Columns it takes.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|piece| piece.text.width()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The text alone.
    pub(super) fn plain(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}
