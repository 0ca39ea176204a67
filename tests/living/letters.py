"""What arrives in the scenario: files of questions and answers, one with faults, one with a person in it."""

import json

from support.corpus import COLOURS, PLACES, THINGS

PERSON = "Margaret Thompson"
ADDRESS = "margaret.thompson@example.org"


def rows():
    """400 questions and answers, no two alike."""
    return [
        {
            "question": f"What is the colour of the {colour} {thing} {place}?",
            "answer": f"The {thing} {place} is {colour}.",
            "topic": f"{thing} {colour}",
        }
        for thing in THINGS
        for colour in COLOURS
        for place in PLACES
    ]


def personal():
    """Letters in which somebody is named, who may ask to be forgotten."""
    return [
        {
            "question": f"Who painted the {thing} by the old bridge?",
            "answer": f"{PERSON} painted the {thing}; write to {ADDRESS} about it.",
            "topic": f"painter of the {thing}",
        }
        for thing in THINGS
    ]


def lines(records):
    """As JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def files():
    """The files of the scenario, by name, in the order in which they come."""
    every = rows()
    return {
        "first.jsonl": lines(every[:100]),
        "second.jsonl": lines(every[100:200]),
        "third.jsonl": lines(every[200:300]),
        # Another file, of which the first has most already.
        "fourth.jsonl": lines([*every[:100], *every[300:310]]),
        "poisoned.jsonl": lines(every[310:320]) + '{"question": "half a line\n' * 10,
        "person.jsonl": lines([*every[320:], *personal()]),
    }


MENDED = lines(rows()[310:320])
