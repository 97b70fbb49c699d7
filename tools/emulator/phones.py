"""Phones that play against a stack while it is changed."""

import subprocess
import sys
import threading

from parts import built

PHONES, JOIN_S = 60, 15  # of one wave
COUNTED = ("players joined", "matched", "double-booked", "lost")
SHOWN = 4000
# What one fault may be. A version that cannot reach Redis asks the ledger alone whether a party's members wait, and the ledger may not
# have heard yet of the end of a member's last ticket. The refusal is counted and shown; anything else ends the run.
REFUSED = '"code":"party_member_queued"'


def faults(text):
    """The lines of a wave that say what was broken."""
    _, _, told = text.partition("A promise is BROKEN")
    return [line for line in told.splitlines()[1:] if line.startswith("  ")]


def count(text, name):
    """A figure of a wave's table, all queues together."""
    row = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
    return int(row.rstrip("│ ").split("┆")[-1])


def held(code, text):
    """Whether every promise held but for such refusals."""
    if code == 0:
        return True
    found = faults(text)
    return bool(found) and all(REFUSED in line for line in found) and count(text, "lost") == count(text, "double-booked") == 0


class Phones:
    """Waves of `muster demo`, one after the other, until the verdict. Each wave is judged by what its phones saw."""

    def __init__(self, play):
        self.play, self.waves, self.enough = play, [], threading.Event()
        self.thread = threading.Thread(target=self.keep_playing, daemon=True)
        self.thread.start()

    def keep_playing(self):
        while not self.enough.is_set():
            command = [
                built() / "muster", "demo", "--rough", "--at", self.play.http, "--tokens", self.play.parts.studio,
                "--phones", str(PHONES), "--seconds", str(JOIN_S), "--seed", str(len(self.waves) + 1),
            ]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.waves.append((done.returncode, done.stdout))

    def check(self):
        """Ends the run where a wave so far has seen a broken promise."""
        for number, (code, text) in enumerate(self.waves, 1):
            if not held(code, text):
                sys.exit(f"phones, wave {number}: expected every promise to hold, found\n{text[-SHOWN:]}")

    def verdict(self):
        """Lets the last wave end, and counts all of them."""
        self.enough.set()
        self.thread.join()
        self.check()
        totals = {name: sum(count(text, name) for _, text in self.waves) for name in COUNTED}
        totals["refused while a version had no Redis"] = sum(len(faults(text)) for _, text in self.waves)
        return f"{len(self.waves)} waves of phones: " + ", ".join(f"{found} {name}" for name, found in totals.items())
