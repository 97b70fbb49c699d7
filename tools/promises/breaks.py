"""What is broken to see a test red: behind each promise of README.md, and behind each fault that was found once and mended.

A break is a file and what is replaced in it, one pair or several.
"""

# test: (what is broken, file, old, new)
BREAKS = {
    "whoever_grabs_at_a_pool_every_ticket_is_in_at_most_one_match": (
        "a match takes tickets that are no longer free",
        "lua/lib/groups.lua", "whole = whole and state and state ~= i", "whole = whole",
    ),
    "joins_that_race_on_redis_leave_one_live_ticket_a_player": (
        "a player's reservation holds nobody off",
        "lua/player/reserve.lua", "if held and held ~= ticket and held ~= dead then", "if false then",
    ),
    "redis_lost_under_load_and_back_empty_loses_nobody_and_books_nobody_twice": (
        "a poll does not bring a ticket back from the ledger",
        "shared/src/usecases/poll.rs", "restore(store, ledger, &ticket, rules, now_ms).await?;", "let _ = (restore(store, ledger, &ticket, rules, now_ms), rules);",
    ),
    "a_failover_that_forgets_the_last_moments_puts_nobody_into_two_matches_and_loses_nobody": (
        "the ledger takes a match though a player of it is in another",
        "shared/src/adapters/dynamodb/arbiter.rs", "if self.is_played(&other).await? {\n                        return Ok(false);", "if self.is_played(&other).await? {\n                        return Ok(true);",
    ),
    "a_ledger_away_under_load_stops_nobody_and_hears_of_every_match_in_the_end": (
        "an outbox entry is acknowledged though the ledger did not answer",
        "shared/src/usecases/drain.rs", "return Ok(Drained { ledger_failures: 1, ..drained });",
        "store.acknowledge(pool, &ids.into_iter().map(|(id, _)| id).collect::<Vec<_>>()).await?;\n        return Ok(Drained { ledger_failures: 1, ..drained });",
    ),
    "the_ledger_ends_complete_wherever_a_matcher_dies_on_the_way_to_it": (
        "an outbox entry is acknowledged before the ledger has it",
        "shared/src/usecases/drain.rs", "    clock.reached(Step::Taken).await;\n",
        "    store.acknowledge(pool, &ids.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>()).await?;\n    clock.reached(Step::Taken).await;\n",
    ),
    "tickets_of_a_matcher_killed_while_it_holds_them_are_matched_within_a_lease_and_a_second": (
        "no lease is ever due",
        "lua/match/reclaim.lua", "redis.call('ZRANGEBYSCORE', leases, '-inf', now_ms, 'LIMIT', 0, limit)", "redis.call('ZRANGEBYSCORE', leases, '-inf', 0, 'LIMIT', 0, limit)",
    ),
    "a_matcher_that_lost_its_lease_changes_nothing": (
        "a claim confirms after its lease",
        "lua/match/confirm.lua", "if tonumber(until_ms[i] or 0) > now_ms then", "if until_ms[i] then",
    ),
    "both_phones_know_of_their_match_soon_after_the_last_accepts": (
        "only one team is told of its match",
        "shared/src/usecases/notifications.rs", ".flat_map(|member| tell(&member.players, |player| view(member, player).map(ticket)))",
        ".take(1)\n                .flat_map(|member| tell(&member.players, |player| view(member, player).map(ticket)))",
    ),
    "a_notifier_killed_during_a_push_leaves_no_player_uninformed": (
        "a poll does not show that a ticket is matched",
        "shared/src/usecases/view.rs", "Outcome::Matched(_) => Status::Matched,", "Outcome::Matched(_) => Status::Waiting,",
    ),
    "the_earliest_ticket_past_its_deadline_is_served_if_any_group_with_it_may_be_formed": (
        "no group is looked for beyond the intervals",
        "shared/src/domain/matching/past_deadline.rs", "if !line.tally(waiting).is_enough(shapes) {", "if line.tally(waiting).is_enough(shapes) || true {",
    ),
    "the_last_yes_confirms_the_match_for_everyone": (
        "a match is confirmed before its last yes",
        "lua/match/answer.lua", "and open == 0 then", "and open <= 1 then",
    ),
    "one_no_drops_the_match_and_spares_everyone_else": (
        "everybody in a dropped match is cancelled",
        "lua/match/reclaim.lua", "verdicts[ticket] = verdicts[ticket] or (not member.ready and reason or nil)", "verdicts[ticket] = verdicts[ticket] or 'declined'",
    ),
    "whatever_happens_the_promises_hold_on_memory_and_redis_alike": (
        "a cancelled ticket stays in line",
        "lua/lib/ending.lua", "  redis.call('ZREM', waiting, ticket)\n", "",
    ),
    "the_order_of_the_input_makes_no_difference": (
        "equal tickets stand as they came",
        "shared/src/domain/matching/pool.rs", "a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then_with(latest)", "let _ = latest;\n        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))",
    ),
}  # fmt: skip

