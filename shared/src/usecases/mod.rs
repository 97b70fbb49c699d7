//! One file for each thing that a caller may want, generic over the ports, with no AWS words.

pub mod answer;
pub mod cancel;
pub mod drain;
pub mod join;
pub mod matcher;
pub mod notifications;
pub mod poll;
pub mod pong;
pub mod replay;
pub mod restore;
pub mod result;
pub mod settle;
pub mod sweep;
pub mod tick;
pub mod unreached;
pub mod view;
