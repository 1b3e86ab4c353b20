//! Reload: watches the configuration and replaces what decides.
