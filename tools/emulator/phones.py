"""Phones that play against a stack while it is changed."""

import subprocess
import sys
import threading

from parts import built

PHONES, JOIN_S = 60, 15  # of one wave
COUNTED = ("players joined", "matched", "double-booked", "lost")
SHOWN = 4000


class Phones:
    """Waves of `muster demo`, one after the other, until the verdict. Each wave is judged by what its phones saw."""

    def __init__(self, play):
        self.play, self.waves, self.enough = play, [], threading.Event()
        self.thread = threading.Thread(target=self.keep_playing, daemon=True)
        self.thread.start()

    def keep_playing(self):
        while not self.enough.is_set():
            command = [
                built() / "muster", "demo", "--at", self.play.http, "--tokens", self.play.parts.studio,
                "--phones", str(PHONES), "--seconds", str(JOIN_S), "--seed", str(len(self.waves) + 1),
            ]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.waves.append((done.returncode, done.stdout))

    def check(self):
        """Ends the run where a wave so far has seen a broken promise."""
        for number, (code, text) in enumerate(self.waves, 1):
            if code != 0:
                sys.exit(f"phones, wave {number}: expected every promise to hold, found\n{text[-SHOWN:]}")

    def verdict(self):
        """Lets the last wave end, and counts all of them."""
        self.enough.set()
        self.thread.join()
        self.check()
        totals = dict.fromkeys(COUNTED, 0)
        for _, text in self.waves:
            for name in COUNTED:
                row = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
                totals[name] += int(row.rstrip("│ ").split("┆")[-1])
        return f"{len(self.waves)} waves of phones: " + ", ".join(f"{count} {name}" for name, count in totals.items())
