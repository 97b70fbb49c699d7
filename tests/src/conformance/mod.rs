//! One suite of cases for every store. Each case has a pool of its own and asserts exact values; afterwards everything that
//! the store tells of that pool is written down, so that two stores can also be compared where no case looks.
//!
//! - [`env`]: the ports as a case uses them; remembers who was named and which words were answered.
//! - the other modules: the cases, a file for each part of a ticket's life.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "a list of one reads like the longer lists beside it")]

mod cancel;
mod claim;
mod confirm;
mod drop;
pub mod env;
mod expire;
mod join;
mod leader;
mod match_now;
mod outbox;
pub mod paced;
mod players;
mod poll;
mod pool;
mod proposals;
mod reclaim;
mod retention;
mod snapshot;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use muster::domain::PoolId;
use muster::ports::Store;

use env::Env;

/// A fact that must hold on every store.
pub struct Case<'a, S> {
    /// The fact, with its part of a ticket's life in front.
    pub name: &'static str,
    run: for<'w> fn(&'w Env<'a, S>) -> LocalBoxFuture<'w, ()>,
}

macro_rules! cases {
    ($($module:ident { $($name:ident)+ })+) => {
        /// Every case.
        pub fn all<'a, S: Store>() -> Vec<Case<'a, S>> {
            vec![$($(Case {
                name: concat!(stringify!($module), "::", stringify!($name)),
                run: |env| Box::pin($module::$name(env)),
            }),+),+]
        }
    };
}

