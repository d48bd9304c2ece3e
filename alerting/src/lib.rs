//! How Tephra reaches people.
