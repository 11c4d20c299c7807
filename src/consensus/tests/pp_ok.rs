//! pp_ok
