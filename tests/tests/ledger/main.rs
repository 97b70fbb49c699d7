//! One suite for every ledger: the reference in memory, and the real one on a DynamoDB emulator.
//!
//! - `cases`: what every ledger must do.
//! - `profile_cases`: the same of profiles and results.
//! - `results_emulated`: results on a ledger that throttles or breaks off.
//! - `emulated`: what only a store behind a network can do: be away, freeze, leave work undone.

mod cases;
mod emulated;
mod profile_cases;
mod results_emulated;
mod samples;

/// Runs every case on both ledgers.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod memory {
            use muster::adapters::memory_ledger::MemoryLedger;

            $(#[tokio::test]
            async fn $case() {
                let clock = crate::samples::Hands::new();
                crate::cases::$case(MemoryLedger::new(clock.clone()), clock).await;
            })*
        }

        mod dynamodb {
            $(#[tokio::test]
            async fn $case() {
                let clock = crate::samples::Hands::new();
                let (_emulator, ledger) = crate::emulated::ledger(clock.clone()).await;
                crate::cases::$case(ledger, clock).await;
            })*
        }
    };
}

on_both! {
    a_fallback_ticket_is_readable_at_once_and_joins_once
    a_ticket_reads_back_whether_its_phones_are_told
    a_ticket_that_was_buried_never_begins_to_wait
    of_a_join_and_a_burial_exactly_one_happens
    a_player_is_spoken_for_until_given_up_dead_or_run_out
    of_many_tickets_one_gets_the_player
    only_a_fallback_ticket_is_cancelled_here
    a_note_waits_as_the_stores_and_changes_nothing_after_the_outcome
    a_fallback_ticket_that_joins_the_store_is_the_stores
    a_note_points_the_players_at_their_newest_ticket
    a_match_is_recorded_with_its_tickets_and_three_times_is_once
    an_ended_ticket_is_recorded_whether_it_was_noted_or_not
    many_events_at_once_are_all_recorded
    a_ticket_is_in_the_first_match_that_is_carried_and_any_other_is_void
    a_ticket_that_ended_is_in_no_match_and_a_matched_one_ends_in_no_other_way
    a_late_write_of_a_lost_life_changes_nothing
    of_matches_that_are_carried_at_once_each_ticket_is_in_at_most_one
    an_import_finds_out_whether_the_ticket_still_waits
    of_an_import_and_a_cancel_exactly_one_happens
    a_join_lands_here_when_the_store_is_away
    a_player_is_reached_by_the_phone_that_connected_last
    many_players_are_looked_up_at_once
    a_version_of_the_rules_reads_back_as_it_was_put_and_never_changes
    of_several_versions_that_follow_the_same_one_exactly_one_is_put
    a_profile_reads_back_as_it_was_put_and_in_the_order_that_was_asked
    of_several_writers_of_a_profile_exactly_one_is_done
    a_result_reads_back_in_each_of_its_revisions
    of_several_writers_of_a_result_exactly_one_is_done
    all_results_are_found_page_by_page
    a_report_moves_each_rating_once_however_often_it_is_made
    results_that_race_for_one_player_all_count
    reports_of_one_match_that_race_are_one_result
    a_correction_moves_the_difference_and_an_annulment_takes_it_back
    a_match_that_is_unknown_void_or_too_old_has_no_result
    a_track_computed_anew_is_the_one_that_stands
}