cases! {
    join {
        a_new_ticket_waits
        joining_twice_changes_nothing
        a_claimed_ticket_is_there_already
        an_ended_ticket_does_not_come_back
        a_matched_ticket_does_not_come_back
        a_tombstone_leaves_a_live_ticket_alone
        a_buried_ticket_never_begins_to_wait
        a_tombstone_leaves_an_ended_ticket_its_outcome
        a_newcomer_learns_what_to_expect
        pools_are_apart
        a_restored_ticket_keeps_its_place_and_is_heard_of_now
    }
    poll {
        a_waiting_ticket_reads_back_as_it_joined
        a_claimed_ticket_shows_the_match_that_holds_it
        a_ticket_of_a_given_up_match_is_still_held
        a_matched_ticket_shows_its_match
        a_cancelled_ticket_shows_who_it_was
        an_expired_ticket_shows_who_it_was
        an_unknown_ticket_is_unknown
        a_stranger_sees_no_live_ticket
        whose_an_ended_ticket_was_stands_in_the_answer
        a_poll_is_proof_of_life_and_never_goes_back
        a_poll_by_any_member_counts
        a_poll_by_a_stranger_does_not_count
        a_poll_counts_while_a_match_holds_the_ticket
        unusual_player_ids_survive_every_script
    }
    cancel {
        a_waiting_ticket_is_cancelled_and_leaves_the_line
        cancelling_twice_counts_once
        any_member_may_cancel
        a_claimed_ticket_names_its_match_and_stays
        a_matched_ticket_cannot_be_cancelled
        an_expired_ticket_cannot_be_cancelled
        a_stranger_cannot_cancel
        an_unknown_ticket_cannot_be_cancelled
    }
    snapshot {
        an_empty_pool_has_no_line
        the_oldest_stands_first_and_ties_go_by_id
        a_page_is_a_piece_of_the_line
        a_page_of_nothing_is_empty
        a_full_page_is_read_in_one_call
        held_and_ended_tickets_are_not_in_line
        who_fell_through_stands_in_front
    }
    match_now {
        everyone_of_a_match_is_matched_at_once
        parties_stay_in_their_teams
        nobody_asked_nothing_answered
        one_who_is_gone_leaves_the_others_untouched
        each_match_of_a_call_stands_alone
        whoever_is_held_elsewhere_cannot_be_matched
        the_same_call_twice_counts_once
        a_ticket_goes_to_the_first_match_of_a_call
        a_match_cannot_name_a_ticket_twice
        a_match_that_fell_through_is_not_matched_by_its_old_call
        a_match_that_is_only_claimed_is_not_matched_by_the_direct_call
        the_largest_call_is_taken_whole
        the_largest_match_is_taken_whole
    }
    claim {
        a_claimed_match_holds_all_its_tickets
        one_who_is_gone_leaves_the_others_in_line
        the_first_of_two_matchers_has_it
        a_ticket_goes_to_the_first_match_of_a_call
        a_match_cannot_name_a_ticket_twice
        the_same_call_twice_changes_nothing
        a_late_repetition_does_not_take_the_tickets_again
        the_largest_call_is_claimed_whole
        a_claim_from_an_old_snapshot_takes_who_still_waits
    }
    confirm {
        a_match_is_played_while_its_lease_holds
        a_lease_that_ends_now_has_ended
        a_matcher_that_lost_its_lease_changes_nothing
        a_reclaimed_match_cannot_be_confirmed
        only_the_later_of_two_holders_can_confirm
        confirming_twice_counts_once
        a_match_that_nobody_claimed_cannot_be_confirmed
        a_given_up_match_cannot_be_confirmed
        each_match_of_a_call_stands_alone
        a_confirmed_match_is_never_reclaimed
    }
    proposals {
        a_proposed_match_holds_its_tickets_and_shows_the_deadline
        the_last_yes_confirms_the_match_for_everyone
        any_player_speaks_for_the_party
        one_no_drops_the_match_and_spares_everyone_else
        who_says_nothing_until_the_deadline_is_cancelled
        players_who_could_not_be_heard_wait_again_without_penalty
        who_could_be_heard_for_half_of_the_time_is_at_fault
        a_no_counts_however_long_the_store_was_away
        an_answer_at_the_deadline_comes_too_late
        saying_it_again_changes_nothing
        a_no_after_a_yes_counts_and_a_yes_after_a_no_does_not
        a_stranger_has_no_say
        an_answer_is_proof_of_life
        a_matcher_cannot_confirm_over_its_players_heads
        every_pong_confirms_where_nobody_must_accept
        every_pong_proposes_where_players_must_accept
        who_is_not_reached_is_cancelled_and_the_reached_wait_again
        a_pong_is_no_consent
        who_need_not_be_pinged_is_ready
        a_party_is_ready_when_each_of_its_phones_was_heard
        a_party_of_which_one_phone_is_not_reached_is_cancelled
        who_declined_for_the_party_is_named
        what_is_asked_is_told_and_how_it_fell_through
        each_match_has_a_lobby_of_its_own
        a_lobby_is_found_until_its_match_is_forgotten
    }
    drop {
        a_given_up_match_returns_everyone
        a_verdict_ends_a_ticket_and_spares_the_others
        every_reason_reads_back
        giving_up_twice_adds_verdicts
        a_verdict_on_a_stranger_says_nothing
        who_lost_the_lease_cannot_give_up
        only_a_match_that_holds_can_be_given_up
        a_match_taken_apart_cannot_be_given_up_again
        a_given_up_match_is_due_before_all_others
    }
    reclaim {
        nothing_due_changes_nothing
        a_lease_that_ends_now_is_due
        who_waits_again_keeps_time_rating_and_proof_of_life
        ratings_survive_to_the_thousandth
        who_was_let_down_stands_before_everybody_who_joined_later
        a_fall_moves_forward_once_so_nobody_stays_in_front_for_ever
        parties_survive_a_fall
        the_match_stays_readable_as_dropped
        a_call_takes_a_batch_the_oldest_leases_first
        a_call_begins_no_match_beyond_its_tickets
        only_crashes_count_as_reclaimed
        falling_twice_and_matched_in_the_end
    }
    expire {
        a_ticket_expires_at_its_time_and_not_before
        a_silent_ticket_is_abandoned_at_its_time_and_not_before
        a_poll_keeps_a_ticket_from_being_abandoned
        after_a_gap_everyone_has_time_to_be_heard_of
        a_pause_of_upkeep_at_its_bound_is_no_gap
        a_gap_spares_nobody_who_is_late
        a_ticket_that_is_late_and_silent_has_expired
        held_tickets_are_left_alone
        a_held_ticket_expires_once_it_waits_again
        standing_in_front_does_not_shorten_a_life
        urgent_tickets_do_not_hide_the_late
        held_tickets_do_not_hide_the_silent
        a_call_ends_a_batch_the_first_in_line_first
        a_call_abandons_a_batch_the_longest_silent_first
    }
    retention {
        outcomes_are_forgotten_at_their_time_and_not_before
        a_match_is_forgotten_with_its_tickets
        a_dropped_match_is_forgotten
        a_forgotten_ticket_may_join_anew
        a_held_match_is_not_forgotten
        a_call_forgets_a_batch_the_oldest_first
    }
    outbox {
        a_quiet_pool_has_nothing_to_tell
        tickets_of_a_void_match_wait_again_at_the_head_and_who_is_over_ends
        whoever_was_told_of_a_match_never_waits_again
        a_ticket_of_which_only_the_ledger_knows_the_end_is_let_go
        a_ticket_that_is_brought_back_twice_has_the_later_life
        a_match_settles_until_the_outside_has_heard_of_it
        every_match_is_told_with_all_its_members
        every_ticket_that_ended_without_a_match_is_told
        what_goes_on_is_not_told
        doing_it_twice_tells_it_once
        what_one_reader_took_is_not_handed_to_another
        what_was_never_finished_is_handed_out_again
        what_was_left_comes_before_what_is_new
        acknowledged_entries_go
        the_oldest_pending_entry_says_since_when
        an_entry_that_cannot_be_recorded_becomes_a_dead_letter
        a_dead_letter_is_redriven
        what_was_put_off_is_out_of_the_way_until_it_is_recalled
        pools_tell_of_themselves
        a_pool_is_not_removed_while_the_outside_has_not_heard_all_of_it
    }
    players {
        a_player_is_spoken_for_once
        asking_again_for_the_same_ticket_is_lawful
        a_dead_ticket_gives_way_only_if_it_is_the_one
        only_the_holder_gives_back
        players_do_not_know_pools
        a_player_who_declined_too_often_cools_down
        a_player_already_spoken_for_is_not_asked_for_a_cooldown
        the_same_refusal_counts_once
        a_burst_of_asks_is_lawful_and_then_one_for_each_interval
    }
    leader {
        one_leads_and_others_follow
        a_leader_leads_on
        only_the_leader_resigns
        pools_have_leaders_of_their_own
        a_look_takes_nothing_and_says_what_is_there
        a_pool_is_taken_for_its_work_when_a_ticket_waits_or_a_match_is_open
        a_guest_makes_way_for_one_that_stays
        who_wants_to_go_if_idle_stays_while_there_is_work
    }
    pool {
        an_unknown_pool_is_empty
        everyone_is_counted_where_they_are
        the_oldest_is_who_waits_longest_not_who_stands_first
        percentiles_go_by_nearest_rank
        only_the_latest_waits_count
        noting_nothing_changes_nothing
        what_jobs_did_is_remembered_and_the_last_failure_stays
        rates_are_those_since_the_minute_before
        a_match_reads_back_in_each_of_its_states
        an_empty_pool_is_removed_with_its_counters_and_begins_anew
        a_pool_that_is_removed_twice_is_removed
        a_pool_is_not_removed_while_anything_in_it_may_be_asked_for
        the_store_answers
    }
}

