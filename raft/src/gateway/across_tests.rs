//! Requests over several groups.
