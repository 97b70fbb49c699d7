//! `muster bench` works, and counts. What a debug build measures says nothing, so no figure is looked at.

use std::process::{Command, Output};

fn drain(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(["bench", "drain"]).args(arguments).output().expect("the muster command")
}

/// The one line of a refusal.
fn refusal(arguments: &[&str]) -> String {
    let refused = drain(arguments);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    let text = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn every_design_matches_every_ticket_exactly_once() {
    let ran = drain(&["--tickets", "200", "--rounds", "1", "--debug-build"]);
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.contains("5 runs, and 1000 tickets counted in Redis"), "{text}");
    for design in ["Muster", "Muster without the leader key", "the same, its calls in pipelines"] {
        assert!(text.contains(&format!("| {design} ")), "expected a row for {design:?}, found {text}");
    }
}

#[test]
fn an_odd_ticket_is_refused_because_it_could_not_be_matched() {
    assert!(refusal(&["--tickets", "201", "--debug-build"]).contains("expected an even number of them, found 201"));
}

#[test]
#[cfg(debug_assertions)]
fn a_debug_build_is_not_measured_unless_asked_for() {
    assert!(refusal(&[]).contains("expected a release build, found a debug build"));
}
