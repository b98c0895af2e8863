"""The words that people read: for kinds, methods, reasons, states, times and lengths."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from redact.errors import Refusal

KINDS = {
    "face": "face",
    "plate": "licence plate",
    "spoken_name": "spoken name",
    "spoken_phone": "spoken telephone number",
    "spoken_email": "spoken e-mail address",
    "spoken_address": "spoken postal address",
    "spoken_card": "spoken card number",
    "speech": "stretch of speech",
    "metadata": "tag in the file",
    "chapter": "chapter mark",
    "subtitle": "subtitle",
    "caption": "caption in the picture stream",
    "data_stream": "data track (position, sensors)",
    "picture": "cover picture",
    "handler_name": "track name",
}

METHODS = {
    "fill": ("filled", "Painted over with the colours around it; nothing of the inside is left."),
    "pixelate": ("pixelated", "Replaced by a few flat averages; weaker than filling."),
    "blur": ("blurred", "Replaced by a smooth mix of a few averages; weaker than filling."),
    "silence": ("silenced", "That stretch of sound is silent."),
    "tone": ("tone", "That stretch of sound is a tone."),
    "strip": ("left out", "That part of the file was not copied."),
}

STATES = {
    "published": ("published", "The redacted clip is in the store and may be asked for."),
    "held": ("held", "Not published: nothing of its picture or sound is in the store."),
    "withdrawn": ("withdrawn", "Was published, then taken back: it must not be trained on."),
}

REASONS = {
    "no_permission": ("The file could not be opened.", "Give redact the right to read it."),
    "empty": ("The file is empty.", "Fetch it again, or leave it out."),
    "unsupported": ("The format is not supported.", "Convert it first, or leave it out."),
    "remote": ("The file points at another file or an address.", "Fetch the media itself."),
    "limits": ("It is larger than the policy allows.", "Raise the policy's limits, or cut it."),
    "corrupt": ("The file breaks off or does not decode.", "Fetch it again or repair it."),
    "inside_store": ("The file lies inside the store.", "Run on the original, outside the store."),
    "plan_mismatch": ("The plan was made for another file.", "Make the plan again."),
    "detector_failed": ("A detector could not look.", "Run redact doctor, then run again."),
    "model_changed": ("A model file is not the right one.", "Run redact models pull, run again."),
    "language": (
        "Speech in a language whose names can't be found.",
        "Use a policy that silences such speech, or leave the clip out.",
    ),
    "still_visible": (
        "A face or plate could still be seen.",
        "Make a plan (redact plan), add what is missing by hand, and apply it.",
    ),
    "still_audible": (
        "A name could still be heard.",
        "Make a plan (redact plan), add what is missing by hand, and apply it.",
    ),
    "not_stripped": ("Something was left in the file's container.", "Convert it, run again."),
    "changed_elsewhere": ("The picture changed where it should not.", "Run again; report it."),
    "store_failed": ("The store could not be written.", "See to the disk, then run again."),
    "timeout": ("It took too long.", "Run again on a quieter machine, or raise the limit."),
    "crashed": ("A program crashed on this file.", "Run again; if it stays, leave it out."),
    "withdrawn": (
        "It, or its source, was withdrawn.",
        "Leave it out of the input: nothing of it is published again.",
    ),
    "memory": ("It needed too much memory.", "Raise the policy's limit, or cut the clip."),
}
"""Why a clip is held, and what to do about it."""

ANSWERS = {
    "not_yet": "not reviewed",
    "clean": "clean",
    "face_seen": "a face can be seen",
    "plate_seen": "a licence plate can be read",
    "name_heard": "a name can be heard",
    "too_much_removed": "too much was removed",
    "broken": "broken: it can't be judged",
}

WITHDRAWALS = {
    "erasure": "a person asked for erasure (Art. 17)",
    "objection": "a person objected (Art. 21)",
    "opt_out": "the source opted out",
    "licence": "the licence does not allow it",
    "leak": "something can still be seen or heard",
    "quality": "the clip is of no use",
    "mistake": "it was published by mistake",
    "order": "a court or an authority ordered it",
}

ROLES = {
    "viewer": "sees counts and states, no footage",
    "reviewer": "sees redacted footage, answers the review queue",
    "officer": "decides: withdraws, signs, answers requests, sees where things were removed",
    "auditor": "reads everything and verifies, decides nothing",
}


def one_or_more(count: int, word: str) -> str:
    """ "1 face", "2 faces", "2 tags in the file"."""
    head, rest = re.fullmatch(r"(.*?)((?: in | of | \().*)?", word).groups("")  # type: ignore[union-attr]
    plural = head + ("es" if head.endswith("ch") else "s") if count != 1 else head
    return f"{count:,} {plural}{rest}"


def same(text: str) -> str:
    return text


def state(name: str) -> str:
    return STATES[name][0]


def kind(name: str) -> str:
    return KINDS.get(name, name.replace("_", " "))


def method(name: str) -> str:
    return METHODS.get(name, (name, ""))[0]


def reason(name: str) -> str:
    """Why a clip is held, or may not be used, as a sentence."""
    if name in REASONS:
        return REASONS[name][0]
    sentence = Refusal(name).sentence if name in {*Refusal} else name.replace("_", " ")
    return sentence[:1].upper() + sentence[1:]


def what_to_do(name: str) -> str:
    if name in {*Refusal} and name not in REASONS:
        return "Correct the manifest if it is wrong; else leave the clip out."
    return REASONS.get(name, ("", "Ask whoever runs redact here."))[1]


def answer(name: str) -> str:
    return ANSWERS.get(name, name)


def happened(entry: dict[str, Any]) -> str:
    """What an entry about a clip says, in a sentence."""
    match entry["kind"]:
        case "published":
            again = " again: the earlier file was lost" if "replaces" in entry else ""
            return f"Published{again}; removed: {removals(entry['sum'])}."
        case "held":
            return f"Held. {reason(entry['reason'])}"
        case "withdrawn":
            return f"Withdrawn: {WITHDRAWALS.get(entry['reason'], entry['reason'])}."
        case "verdict":
            return f"Reviewed: {', '.join(answer(one) for one in entry['answers'])}."
        case "shredded":
            return f"Restricted detail destroyed ({entry['reason']})."
        case "access":
            return "Restricted detail looked at."
        case "source":
            return _source(entry)
        case kind:
            return str(kind).replace("_", " ")


def _source(entry: dict[str, Any]) -> str:
    if entry["state"] == "suppressed":
        why = WITHDRAWALS.get(entry.get("reason", ""), "no reason is recorded")
        return f"Its source was closed: {why}. Nothing of it may be used or published."
    licence = entry.get("rights", {}).get("licence_media", "not recorded")
    domain = entry.get("src", {}).get("domain", "not recorded")
    return f"Its source was stated anew: domain {domain}, licence of the media {licence}."


def time(microseconds: int | None) -> str:
    """A time, in UTC and saying so."""
    if microseconds is None:
        return "never"
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lasting(microseconds: int) -> str:
    """A stretch of footage, as coarse as a person reads it."""
    seconds = microseconds / 1e6
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds / 3600:,.1f} h"


def clock(microseconds: int) -> str:
    """A place in a clip, 00:01:02.345."""
    seconds, micro = divmod(microseconds, 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro // 1000:03}"


def percent(ppm: int) -> str:
    return f"{ppm / 10_000:.4g} %"


def size(count: int) -> str:
    """Bytes, in the largest unit that leaves a number of one or more."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def removals(lines: list[dict[str, Any]]) -> str:
    """What was removed, in one line; "nothing to remove" where nothing was."""
    found = [one_or_more(line["count"], kind(line["k"])) for line in lines]
    return ", ".join(found) or "nothing to remove"


FILTERS = {
    function.__name__: function
    for function in (
        kind,
        method,
        reason,
        answer,
        happened,
        what_to_do,
        time,
        iso,
        lasting,
        clock,
        percent,
        size,
    )
} | {"removals": removals}
"""For templates."""
