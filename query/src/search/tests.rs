//! Grammar and errors.