# The faults that a review found, with the test of each mend. test: (finding, what is broken, file, old, new)
FINDINGS = {
    "pools_on_healthy_nodes_are_matched_as_before_while_one_is_frozen_and_after_one_is_killed": (
        "A1 one silent shard stopped matching on every shard", "all nodes share one breaker",
        "shared/src/adapters/redis/node.rs", "        self.silence.lock()",
        "        static SHARED: Mutex<Option<Silence>> = Mutex::new(None);\n        let _ = &self.silence;\n        SHARED.lock()",
    ),
    "each_of_two_matchers_leads_its_share_and_a_pool_that_nobody_takes_is_taken_all_the_same": (
        "A2 the first matcher led every pool", "a matcher's share has no bound",
        "shared/src/usecases/matcher/course.rs", "if self.led.len() + self.bidding < self.plan.pools_max {\n            self.bidding", "if true {\n            self.bidding",
    ),
    "a_hundred_thousand_readers_take_no_memory": (
        "A3 consumer groups leaked", "each run reads the outbox under a name of its own",
        "lua/outbox/take.lua", ["group.consumers > 1 and", "'ledger', 'reader', idle_ms"], ["false and", "'ledger', 'reader' .. redis.call('INCR', 'runs'), idle_ms"],
    ),
    "players_who_could_not_be_heard_wait_again_without_penalty": (
        "A4 an outage cancelled everybody who was asked", "silence counts though no player could be heard",
        "lua/match/reclaim.lua", "return 2 * unheard_ms <= until_ms - asked_ms and", "return",
    ),
    "a_key_sent_again_after_its_outcome_was_forgotten_reads_how_its_ticket_ended": (
        "A5 an old idempotency key revived an ended ticket", "a join does not heed that the ledger knows the ticket as finished",
        "shared/src/usecases/join.rs", "Ok((JoinReply::Queued(view), Ok(Noted::Finished))) => {", "Ok((JoinReply::Queued(view), Ok(Noted::Finished))) if view.version == 0 => {",
    ),
    "versions_rise_also_when_the_store_is_lost_or_a_match_was_formed_from_an_old_snapshot": (
        "A6 versions fell after a restore", "a ticket's version does not know its life",
        "shared/src/usecases/view.rs", "u64::from(imported) * VERSIONS_PER_LIFE + in_life", "u64::from(imported) * 0 + in_life",
    ),
    "a_match_that_is_written_after_its_tickets_came_back_is_void": (
        "A7 a late write of an outcome was not fenced", "the ledger does not compare lives",
        "shared/src/adapters/memory_ledger.rs", "matches!(self, Self::Waiting(..)) && self.imported() == imported", "matches!(self, Self::Waiting(..)) && imported < u32::MAX",
    ),
    "no_reply_says_matched_before_the_ledger_has_decided": (
        "A8 a reply said matched before the ledger did", "a settling ticket reads as matched",
        "shared/src/usecases/settle.rs", "let polled = store.poll(ticket, player, now_ms).await?;", "let polled = store.poll(ticket, player, now_ms).await?.settled();",
    ),
    "entries_that_this_version_does_not_know_wait_for_one_that_does_and_block_nobody": (
        "A9 an older version made dead letters of what it could not read", "an unknown entry becomes a dead letter",
        "shared/src/usecases/drain.rs", "Err(Unreadable::Unknown) => put_off.push(entry.id),", "Err(Unreadable::Unknown) => unreadable.push(entry.id),",
    ),
    "dead_letters_are_bounded_by_entries_and_by_bytes": (
        "A10 dead letters had no bound", "dead letters are not trimmed",
        "lua/outbox/dead_letter.lua", "'MAXLEN', kept_max, '*'", "'MAXLEN', kept_max + 10000000, '*'",
    ),
    "tickets_that_ended_without_a_match_fill_the_outbox_no_further_than_its_bytes": (
        "A10 the outbox counted entries, not bytes", "the outbox is bounded by entries alone",
        "lua/lib/outbox.lua", "math.min(entries_max, math.ceil(bytes_max / #text))", "math.min(entries_max, bytes_max)",
    ),
    "a_clock_that_runs_ahead_ends_nobody_before_their_time": (
        "A10 one clock that runs ahead expired everybody", "a caller's clock is believed",
        "lua/lib/clock.lua", "if ahead_ms == 0 then", "if ahead_ms >= 0 then",
    ),
    "a_pool_that_was_removed_leaves_nothing_once_everything_in_it_is_forgotten": (
        "A10 keys of a removed pool stayed", "a removed pool leaves its counters",
        "lua/pool/remove.lua", "redis.call('DEL', stats)\n", "redis.call('EXISTS', stats)\n",
    ),
    "matches_count_though_a_later_batch_failed": (
        "A11 one failed batch discarded the counts of confirmed matches", "a failed batch ends the tick without its counts",
        "shared/src/usecases/tick.rs", "                done.failed = Some(error);\n                break;", "                return Err(error);",
    ),
    "who_was_let_down_stands_before_everybody_who_joined_later": (
        "A11 the head of the line was not the head", "a ticket waits again at the end of the line",
        "lua/match/reclaim.lua", "(record and record[3] or joined_ms) - step_ms", "now_ms + 0 * step_ms",
    ),
    "a_matcher_that_is_told_to_stop_lets_go_within_half_a_second_whatever_keeps_silent": (
        "A12 a matcher that is told to stop held its pools", "a matcher waits a minute for its last looks",
        "shared/src/usecases/matcher.rs", "clock.sleep_ms(LAST_LOOKS_MS_MAX)", "clock.sleep_ms(LAST_LOOKS_MS_MAX + 60_000)",
    ),
    "a_function_answers_fails_and_dies_as_on_aws": (
        "A13 a function that was killed hung its invocation", "the end of a process is not told to its caller",
        "tools/local-aws/src/lambda/function.rs", "let _ = reply.send(failed(\"Runtime.ExitError\",", "std::mem::forget(reply);\n            let _ = (failed(\"Runtime.ExitError\",",
    ),
    "a_party_is_ready_when_each_of_its_phones_was_heard": (
        "A14 one pong spoke for a whole party", "one phone makes its party ready",
        "lua/lib/records.lua", "member.ready = #member.heard == #member.players or nil", "member.ready = true",
    ),
    "the_next_poll_of_a_phone_that_cannot_be_pinged_is_waited_for_where_its_queue_says_so": (
        "A14 phones that joined by plain HTTP were never checked", "a phone that polls is not waited for",
        "shared/src/domain/queue.rs", "else { self.poll_timeout_ms }", "else { None }",
    ),
    "a_match_whose_phone_could_not_be_told_is_dropped_at_once": (
        "A14 a failed push was only counted", "a phone that was not told drops no match",
        "shared/src/usecases/unreached.rs", "if !verdicts.is_empty() {", "if verdicts.len() > 99 {",
    ),
    "who_declined_for_the_party_is_named": (
        "A14 a whole party was punished for one", "the player who declined is not named",
        "lua/match/answer.lua", "{ [own.ticket] = 'declined' }, player", "{ [own.ticket] = 'declined' }, nil",
    ),
    "after_an_outage_of_redis_the_first_match_comes_within_two_seconds_of_the_first_poll": (
        "A15 after an outage the first match waited for the schedule", "the doorbell does not ring for a ticket",
        "functions/src/handlers/doorbell.rs", "            pools.insert(ticket.pool);", "            drop(ticket.pool);",
    ),
}  # fmt: skip
