"""Breaks the code behind each promise of README.md in a copy of the tree, and expects the promise's own test to be red.

    python3 tools/promises/run.py              every promise: two minutes each
    python3 tools/promises/run.py failover     those whose test has this in its name

Prints the table of promise, break and result. Fails if a promise has no break, or if a test stays green with its promise broken.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "target/promises"
LIMIT_S = 900

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


def promises():
    """Rows of README.md's table: promise, its test."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("### Promises") :]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    found = []
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 2 or not re.fullmatch(r"`\w+`", cells[1]):
            break
        found.append((cells[0], cells[1].strip("`")))
    return found


def where(test):
    """The nextest filter that runs a test, or the suite whose case it is."""
    for path in sorted((ROOT / "tests/src/conformance").glob("*.rs")):
        if f"fn {test}<" in path.read_text():
            return ["--test", "conformance", "-E", "test(redis_conforms)"]
    for package, folder in (("muster-tests", "tests/tests"), ("muster-functions", "functions/tests")):
        for path in sorted((ROOT / folder).glob("*.rs")):
            if f"fn {test}(" in path.read_text():
                return ["--test", path.stem, "-E", f"package({package}) and test({test})"]
    return ["--lib", "-E", f"test({test})"]


def copy():
    """The tree as git knows it, to be broken. Its own target folder is kept between runs: broken programs must not stand beside good ones."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        source, to = ROOT / name, COPY / name
        if not name or not source.is_file():
            continue
        if not to.exists() or to.read_bytes() != source.read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
    (COPY / ".local").exists() or (COPY / ".local").symlink_to(ROOT / ".local")


def run(arguments):
    """Builds the functions and runs a test. Whether both went well, and what was said."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(COPY / "target")}
    said = ""
    for command in (["cargo", "build", "--workspace", "--bins"], ["cargo", "nextest", "run", "--workspace", *arguments]):
        done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        said += done.stdout + done.stderr
        if done.returncode != 0:
            return False, said
    return True, said


def broken(test):
    """Breaks what a test holds, runs it, and mends it. Why it was red; none if it stayed green."""
    _, file, old, new = BREAKS[test]
    path = COPY / file
    text = path.read_text()
    if old not in text:
        sys.exit(f"promises: expected {old!r} in {file}, found none: the break has to be written anew")
    path.write_text(text.replace(old, new, 1))
    try:
        good, said = run(where(test))
    finally:
        path.write_text(text)
    if "error: could not compile" in said:
        sys.exit(f"promises: {test}: expected the broken code to compile, found\n{said[-3000:]}")
    # The conformance suite names the cases that failed, nextest the tests.
    red = [line for line in said.splitlines() if test in line and re.search(r"FAIL|TIMEOUT| on redis", line)]
    return None if good or not red else red[0].strip()


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    rows = promises()
    missing = [test for _, test in rows if test not in BREAKS]
    if missing:
        sys.exit(f"promises: expected a break for each promise of README.md, found none for {', '.join(missing)}")
    copy()
    green = []
    print("| promise | test | broken | result |\n|---|---|---|---|", flush=True)
    for promise, test in rows:
        if wanted not in test:
            continue
        began = time.monotonic()
        red = broken(test)
        took = f"{time.monotonic() - began:.0f} s"
        print(f"| {promise} | `{test}` | {BREAKS[test][0]} | {'red' if red else 'GREEN'}, {took} |", flush=True)
        if not red:
            green.append(test)
    if green:
        sys.exit(f"promises: expected red, found green: {', '.join(green)}")


if __name__ == "__main__":
    main()
