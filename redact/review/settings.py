"""The page of settings: the policies that clips were made under, the models, who is signed in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from redact.policy import NAMED
from redact.review.asking import Ask, Page
from redact.review.columns import Filter
from redact.review.words import ROLES


def show(ask: Ask) -> Page:
    index = ask.opened.index
    data: dict[str, Any] = {
        "policies": [_policy(ask, code, word) for code, word in index.words("policy").items()],
        "models": sorted({one for word in index.words("models").values() for one in word.split()}),
        "roles": ROLES,
        "who": ask.session.who,
        "role": ask.session.role,
        "has_probes": ask.site.probes is not None,
        "store": str(ask.opened.root),
    }
    return Page("settings.html", data)


def _policy(ask: Ask, code: int, word: str) -> dict[str, Any]:
    """A policy in words, if it is one of those that come with redact."""
    name, _, digest = word.partition(" ")
    known = next((one for one in NAMED.values() if one.sha256.startswith(digest)), None)
    return {
        "word": word,
        "name": name,
        "digest": digest,
        "clips": ask.opened.index.columns.count(Filter(policy=code)),
        "settings": asdict(known) if known else None,
        "in_words": in_words(word),
    }


def in_words(word: str) -> list[str]:
    """What a policy means, as sentences; nothing for one that is not redact's own."""
    digest = word.partition(" ")[2]
    known = next((one for one in NAMED.values() if one.sha256.startswith(digest)), None)
    if known is None:
        return []
    faces, plates, names = known.faces, known.plates, known.names
    silenced = names.uncovered_language == "silence"
    language = "silenced" if silenced else "a reason to hold the clip"
    return [
        f"Faces are looked for {faces.looks_per_second:g} times a second; method: {faces.method}.",
        f"What is covered of a face moves out by {faces.margin:.0%} of its size on each side.",
        f"A face that a detector finds counts from a score of {faces.min_score:g} on; low, because "
        "a miss costs a person.",
        f"Licence plates are looked for in the same frames, and count from {plates.min_score:g} "
        f"on; method: {plates.method}, moved out by {plates.margin:.0%}."
        if plates.find
        else "Licence plates are not looked for.",
        f"Spoken names are replaced by {names.method}; speech in a language whose names can't be "
        f"found is {language}.",
        f"The result is looked at a second time; what is still found is removed again, "
        f"{known.check.rounds} times at most, else the clip is held.",
        f"Purpose of the models' licences: {known.purpose}.",
    ]
