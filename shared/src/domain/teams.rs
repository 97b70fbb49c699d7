//! Splitting a group into teams.
