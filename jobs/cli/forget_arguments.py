"""The arguments of ``fineline forget``; read before Dagster is loaded."""

from __future__ import annotations

import argparse


def forgetting_request(parser: argparse.ArgumentParser) -> None:
    """What a request to forget is made of."""
    parser.add_argument("--request", required=True, metavar="ID", help="its id, such as R-17, which stays for ever")
    parser.add_argument("--reason", help="why, which stays in the certificate; without it a waiting request goes on")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--record", nargs="+", metavar="ID", help="records, by record_id")
    what.add_argument("--text", action="append", help="all records that say this text; may be given several times")
    what.add_argument(
        "--text-file", metavar="FILE", help="the same, a text a line, out of the shell's history; - is input"
    )
    what.add_argument("--source", help="all records of a source")
    what.add_argument("--batch", metavar="KEY", help="all records that came with a batch, as in docs/part-1.jsonl")
    parser.add_argument("--yes", action="store_true", help="also when more than a hundredth of the corpus says it")
