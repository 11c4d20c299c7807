//! view_change
