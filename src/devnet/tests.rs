//! Traffic tables and files, without a node.
