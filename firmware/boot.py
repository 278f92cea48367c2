"""Runs before all else, and rests on nothing that an update changes: the last line.

Finishes a swap that a power cut interrupted (`soul.ota`), counts the starts of a version on trial, and
takes the one before it back after three that did not end online.
"""

import os

STARTS = 3


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def settle(kept):
    """Leave a version in `soul`. `kept`: an NVS with the number `trial`. Returns what was done."""
    try:
        trial = kept.get_i32("trial")
    except OSError:
        trial = 0
    if not _exists("soul") and _exists("soul.old"):
        # Between the two renames of a swap.
        os.rename("soul.new" if _exists("soul.new/whole") else "soul.old", "soul")
    if not trial or not _exists("soul.old"):
        return "nothing"
    if trial > STARTS:
        if _exists("soul.bad"):
            _remove("soul.bad")
        os.rename("soul", "soul.bad")
        os.rename("soul.old", "soul")
        done, trial = "taken back", 0
    else:
        done, trial = "on trial", trial + 1
    kept.set_i32("trial", trial)
    kept.commit()
    return done


def _remove(folder):
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)
    os.rmdir(folder)


if __name__ == "__main__":
    import esp32

    print("version", settle(esp32.NVS("soul")))