/// What a case left behind: everything that the store tells, a line each.
pub type Evidence = BTreeMap<&'static str, Vec<String>>;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases that ran.
    pub cases: usize,
    /// What failed, each naming case and store.
    pub failures: Vec<String>,
    /// What each case left behind.
    pub evidence: Evidence,
    /// Pools that were used.
    pub pools: Vec<PoolId>,
    /// Words that were answered: script and word.
    pub words: BTreeSet<(&'static str, &'static str)>,
}

/// Runs every case on a store; on one that keeps no outbox, all but the outbox's own.
pub async fn run<S: Store>(kind: &str, store: &S, tells: bool) -> Report {
    let mut report = Report::default();
    for (number, case) in all::<S>().into_iter().enumerate() {
        if !tells && case.name.starts_with("outbox::") {
            continue;
        }
        let env = Env::new(store, number, tells);
        let ran = AssertUnwindSafe(async {
            (case.run)(&env).await;
            env.evidence().await
        });
        match ran.catch_unwind().await {
            Ok(evidence) => drop(report.evidence.insert(case.name, evidence)),
            Err(panic) => report.failures.push(format!("{} on {kind}: {}", case.name, message(&*panic))),
        }
        report.cases += 1;
        report.words.extend(env.words());
        report.pools.extend(env.pools());
    }
    report
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// Every line in which two stores differ.
pub fn differences(expected: &Evidence, found: &Evidence) -> Vec<String> {
    let mut lines = Vec::new();
    for (case, expected) in expected {
        let Some(found) = found.get(case).filter(|found| *found != expected) else { continue };
        for (expected, found) in expected.iter().zip(found).filter(|(expected, found)| expected != found) {
            lines.push(format!("{case}:\n    expected {expected}\n    found    {found}"));
        }
        if expected.len() != found.len() {
            lines.push(format!("{case}: expected {} lines, found {}", expected.len(), found.len()));
        }
    }
    lines
}
